//! The figures that a measurement ends with, as lines for a terminal and as tables for the README.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use super::load::milliseconds;

/// What is measured, with the digits that are worth showing.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    /// So many each second.
    PerSecond,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Megabytes.
    Megabytes,
}

/// What a figure, or its ratio to its ceiling, shall be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal {
    /// The ratio at least this.
    RatioAtLeast(f64),
    /// The ratio at most this.
    RatioAtMost(f64),
    /// The figure at least this.
    AtLeast(f64),
    /// The figure below this.
    Below(f64),
}

/// One figure, beside what could be reached at best in the same run.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    what: String,
    unit: Unit,
    value: f64,
    ceiling: Option<(&'static str, f64)>,
    goal: Option<Goal>,
}

impl Figure {
    /// So many each second.
    pub(super) fn rate(what: impl Into<String>, value: f64) -> Self {
        Self { what: what.into(), unit: Unit::PerSecond, value, ceiling: None, goal: None }
    }

    /// A time in milliseconds.
    pub(super) fn time(what: impl Into<String>, time: Duration) -> Self {
        Self { unit: Unit::Milliseconds, ..Self::rate(what, milliseconds(time)) }
    }

    /// A time in seconds.
    pub(super) fn seconds(what: impl Into<String>, time: Duration) -> Self {
        Self { unit: Unit::Seconds, ..Self::rate(what, time.as_secs_f64()) }
    }

    /// Memory, given in KiB and shown in megabytes.
    pub(super) fn memory(what: impl Into<String>, kib: u64) -> Self {
        let megabytes = f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) * 1.024 / 1000.0;
        Self { unit: Unit::Megabytes, ..Self::rate(what, megabytes) }
    }

    /// The same, beside the ceiling called `name`, whose value is in the same unit.
    pub(super) fn beside(self, name: &'static str, ceiling: f64) -> Self {
        Self { ceiling: Some((name, ceiling)), ..self }
    }

    /// The same, with what it shall be.
    pub(super) fn goal(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    fn ratio(&self) -> Option<f64> {
        self.ceiling.filter(|(_, ceiling)| *ceiling > 0.0).map(|(_, ceiling)| self.value / ceiling)
    }

    fn shown(&self, value: f64) -> String {
        match self.unit {
            Unit::PerSecond => format!("{}/s", thousands(value)),
            Unit::Milliseconds => format!("{value:.2} ms"),
            Unit::Seconds => format!("{value:.2} s"),
            Unit::Megabytes => format!("{value:.0} MB"),
        }
    }

    fn wanted(&self) -> String {
        match self.goal {
            None => String::new(),
            Some(Goal::RatioAtLeast(bound)) => format!("ratio at least {bound}"),
            Some(Goal::RatioAtMost(bound)) => format!("ratio at most {bound}"),
            Some(Goal::AtLeast(bound)) => format!("at least {}", self.shown(bound)),
            Some(Goal::Below(bound)) => format!("below {}", self.shown(bound).replace(".00", "")),
        }
    }

    /// Whether it is what it shall be; none where nothing is asked of it.
    fn is_met(&self) -> Option<bool> {
        let ratio = self.ratio();
        Some(match self.goal? {
            Goal::RatioAtLeast(bound) => ratio? >= bound,
            Goal::RatioAtMost(bound) => ratio? <= bound,
            Goal::AtLeast(bound) => self.value >= bound,
            Goal::Below(bound) => self.value < bound,
        })
    }

    fn cells(&self) -> [String; 6] {
        let ceiling = self.ceiling.map(|(name, value)| format!("{name} {}", self.shown(value)));
        let met = match self.is_met() {
            None => "",
            Some(true) => "yes",
            Some(false) => "no",
        };
        [
            self.what.clone(),
            self.shown(self.value),
            ceiling.unwrap_or_default(),
            self.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            self.wanted(),
            met.to_owned(),
        ]
    }
}

/// One line for a terminal.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [what, value, ceiling, ratio, wanted, met] = self.cells();
        write!(f, "{what:62} {value:>12} {ceiling:>18} {ratio:>6}")?;
        if met.is_empty() { Ok(()) } else { write!(f, "  {wanted}: {met}") }
    }
}

/// The figures as Markdown, a table for each part, and what the ceilings are.
pub(super) fn table(parts: &[(String, Vec<Figure>)]) -> String {
    let mut text = String::new();
    for (title, figures) in parts {
        text.push_str(&heading(title));
        for figure in figures {
            text.push_str(&format!("| {} |\n", figure.cells().join(" | ")).replace("  |", " |"));
        }
        text.push('\n');
    }
    text.push_str(NOTES);
    text
}

fn heading(title: &str) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    writeln!(text, "| {title} | Bugle | ceiling | ratio | goal | met |\n|---|---:|---:|---:|---|---|")
        .unwrap_or_default();
    text
}

const NOTES: &str = "\
Ceiling A reads and checks each call over the same HTTP stack. B is A and a bare group commit, durable before the answer.
S is a bare client that signs and posts what Bugle delivers, to the same receiver over as many connections.
";

/// A whole number with its thousands apart.
pub(super) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_shown_beside_its_ceiling_and_its_goal() {
        let figure = Figure::rate("accepted", 12_345.6).beside("B", 24_691.2).goal(Goal::RatioAtLeast(0.8));
        assert_eq!(figure.cells().join("|"), "accepted|12,346/s|B 24,691/s|0.50|ratio at least 0.8|no");
        let figure = Figure::time("p99", Duration::from_micros(9_990)).goal(Goal::Below(10.0));
        assert_eq!(figure.cells().join("|"), "p99|9.99 ms|||below 10 ms|yes");
        let figure = Figure::rate("delivered", 10_000.0).goal(Goal::AtLeast(10_000.0));
        assert_eq!(figure.cells().join("|"), "delivered|10,000/s|||at least 10,000/s|yes");
        assert_eq!(Figure::memory("idle", 1_000).cells().join("|"), "idle|1 MB||||");
    }

    #[test]
    fn a_ratio_that_is_not_known_meets_nothing() {
        for goal in [Goal::RatioAtLeast(0.8), Goal::RatioAtMost(1.2)] {
            assert_eq!(Figure::rate("x", 1.0).beside("B", 0.0).goal(goal).is_met(), None);
        }
    }

    #[test]
    fn each_part_is_a_table() {
        let table = table(&[("Accept".into(), vec![Figure::rate("a", 1.0)]), ("Send".into(), Vec::new())]);
        assert!(table.starts_with("| Accept | Bugle |"), "{table}");
        assert!(table.contains("\n| a | 1/s | | | | |\n\n| Send |"), "{table}");
    }
}
