//! A destination's circuit: when to leave a receiver alone, and how to find out that it is back. Pure.
//!
//! - Failures in a row open it; nothing is sent until `wait_until`, then one probe. The probe's success closes it, its
//!   failure opens it again for twice as long, up to [`OPEN_MAX`].
//! - A throttle (429, 502, 504, 503 with `Retry-After`) makes the whole destination wait without opening the circuit.
//!   When the wait is over one attempt goes first; the rest follows once that one was not throttled again. Answers to
//!   attempts that were already under way when the wait began count only once, or else one busy second of a receiver
//!   that is perfectly alive would open its circuit. A receiver that throttles again and again without ever taking
//!   anything does open it.
//! - An answer that rejects one delivery for good is a sign of life: it counts as a success.
//! - A request that could not be written says nothing about the receiver, and counts as nothing.

use std::time::Duration;

use bugle_model::{
    Circuit, CircuitPolicy, Timestamp,
    destination::{CircuitPhase, OnOpen},
};

/// The longest time between two probes, unless the policy's own time is longer.
pub const OPEN_MAX: Duration = Duration::from_mins(10);

/// Whether an attempt may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// As many as there are slots.
    Flow,
    /// One, and its outcome is awaited.
    Probe,
    /// None before this moment.
    WaitUntil(Timestamp),
}

/// What a failure meant for the circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// It did not open it.
    No,
    /// It opened it, and deliveries wait.
    Paused,
    /// It opened it, and the policy says that the destination is to be disabled.
    Disable,
}

/// Whether an attempt may be made at `now`.
pub fn may_attempt(circuit: &Circuit, now: Timestamp) -> Permit {
    match (circuit.phase, circuit.wait_until) {
        (CircuitPhase::Closed | CircuitPhase::Open, Some(until)) if now < until => Permit::WaitUntil(until),
        (CircuitPhase::Closed, None) => Permit::Flow,
        // Half-open with no probe under way: the process that sent it did not live to see its outcome.
        (CircuitPhase::Closed | CircuitPhase::Open | CircuitPhase::HalfOpen, _) => Permit::Probe,
    }
}

/// The circuit while a probe is under way.
#[must_use]
pub fn on_probe(circuit: Circuit) -> Circuit {
    match circuit.phase {
        CircuitPhase::Open => Circuit { phase: CircuitPhase::HalfOpen, ..circuit },
        CircuitPhase::Closed | CircuitPhase::HalfOpen => circuit,
    }
}

/// The circuit after the receiver took a delivery, or rejected it for good.
#[must_use]
pub fn on_success(circuit: Circuit, now: Timestamp) -> Circuit {
    match circuit.phase {
        // An attempt from before it opened; the probe will tell.
        CircuitPhase::Open => circuit,
        CircuitPhase::HalfOpen => Circuit::default(),
        CircuitPhase::Closed => Circuit {
            consecutive_failures: 0,
            wait_until: circuit.wait_until.filter(|until| now < *until),
            ..circuit
        },
    }
}

/// The circuit after a failure. `throttle` is how long the receiver wants the whole destination to wait.
#[must_use]
pub fn on_failure(
    circuit: Circuit,
    policy: &CircuitPolicy,
    throttle: Option<Duration>,
    now: Timestamp,
) -> (Circuit, Opened) {
    let asked = throttle.map(|wait| now.plus(wait));
    let is_waiting = circuit.wait_until.is_some_and(|until| now < until);
    match circuit.phase {
        // Attempts from before the wait began: they may lengthen it, and nothing more.
        CircuitPhase::Open => (Circuit { wait_until: circuit.wait_until.max(asked), ..circuit }, Opened::No),
        CircuitPhase::Closed if is_waiting && throttle.is_some() => {
            (Circuit { wait_until: circuit.wait_until.max(asked), ..circuit }, Opened::No)
        }
        CircuitPhase::Closed => {
            let failures = circuit.consecutive_failures.saturating_add(1);
            if failures >= policy.failure_threshold.max(1) {
                return open(circuit, failures, policy, asked, now);
            }
            let kept = circuit.wait_until.filter(|until| now < *until);
            (Circuit { consecutive_failures: failures, wait_until: kept.max(asked), ..circuit }, Opened::No)
        }
        CircuitPhase::HalfOpen => {
            let failures = circuit.consecutive_failures.saturating_add(1);
            open(circuit, failures, policy, asked, now)
        }
    }
}

