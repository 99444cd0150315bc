//! Rules about the text of single files.

use super::Problems;

/// Most lines of a source file, its tests not counted.
const LINES_MAX: usize = 400;

/// Files that may be longer, each with its reason.
const LONG: &[(&str, &str)] = &[];

/// A source file that is too long to be read in one go.
pub(super) fn too_long(path: &str, text: &str) -> Problems {
    let code = text.split_once("#[cfg(test)]\nmod tests {").map_or(text, |(code, _)| code);
    let lines = code.lines().count();
    if lines <= LINES_MAX || LONG.iter().any(|(known, _)| *known == path) || path.contains("/tests") {
        return Problems::new();
    }
    vec![format!("{path}: {lines} lines without its tests; split it by concept (at most {LINES_MAX})")]
}

/// What must stand in no file. The words are put together from halves so that this file does not hold them.
fn forbidden() -> [(String, &'static str); 9] {
    let word = |halves: [&str; 2]| halves.concat();
    [
        (word(["/ho", "me/"]), "a path of one person's machine"),
        (word(["/Us", "ers/"]), "a path of one person's machine"),
        (word(["/ro", "ot/"]), "a path of one machine"),
        (word(["/wo", "rk/"]), "a path of one machine"),
        (word(["PRIVATE KEY", "-----"]), "a private key"),
        (word(["xox", "b-"]), "a Slack token"),
        (word(["gh", "p_"]), "a GitHub token"),
        (word(["TO", "DO"]), "something left to do: do it, or say in the docs what is missing"),
        (word(["FIX", "ME"]), "something left to do: do it, or say in the docs what is missing"),
    ]
}

/// Words that belong to one machine, one person or an unfinished thought.
pub(super) fn foreign(path: &str, text: &str) -> Problems {
    let mut problems = Problems::new();
    for (word, why) in forbidden() {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| line.contains(&word)) {
            // A path on a web site is no path on a machine.
            let in_address = line.split(&word).next().is_some_and(|before| {
                before.rsplit([' ', '"', '(', '<', '`']).next().is_some_and(|start| start.contains("://"))
            });
            if !in_address {
                problems.push(format!("{path}:{}: holds `{word}`: {why}", number + 1));
            }
        }
    }
    problems
}

/// Tests that do not run.
pub(super) fn ignored(path: &str, text: &str) -> Problems {
    let attribute = ["#[ign", "ore"].concat();
    let problem =
        |(number, _): (usize, &str)| format!("{path}:{}: an ignored test proves nothing", number + 1);
    text.lines()
        .enumerate()
        .filter(|(_, line)| line.trim_start().starts_with(&attribute))
        .map(problem)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_are_found_and_tests_do_not_count() {
        let long = "let x = 1;\n".repeat(LINES_MAX + 1);
        let tested = format!("let x = 1;\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(too_long("crates/a/src/a.rs", &long).len(), 1);
        assert_eq!(too_long("crates/a/src/a.rs", &tested), Problems::new());
    }

    #[test]
    fn foreign_words_are_found_and_web_addresses_are_not() {
        let check = |text: &str, expected: usize| assert_eq!(foreign("a.md", text).len(), expected, "{text}");
        check(&["see /ho", "me/ada/notes"].concat(), 1);
        check(&["see https://docs.example.com/ho", "me/start"].concat(), 0);
        check(&["-----BEGIN PRIVATE KEY", "-----"].concat(), 1);
        check(&["// TO", "DO: later"].concat(), 1);
        check("nothing special", 0);
    }

    #[test]
    fn ignored_tests_are_found() {
        let attribute = ["    #[ign", "ore = \"slow\"]\n    fn a() {}"].concat();
        assert_eq!(ignored("a.rs", &attribute).len(), 1);
        assert_eq!(ignored("a.rs", "#[test]\nfn a() {}"), Problems::new());
    }
}
