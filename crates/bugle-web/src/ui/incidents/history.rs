//! The last day of an incident in a row of blocks, one for each hour.

use std::fmt::{self, Display, Formatter};

use askama::filters::HtmlSafe;
use bugle_model::{Incident, Timestamp};

const HOURS: i64 = 24;

/// When an incident was open and when somebody had it, in hours of the last day: from which up to which.
pub(super) struct History {
    open: Option<(i64, i64)>,
    taken: Option<(i64, i64)>,
}

impl History {
    pub(super) fn of(incident: &Incident, now: Timestamp) -> Self {
        // The hour of the strip that a moment is in; the last one ends now.
        let hour = |at: Timestamp| HOURS - 1 - (now.as_seconds() - at.as_seconds()).div_euclid(3_600);
        let end = incident.resolved_at.filter(|_| incident.is_resolved()).map_or(HOURS, |at| hour(at) + 1);
        let taken = incident.acknowledged_at.map_or(end, hour);
        let span = |from: i64, to: i64| {
            let (from, to) = (from.clamp(0, HOURS), to.clamp(0, HOURS));
            (from < to).then_some((from, to))
        };
        Self { open: span(hour(incident.opened_at), end.min(taken + 1)), taken: span(taken + 1, end) }
    }
}

impl HtmlSafe for History {}
impl Display for History {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(r#"<svg class="history" viewBox="0 0 24 1" preserveAspectRatio="none" role="img" aria-label="Last 24 hours"><path class="idle" d="M0 .5H24"/>"#)?;
        for (class, span) in [("open", self.open), ("taken", self.taken)] {
            if let Some((from, to)) = span {
                write!(f, r#"<path class="{class}" d="M{from} .5H{to}"/>"#)?;
            }
        }
        f.write_str("</svg>")
    }
}

#[cfg(test)]
mod tests {
    use bugle_model::IncidentStatus;
    use bugle_store::conformance::sample;

    use super::*;

    #[test]
    fn hours_are_counted_back_from_now() {
        let hours_ago = |hours: i64| Timestamp::from_seconds(1_795_000_000 - hours * 3_600);
        let now = hours_ago(0);
        for (opened, taken, resolved, expected) in [
            (0, None, None, (Some((23, 24)), None)),
            (30, None, None, (Some((0, 24)), None)),
            (5, None, Some(3), (Some((18, 21)), None)),
            (5, Some(4), None, (Some((18, 20)), Some((20, 24)))),
            (30, Some(29), None, (None, Some((0, 24)))),
            (40, Some(39), Some(30), (None, None)),
            (-1, None, None, (None, None)),
        ] {
            let incident = Incident {
                status: if resolved.is_some() { IncidentStatus::Fixed } else { IncidentStatus::Open },
                opened_at: hours_ago(opened),
                acknowledged_at: taken.map(hours_ago),
                resolved_at: resolved.map(hours_ago),
                ..sample::incident(1, bugle_model::IntegrationId::from_i64(1))
            };
            let history = History::of(&incident, now);
            assert_eq!((history.open, history.taken), expected, "{opened} {taken:?} {resolved:?}");
        }
    }
}
