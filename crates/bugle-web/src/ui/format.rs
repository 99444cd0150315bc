//! How single things are shown. Each is a type that writes its own HTML, from words of ours and escaped text, so that a
//! template just names it: `{{ row.opened }}`.

use std::fmt::{self, Display, Formatter};

use askama::filters::{Html, HtmlSafe, escape};
use bugle_model::{IncidentStatus, Severity, Timestamp};

use super::assets;

/// Text that may hold anything.
pub(super) fn escaped(text: &str) -> impl Display {
    // Writing to memory does not fail; nothing is shown rather than anything unsafe.
    escape(text, Html).map_or_else(|_| String::new(), |safe| safe.to_string())
}

/// A symbol of `assets/icons.svg`. It says nothing by itself: a text stands beside it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Icon(pub(super) &'static str);

impl HtmlSafe for Icon {}
impl Display for Icon {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (file, name) = (assets::address("icons.svg"), self.0);
        write!(f, r#"<svg class="icon" aria-hidden="true"><use href="{file}#{name}"/></svg>"#)
    }
}

/// A moment, as how long ago it was; the exact one on hover, in the viewer's zone once the script has run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ago {
    pub(super) at: Timestamp,
    pub(super) now: Timestamp,
}

impl HtmlSafe for Ago {}
impl Display for Ago {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let at = self.at;
        write!(f, r#"<time datetime="{at}" title="{at}">"#)?;
        if at > self.now.plus(std::time::Duration::from_secs(1)) {
            write!(f, "in {}</time>", span_words(at.since(self.now)))
        } else if self.now.since(at).as_secs() < 10 {
            f.write_str("just now</time>")
        } else {
            write!(f, "{} ago</time>", span_words(self.now.since(at)))
        }
    }
}

/// A span in its largest unit, rounded down: `3 min`. The script says the same.
pub(super) fn span_words(span: std::time::Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A severity, by shape, word and colour.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeverityTag(pub(super) Severity);

impl HtmlSafe for SeverityTag {}
impl Display for SeverityTag {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = self.0.as_str();
        let icon = Icon(severity_icon(self.0));
        write!(f, r#"<span class="severity {word}">{icon}{}</span>"#, severity_label(self.0))
    }
}

pub(super) const fn severity_icon(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
        Severity::Info => "info",
    }
}

/// The word for a severity, as people read it.
pub(super) const fn severity_label(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::High => "High",
        Severity::Medium => "Medium",
        Severity::Low => "Low",
        Severity::Info => "Info",
    }
}

/// Where an incident stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct StatusTag(pub(super) IncidentStatus);

impl HtmlSafe for StatusTag {}
impl Display for StatusTag {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let tone = match self.0 {
            IncidentStatus::Open => "bad",
            IncidentStatus::Acknowledged | IncidentStatus::WorkInProgress => "warn",
            IncidentStatus::Fixed => "good",
            IncidentStatus::Expected | IncidentStatus::NoActionNeeded | IncidentStatus::FalsePositive => {
                "quiet"
            }
        };
        write!(f, "{}", Tag { tone, text: status_label(self.0) })
    }
}

/// The word for a status, as people read it.
pub(super) const fn status_label(status: IncidentStatus) -> &'static str {
    match status {
        IncidentStatus::Open => "Open",
        IncidentStatus::Acknowledged => "Acknowledged",
        IncidentStatus::WorkInProgress => "In progress",
        IncidentStatus::Fixed => "Fixed",
        IncidentStatus::Expected => "Expected",
        IncidentStatus::NoActionNeeded => "No action needed",
        IncidentStatus::FalsePositive => "False positive",
    }
}

/// A state in a word. `tone` is `good`, `warn`, `bad`, `quiet` or `accent`; its dot has a shape of its own for each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag<'a> {
    pub(super) tone: &'static str,
    pub(super) text: &'a str,
}

impl HtmlSafe for Tag<'_> {}
impl Display for Tag<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, r#"<span class="tag {}">{}</span>"#, self.tone, escaped(self.text))
    }
}

/// An id or another text that people copy: a click does it.
#[derive(Debug, Clone)]
pub(super) struct Copyable(pub(super) String);

impl HtmlSafe for Copyable {}
impl Display for Copyable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (text, icon) = (escaped(&self.0).to_string(), Icon("copy"));
        write!(
            f,
            r#"<button type="button" class="copy" data-copy="{text}" title="Copy"><code>{text}</code>{icon}</button>"#
        )
    }
}

/// A count with its thousands apart: `12,345`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun: `1 alert`, `2 alerts`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        for shown in [
            Copyable("\"><script>alert(1)</script>".into()).to_string(),
            Tag { tone: "bad", text: "\"><script>alert(1)</script>" }.to_string(),
        ] {
            assert!(!shown.contains("<script") && !shown.contains("\"><s"), "{shown}");
        }
    }

    #[test]
    fn moments_are_told_by_their_largest_unit() {
        let now = Timestamp::from_seconds(1_795_000_000);
        for (seconds, expected) in [
            (0, "just now"),
            (9, "just now"),
            (10, "10 s ago"),
            (60, "1 min ago"),
            (3_599, "59 min ago"),
            (7_200, "2 h ago"),
            (200_000, "2 d ago"),
            (-120, "in 2 min"),
        ] {
            let at = Timestamp::from_seconds(1_795_000_000 - seconds);
            let shown = Ago { at, now }.to_string();
            assert!(shown.contains(&format!(">{expected}<")), "{seconds}: {shown}");
            assert!(shown.contains(&format!("datetime=\"{at}\"")), "{shown}");
        }
    }

    #[test]
    fn counts_are_readable() {
        for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), expected);
        }
        assert_eq!(counted(1, "alert", "alerts"), "1 alert");
        assert_eq!(counted(2_000, "alert", "alerts"), "2,000 alerts");
    }
}
