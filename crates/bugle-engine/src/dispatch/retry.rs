//! What happens next to a delivery after an attempt. Pure.

use std::time::Duration;

use bugle_model::{RetryPolicy, Timestamp, Verdict};
use bugle_store::Next;

/// The longest wait that a receiver's `Retry-After` can ask for. One that asks for a year is mistaken or hostile.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// What happens next after attempt number `attempt` (counted from 1, without the forgiven ones) ended with `verdict`.
/// `random`, in 0..1, places the wait within its jitter.
///
/// - A retry waits for the policy's delay or for what the receiver asked for, whichever is longer.
/// - After the policy's last attempt, and when the receiver wants none of it, the delivery is dead.
/// - When the receiver wants nothing more at all, the delivery is kept: it is due again as soon as somebody enables the
///   destination, for a person may only have mistyped its URL.
pub fn decide(policy: &RetryPolicy, attempt: u32, verdict: &Verdict, now: Timestamp, random: f64) -> Next {
    match verdict {
        Verdict::Delivered => Next::Delivered,
        Verdict::Rejected { reason } => Next::Dead { reason: reason.to_string() },
        Verdict::Gone => Next::RetryAt { at: now, reason: "status_410".into() },
        Verdict::Retry { reason, .. } if attempt >= policy.max_attempts => {
            Next::Dead { reason: format!("{reason}: given up after {attempt} attempts") }
        }
        Verdict::Retry { reason, after, .. } => {
            let asked = after.unwrap_or_default().min(RETRY_AFTER_MAX);
            Next::RetryAt {
                at: now.plus(policy.delay(attempt, random).max(asked)),
                reason: reason.to_string(),
            }
        }
    }
}

/// Reads a `Retry-After` header: seconds, or a date (RFC 9110, section 10.2.3). A date that is over means no wait.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit ask for very long, not for nothing.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let moment = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
        Timestamp::from_millis(moment.as_millisecond()).since(now)
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use bugle_model::delivery::Reason;
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn policy() -> RetryPolicy {
        RetryPolicy {
            max_attempts: 4,
            initial_delay_ms: 1_000,
            factor: 2.0,
            max_delay_ms: 3_000,
            jitter: 0.5,
        }
    }

    fn retry(after_s: Option<u64>) -> Verdict {
        Verdict::Retry {
            reason: Reason::Status(500),
            after: after_s.map(Duration::from_secs),
            throttle: false,
        }
    }

    fn wait_ms(next: &Next) -> Option<i64> {
        match next {
            Next::RetryAt { at, .. } => Some(at.as_millis() - NOW.as_millis()),
            _ => None,
        }
    }

    #[test]
    fn waits_grow_are_jittered_upwards_and_end() {
        for (attempt, random, expected) in [
            (1, 0.0, Some(1_000)),
            (1, 1.0, Some(1_500)),
            (2, 0.0, Some(2_000)),
            (3, 0.0, Some(3_000)),
            (3, 0.5, Some(3_750)),
            (4, 0.0, None),
        ] {
            let next = decide(&policy(), attempt, &retry(None), NOW, random);
            assert_eq!(wait_ms(&next), expected, "attempt {attempt}, random {random}: {next:?}");
        }
    }

    #[test]
    fn the_longer_of_policy_and_retry_after_counts() {
        assert_eq!(wait_ms(&decide(&policy(), 1, &retry(Some(60)), NOW, 0.0)), Some(60_000));
        assert_eq!(wait_ms(&decide(&policy(), 3, &retry(Some(1)), NOW, 0.0)), Some(3_000));
        assert_eq!(wait_ms(&decide(&policy(), 1, &retry(Some(u64::MAX)), NOW, 0.0)), Some(86_400_000));
    }

    #[test]
    fn the_other_verdicts() {
        assert_eq!(decide(&policy(), 1, &Verdict::Delivered, NOW, 0.0), Next::Delivered);
        let rejected = Verdict::Rejected { reason: Reason::Status(400) };
        assert_eq!(decide(&policy(), 1, &rejected, NOW, 0.0), Next::Dead { reason: "status_400".into() });
        // Kept even when it was the last attempt.
        assert_eq!(wait_ms(&decide(&policy(), 4, &Verdict::Gone, NOW, 0.0)), Some(0));
    }

    #[test]
    fn reads_both_forms_of_retry_after() {
        let now: Timestamp = "2026-11-06T08:49:00Z".parse().unwrap();
        for (value, expected_s) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(86_400)),
            ("Fri, 06 Nov 2026 08:49:37 GMT", Some(37)),
            ("Fri, 06 Nov 2026 08:00:00 GMT", Some(0)),
            ("Fri, 06 Nov 2099 08:00:00 GMT", Some(86_400)),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(value, now).map(|wait| wait.as_secs()), expected_s, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn a_retry_is_never_early_never_endless_and_never_past_the_last_attempt(
            attempt in 1_u32..200,
            max_attempts in 1_u32..100,
            after_s in proptest::option::of(0_u64..1_000_000),
            random in 0.0_f64..1.0,
        ) {
            let policy = RetryPolicy { max_attempts, ..RetryPolicy::default() };
            match decide(&policy, attempt, &retry(after_s), NOW, random) {
                Next::RetryAt { at, .. } => {
                    prop_assert!(attempt < max_attempts);
                    let wait = at.since(NOW);
                    prop_assert!(wait >= Duration::from_secs(after_s.unwrap_or(0)).min(RETRY_AFTER_MAX));
                    prop_assert!(wait >= Duration::from_millis(policy.initial_delay_ms));
                    prop_assert!(wait <= RETRY_AFTER_MAX);
                }
                Next::Dead { .. } => prop_assert!(attempt >= max_attempts),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
