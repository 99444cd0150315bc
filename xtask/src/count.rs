//! How many tests a test runner says it ran. A skipped test counts as failed: nothing here may be left out quietly.

/// Tests and steps that held, and those that did not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// They held.
    pub(crate) passed: u32,
    /// They did not, or were skipped.
    pub(crate) failed: u32,
}

impl Count {
    /// One step.
    pub(crate) fn step(held: bool) -> Self {
        Self { passed: u32::from(held), failed: u32::from(!held) }
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Reads the summary of cargo-nextest: `Summary [ 1.2s] 12 tests run: 11 passed (1 slow), 1 failed, 2 skipped`.
pub(crate) fn of_nextest<'a>(lines: impl IntoIterator<Item = &'a str>) -> Option<Count> {
    let lines: Vec<String> = lines.into_iter().map(without_colours).collect();
    let summary = lines.iter().rev().find(|line| line.trim_start().starts_with("Summary ["))?;
    let (_, counts) = summary.split_once("run:")?;
    let of = |words: &[&str]| words.iter().map(|word| number_before(counts, word)).sum::<u32>();
    Some(Count { passed: of(&["passed"]), failed: of(&["failed", "timed out", "exec failed", "skipped"]) })
}

/// Adds up the summaries of libtest, one for each binary: `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
pub(crate) fn of_libtest<'a>(lines: impl IntoIterator<Item = &'a str>) -> Option<Count> {
    let mut sum = None;
    for line in lines {
        let line = without_colours(line);
        let Some((_, counts)) = line.split_once("test result:") else { continue };
        let total: &mut Count = sum.get_or_insert_default();
        *total += Count {
            passed: number_before(counts, "passed"),
            failed: number_before(counts, "failed") + number_before(counts, "ignored"),
        };
    }
    sum
}

/// The number that stands right before `word`, or 0.
fn number_before(text: &str, word: &str) -> u32 {
    let Some((before, _)) = text.split_once(word) else { return 0 };
    before.split_whitespace().next_back().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut inside = false;
    for letter in line.chars() {
        match (inside, letter) {
            (false, '\u{1b}') => inside = true,
            (true, 'm') => inside = false,
            (false, _) => plain.push(letter),
            (true, _) => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nextest_summaries_are_read() {
        for (line, passed, failed) in [
            ("     Summary [   0.030s] 4 tests run: 4 passed, 0 skipped", 4, 0),
            (
                "     Summary [   9.1s] 12 tests run: 9 passed (1 slow), 2 failed, 1 timed out, 3 skipped",
                9,
                6,
            ),
            ("\u{1b}[32;1m     Summary\u{1b}[0m [   1s] 1 test run: 1 passed, 0 skipped", 1, 0),
        ] {
            assert_eq!(of_nextest([line]), Some(Count { passed, failed }), "{line}");
        }
        assert_eq!(of_nextest(["error: could not compile"]), None);
    }

    #[test]
    fn libtest_summaries_are_added_up() {
        let lines = [
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "running 2 tests",
            "test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.1s",
        ];
        assert_eq!(of_libtest(lines), Some(Count { passed: 4, failed: 3 }));
        assert_eq!(of_libtest(["nothing"]), None);
    }
}
