//! The state, priority and group that Datadog writes before a monitor's name: `[P2] [Triggered on {host:db-3}] Disk full`.

use bugle_model::SignalStatus;

/// A title in its parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Headline<'a> {
    /// `P1` to `P5`.
    pub(super) priority: Option<&'a str>,
    /// `Triggered`, `Recovered`, `No Data`, ...
    pub(super) state: Option<&'a str>,
    /// `host:db-3,env:prod`
    pub(super) group: Option<&'a str>,
    /// The monitor's name.
    pub(super) name: &'a str,
}

/// Takes a title apart. What is in brackets and no state stays part of the name.
pub(super) fn parse(title: &str) -> Headline<'_> {
    let mut headline = Headline::default();
    let mut rest = title.trim();
    if let Some((inside, after)) = bracketed(rest)
        && is_priority(inside)
    {
        headline.priority = Some(inside);
        rest = after;
    }
    if let Some((inside, after)) = bracketed(rest) {
        let (state, group) = match inside.split_once(" on ") {
            Some((state, group)) => (state, Some(group.trim_matches(['{', '}']))),
            None => (inside, None),
        };
        if transition(state).is_some() {
            headline.state = Some(state);
            headline.group = group;
            rest = after;
        }
    }
    headline.name = rest;
    headline
}

/// What stands in the brackets at the beginning, and what follows them. A group may hold brackets itself.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('[')?;
    let with_group = inner.split_once("}]").filter(|(inside, _)| {
        inside.contains(" on {") && !inside.split(" on {").next().unwrap_or_default().contains(']')
    });
    let (inside, after) = with_group.or_else(|| inner.split_once(']'))?;
    Some((inside.trim(), after.trim_start()))
}

fn is_priority(text: &str) -> bool {
    matches!(text.as_bytes(), [b'P' | b'p', b'1'..=b'5'])
}

/// What a transition's word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transition {
    /// Where the alert stands after it.
    pub(super) status: SignalStatus,
    /// Whether the state began with it; a reminder tells of a state that began earlier.
    pub(super) begins: bool,
    /// Whether it is only a warning, whatever the monitor's priority.
    pub(super) warns: bool,
}

/// Reads `$ALERT_TRANSITION` and the words that hand-written templates put in its place. `None` for any other word.
///
/// `No Data` means that the monitor fires for want of data; it is no recovery.
pub(super) fn transition(word: &str) -> Option<Transition> {
    use SignalStatus::{Acknowledged, Firing, Resolved};
    let word = word.trim().to_ascii_lowercase();
    let (status, begins) = match word.as_str() {
        "triggered" | "alert" | "alerting" | "firing" | "open" | "warn" | "warning" | "no data" => {
            (Firing, true)
        }
        "re-triggered" | "retriggered" | "re-warn" | "re-no data" | "renotify" | "re-notify" | "re-alert" => {
            (Firing, false)
        }
        "acknowledged" => (Acknowledged, false),
        "ok" | "resolved" | "closed" => (Resolved, false),
        _ if word.len() <= 40 && word.contains("recovered") => (Resolved, false),
        _ => return None,
    };
    Some(Transition { status, begins, warns: status == Firing && word.contains("warn") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_come_apart() {
        for (title, priority, state, group, name) in [
            ("[P2] [Triggered on {host:db-3}] Disk full", "P2", "Triggered", "host:db-3", "Disk full"),
            ("[Recovered] Disk full", "", "Recovered", "", "Disk full"),
            ("[Warn Recovered on {a:b,c:[d]}] Disk", "", "Warn Recovered", "a:b,c:[d]", "Disk"),
            ("[Re-No Data] x", "", "Re-No Data", "", "x"),
            ("[prod] Disk full", "", "", "", "[prod] Disk full"),
            ("[P1] [prod] Disk full", "P1", "", "", "[prod] Disk full"),
            ("[P9] x", "", "", "", "[P9] x"),
            ("[unclosed", "", "", "", "[unclosed"),
            ("", "", "", "", ""),
        ] {
            let some = |text: &'static str| (!text.is_empty()).then_some(text);
            let expected =
                Headline { priority: some(priority), state: some(state), group: some(group), name };
            assert_eq!(parse(title), expected, "{title}");
        }
    }

    #[test]
    fn every_transition_is_known() {
        use SignalStatus::{Firing, Resolved};
        for (word, status, begins, warns) in [
            ("Triggered", Firing, true, false),
            ("Re-Triggered", Firing, false, false),
            ("Warn", Firing, true, true),
            ("Re-Warn", Firing, false, true),
            ("No Data", Firing, true, false),
            ("Re-No Data", Firing, false, false),
            ("Renotify", Firing, false, false),
            ("Recovered", Resolved, false, false),
            ("Warn Recovered", Resolved, false, false),
            ("No Data Recovered", Resolved, false, false),
        ] {
            assert_eq!(transition(word), Some(Transition { status, begins, warns }), "{word}");
        }
        for word in
            ["", "system.load.1 over host:db-3 was > 4.0 and has not recovered since", "$ALERT_TRANSITION"]
        {
            assert_eq!(transition(word), None, "{word}");
        }
    }
}