/// Opens it for the policy's time, doubled for every probe that failed since it first opened.
fn open(
    circuit: Circuit,
    failures: u32,
    policy: &CircuitPolicy,
    asked: Option<Timestamp>,
    now: Timestamp,
) -> (Circuit, Opened) {
    let failed_probes = failures.saturating_sub(policy.failure_threshold.max(1)).min(31);
    let first = Duration::from_millis(policy.open_ms);
    let wait = first.saturating_mul(1 << failed_probes).min(OPEN_MAX.max(first));
    let opened = Circuit {
        phase: CircuitPhase::Open,
        consecutive_failures: failures,
        opened_at: if circuit.phase == CircuitPhase::Closed { Some(now) } else { circuit.opened_at },
        wait_until: Some(now.plus(wait)).max(asked),
    };
    match policy.on_open {
        OnOpen::Pause => (opened, Opened::Paused),
        OnOpen::Disable => (opened, Opened::Disable),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn policy() -> CircuitPolicy {
        CircuitPolicy { failure_threshold: 3, open_ms: 30_000, on_open: OnOpen::Pause }
    }

    fn after_s(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn failed(circuit: Circuit, now: Timestamp) -> Circuit {
        on_failure(circuit, &policy(), None, now).0
    }

    fn opened() -> Circuit {
        (0..3).fold(Circuit::default(), |circuit, _| failed(circuit, NOW))
    }

    #[test]
    fn opens_at_the_threshold_probes_and_closes() {
        let two = failed(failed(Circuit::default(), NOW), NOW);
        assert_eq!(may_attempt(&two, NOW), Permit::Flow);
        assert_eq!(on_success(two, NOW), Circuit::default(), "failures in a row, not in all");
        let open = failed(two, NOW);
        assert_eq!(open.phase, CircuitPhase::Open);
        assert_eq!(may_attempt(&open, after_s(29)), Permit::WaitUntil(after_s(30)));
        assert_eq!(may_attempt(&open, after_s(30)), Permit::Probe);
        let probing = on_probe(open);
        assert_eq!(probing.phase, CircuitPhase::HalfOpen);
        assert_eq!(on_success(probing, after_s(31)), Circuit::default());
    }

    #[test]
    fn failed_probes_double_the_wait_up_to_the_longest() {
        let mut circuit = opened();
        let mut now = NOW;
        for expected_s in [30, 60, 120, 240, 480, 600, 600] {
            let until = circuit.wait_until.unwrap();
            assert_eq!(until.since(now), Duration::from_secs(expected_s));
            now = until;
            circuit = failed(on_probe(circuit), now);
            assert_eq!(circuit.opened_at, Some(NOW), "it is the same outage");
        }
    }

    #[test]
    fn what_was_under_way_when_it_opened_changes_nothing() {
        let open = opened();
        assert_eq!(on_success(open, after_s(1)), open);
        assert_eq!(failed(open, after_s(1)), open);
    }

    #[test]
    fn a_throttle_makes_everything_wait_then_lets_one_go_first() {
        let throttle = Some(Duration::from_secs(20));
        let (waiting, _) = on_failure(Circuit::default(), &policy(), throttle, NOW);
        assert_eq!((waiting.phase, waiting.consecutive_failures), (CircuitPhase::Closed, 1));
        let (same, _) = on_failure(waiting, &policy(), throttle, NOW);
        assert_eq!(same, waiting, "a burst counts once");
        assert_eq!(
            on_success(waiting, after_s(5)).wait_until,
            Some(after_s(20)),
            "one that was under way ends no wait"
        );
        assert_eq!(may_attempt(&waiting, after_s(19)), Permit::WaitUntil(after_s(20)));
        assert_eq!(may_attempt(&waiting, after_s(20)), Permit::Probe);
        assert_eq!(may_attempt(&on_success(waiting, after_s(21)), after_s(21)), Permit::Flow);
        assert_eq!(
            may_attempt(&failed(waiting, after_s(21)), after_s(21)),
            Permit::Flow,
            "failed, but not throttled"
        );
    }

    #[test]
    fn throttling_without_end_opens() {
        let mut circuit = Circuit::default();
        let mut now = NOW;
        for _ in 0..3 {
            circuit = on_failure(circuit, &policy(), Some(Duration::from_mins(1)), now).0;
            now = circuit.wait_until.unwrap();
        }
        assert_eq!(circuit.phase, CircuitPhase::Open);
        assert_eq!(
            circuit.wait_until.unwrap().since(circuit.opened_at.unwrap()),
            Duration::from_mins(1),
            "the longer wait"
        );
    }

    #[test]
    fn opening_can_disable() {
        let policy = CircuitPolicy { failure_threshold: 1, on_open: OnOpen::Disable, ..policy() };
        assert_eq!(on_failure(Circuit::default(), &policy, None, NOW).1, Opened::Disable);
    }

    #[derive(Debug, Clone, Copy)]
    enum Happening {
        Pass(u64),
        Attempt(Answered),
        Straggler(Answered),
    }

    #[derive(Debug, Clone, Copy)]
    enum Answered {
        Well,
        Badly,
        Throttled(u64),
    }

    fn happening() -> impl Strategy<Value = Happening> {
        let answered = || {
            prop_oneof![
                Just(Answered::Well),
                Just(Answered::Badly),
                (0_u64..900).prop_map(Answered::Throttled)
            ]
        };
        prop_oneof![
            (0_u64..700).prop_map(Happening::Pass),
            answered().prop_map(Happening::Attempt),
            answered().prop_map(Happening::Straggler),
        ]
    }

    fn apply(circuit: Circuit, answered: Answered, now: Timestamp) -> Circuit {
        match answered {
            Answered::Well => on_success(circuit, now),
            Answered::Badly => failed(circuit, now),
            Answered::Throttled(s) => on_failure(circuit, &policy(), Some(Duration::from_secs(s)), now).0,
        }
    }

    proptest! {
        #[test]
        fn it_never_blocks_for_ever_and_never_stays_open_after_a_good_probe(
            happenings in proptest::collection::vec(happening(), 1..200),
        ) {
            let mut circuit = Circuit::default();
            let mut now = NOW;
            for happening in happenings {
                match happening {
                    Happening::Pass(s) => now = now.plus(Duration::from_secs(s)),
                    Happening::Straggler(answered) => circuit = apply(circuit, answered, now),
                    Happening::Attempt(answered) => {
                        let permit = may_attempt(&circuit, now);
                        if let Permit::WaitUntil(until) = permit {
                            prop_assert!(until > now);
                            prop_assert!(until.since(now) <= Duration::from_mins(15), "bounded by what was asked for");
                            continue;
                        }
                        if permit == Permit::Probe {
                            circuit = on_probe(circuit);
                        }
                        circuit = apply(circuit, answered, now);
                        if permit == Permit::Probe && matches!(answered, Answered::Well) {
                            prop_assert_eq!(may_attempt(&circuit, now), Permit::Flow);
                        }
                    }
                }
                // Open always has an end, and is only ever reached by the threshold.
                if circuit.phase == CircuitPhase::Open {
                    prop_assert!(circuit.wait_until.is_some() && circuit.opened_at.is_some());
                    prop_assert!(circuit.consecutive_failures >= 3);
                } else if circuit.phase == CircuitPhase::Closed {
                    prop_assert!(circuit.consecutive_failures < 3);
                }
            }
        }
    }
}
