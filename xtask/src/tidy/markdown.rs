//! Links between the Markdown files: each must lead to a file, and to a heading where it names one. Links to other sites
//! are not followed: a check must not depend on them.

use super::{Problems, Repository};

/// Problems with the links of all Markdown files.
pub(super) fn links(repository: &Repository) -> Problems {
    let mut problems = Problems::new();
    for (path, text) in repository.texts().filter(|(path, _)| is_markdown(path)) {
        for (number, target) in targets(text) {
            if let Some(problem) = broken(repository, path, target) {
                problems.push(format!("{path}:{number}: {problem}"));
            }
        }
    }
    problems
}

fn is_markdown(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, extension)| extension == "md")
}

/// What the links of `text` point to, with their line numbers; code is left out.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        let pieces = line.split("](").skip(1).filter(|_| !in_code);
        found.extend(pieces.filter_map(|piece| Some((number + 1, piece.split_once(')')?.0))));
    }
    found
}

fn broken(repository: &Repository, from: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, heading) =
        target.split_once('#').map_or((target, None), |(file, heading)| (file, Some(heading)));
    let path = if file.is_empty() { from.to_owned() } else { join(from, file) };
    if !repository.exists(&path) {
        return Some(format!("leads to {path}, which does not exist"));
    }
    let heading = heading?;
    let text = repository.text(&path)?;
    let known = headings(text).any(|known| known == heading);
    (!known).then(|| format!("leads to #{heading}, which {path} does not have"))
}

/// `target` as seen from the folder of `from`.
fn join(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// The anchors of a file's headings, as GitHub makes them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let anchor = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept =
            title.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    };
    text.lines().filter(|line| line.starts_with('#')).map(anchor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let check = |text: &str, expected: &[&str]| {
            let repository = Repository::of(&[
                ("README.md", "# Bugle\n## Quick start\n"),
                ("crates/a/src/lib.rs", ""),
                ("docs/page.md", text),
            ]);
            let found = links(&repository);
            assert_eq!(found.len(), expected.len(), "{text}: {found:?}");
            for (problem, words) in found.iter().zip(expected) {
                assert!(problem.contains(words), "{problem}");
            }
        };
        check("[a](../README.md) [b](../README.md#quick-start) [c](../crates/a)", &[]);
        check("[a](README.md)", &["docs/README.md, which does not exist"]);
        check("[a](../README.md#slow-start)", &["#slow-start"]);
        check("# Here\n[a](#here) [b](#there)", &["#there"]);
        check("[a](https://example.com/x) [b](mailto:a@example.com)", &[]);
        check("```\n[a](nowhere.md)\n```", &[]);
    }
}
