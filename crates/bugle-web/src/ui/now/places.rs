//! How sources and destinations do, in a row each: those that do worst come first.

use bugle_engine::overview::{DestinationState, SourceState};
use bugle_model::{Timestamp, destination::CircuitPhase};

use super::Need;
use crate::ui::{
    excerpt::cut,
    format::{Ago, Tag, count, counted, span_words},
};

/// Rows of each kind; a link leads to the others.
const SHOWN_MAX: usize = 15;
/// Most of a name that is shown, in bytes.
const NAME_BYTES_MAX: usize = 120;
/// A delivery that waits for longer is late.
const LATE: std::time::Duration = std::time::Duration::from_mins(1);

/// The rows of a table, and how many there are besides.
pub(super) struct Places<T> {
    pub(super) rows: Vec<T>,
    pub(super) more: Option<String>,
}

pub(super) struct SourceRow {
    pub(super) href: String,
    pub(super) name: String,
    pub(super) platform: String,
    pub(super) state: Tag<'static>,
    pub(super) heard: Option<Ago>,
    pub(super) accepted: String,
    pub(super) rejected: String,
    pub(super) undecodable: String,
}

pub(super) struct DestinationRow {
    pub(super) href: String,
    pub(super) name: String,
    pub(super) dialect: String,
    pub(super) state: Tag<'static>,
    pub(super) waiting: String,
    pub(super) success: String,
    pub(super) p95: String,
}

/// The worst `SHOWN_MAX`, each by its row.
fn worst_first<S, T>(states: &[S], state: impl Fn(&S) -> Tag<'static>, row: impl Fn(&S) -> T) -> Places<T> {
    let rank = |tag: Tag<'_>| {
        ["bad", "warn", "accent", "good"].iter().position(|tone| *tone == tag.tone).unwrap_or(4)
    };
    let mut sorted: Vec<&S> = states.iter().collect();
    sorted.sort_by_key(|one| rank(state(one)));
    let hidden = sorted.len().saturating_sub(SHOWN_MAX);
    Places {
        rows: sorted.into_iter().take(SHOWN_MAX).map(row).collect(),
        more: (hidden > 0).then(|| format!("All {}", count(states.len() as u64))),
    }
}

pub(super) fn sources(states: &[SourceState], now: Timestamp) -> Places<SourceRow> {
    worst_first(states, source_state, |one| SourceRow {
        href: format!("/sources/{}", one.id),
        name: cut(&one.name, NAME_BYTES_MAX),
        platform: one.platform.clone(),
        state: source_state(one),
        heard: one.heard.last_heard_at.map(|at| Ago { at, now }),
        accepted: count(one.heard.accepted),
        rejected: count(one.heard.rejected),
        undecodable: count(one.heard.undecodable),
    })
}

fn source_state(one: &SourceState) -> Tag<'static> {
    let heard = &one.heard;
    let failed = heard.rejected + heard.undecodable + heard.not_stored;
    let (tone, text) = match (heard.accepted, failed) {
        _ if !one.enabled => ("quiet", "Disabled"),
        (0, 0) if heard.last_heard_at.is_none() => ("accent", "Never heard"),
        (0, 0) => ("quiet", "Quiet"),
        (_, 0) => ("good", "Fine"),
        (0, _) => ("bad", "Nothing gets in"),
        _ => ("warn", "Some calls fail"),
    };
    Tag { tone, text }
}

/// What a person must do about a source.
pub(super) fn source_need(one: &SourceState, now: Timestamp) -> Option<Need> {
    let state = source_state(one);
    let heard = &one.heard;
    let wrong = [
        (heard.rejected, "not proven to come from there"),
        (heard.undecodable, "not understood"),
        (heard.not_stored, "not stored"),
    ];
    let parts = wrong.into_iter().filter(|(calls, _)| *calls > 0);
    let facts: Vec<_> =
        parts.map(|(calls, why)| format!("{} {why}", counted(calls, "call", "calls"))).collect();
    matches!(state.tone, "bad" | "warn").then(|| Need {
        href: format!("/sources/{}", one.id),
        title: format!("Calls from {} are quarantined", cut(&one.name, NAME_BYTES_MAX)),
        severity: None,
        state,
        facts: facts.join(", "),
        since: heard.last_heard_at.map(|at| Ago { at, now }),
        acknowledge: None,
    })
}

pub(super) fn destinations(states: &[DestinationState], now: Timestamp) -> Places<DestinationRow> {
    worst_first(
        states,
        |one| destination_state(one, now),
        |one| {
            let attempts = one.sent.delivered + one.sent.failed;
            DestinationRow {
                href: format!("/destinations/{}", one.id),
                name: cut(&one.name, NAME_BYTES_MAX),
                dialect: one.dialect.clone(),
                state: destination_state(one, now),
                waiting: waiting(one, now),
                success: success(one.sent.delivered, attempts),
                p95: one.sent.p95_ms.map_or_else(|| "–".to_owned(), milliseconds),
            }
        },
    )
}

fn destination_state(one: &DestinationState, now: Timestamp) -> Tag<'static> {
    let is_late = one.oldest_waiting_since.is_some_and(|oldest| now.since(oldest) > LATE);
    let (tone, text) = match one.circuit_state.phase {
        _ if !one.enabled && one.disabled_reason.is_some() => ("bad", "Disabled"),
        _ if !one.enabled => ("quiet", "Disabled"),
        CircuitPhase::Open => ("bad", "Circuit open"),
        CircuitPhase::HalfOpen => ("warn", "Trying again"),
        CircuitPhase::Closed if is_late => ("warn", "Behind"),
        CircuitPhase::Closed if one.sent.failed > 0 => ("warn", "Some attempts fail"),
        CircuitPhase::Closed if one.sent.delivered > 0 => ("good", "Fine"),
        CircuitPhase::Closed => ("quiet", "Quiet"),
    };
    Tag { tone, text }
}

/// What a person must do about a destination.
pub(super) fn destination_need(one: &DestinationState, now: Timestamp) -> Option<Need> {
    let name = cut(&one.name, NAME_BYTES_MAX);
    let is_off = !one.enabled && one.disabled_reason.is_some();
    let title = match one.circuit_state.phase {
        _ if is_off => format!("{name} was disabled: nobody is told there"),
        CircuitPhase::Open | CircuitPhase::HalfOpen if one.enabled => {
            format!("{name} does not take deliveries")
        }
        _ => return None,
    };
    let reason = one.disabled_reason.as_deref().filter(|_| is_off).map(|reason| cut(reason, NAME_BYTES_MAX));
    let waiting = (one.waiting > 0).then(|| counted(one.waiting, "delivery waits", "deliveries wait"));
    Some(Need {
        href: format!("/destinations/{}", one.id),
        title,
        severity: None,
        state: destination_state(one, now),
        facts: [reason, waiting].into_iter().flatten().collect::<Vec<_>>().join(" · "),
        since: one.circuit_state.opened_at.map(|at| Ago { at, now }),
        acknowledge: None,
    })
}

fn waiting(one: &DestinationState, now: Timestamp) -> String {
    let oldest = one.oldest_waiting_since.map(|oldest| span_words(now.since(oldest)));
    match oldest {
        Some(oldest) if one.waiting > 0 => format!("{}, for {oldest}", count(one.waiting)),
        _ => count(one.waiting),
    }
}

/// A share, rounded down, so that only what is whole is called so.
pub(crate) fn success(delivered: u64, attempts: u64) -> String {
    if attempts == 0 {
        return "–".to_owned();
    }
    let tenths = delivered.saturating_mul(1_000) / attempts;
    if tenths.is_multiple_of(10) {
        format!("{} %", tenths / 10)
    } else {
        format!("{}.{} %", tenths / 10, tenths % 10)
    }
}

pub(crate) fn milliseconds(time: u32) -> String {
    if time < 1_000 { format!("{time} ms") } else { format!("{} s", time / 1_000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_times_are_readable() {
        for (delivered, attempts, expected) in
            [(0, 0, "–"), (0, 3, "0 %"), (3, 3, "100 %"), (9_999, 10_000, "99.9 %"), (1, 2, "50 %")]
        {
            assert_eq!(success(delivered, attempts), expected);
        }
        assert_eq!((milliseconds(70).as_str(), milliseconds(2_000).as_str()), ("70 ms", "2 s"));
    }
}
