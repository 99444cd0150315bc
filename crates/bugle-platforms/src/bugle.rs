//! Bugle itself, which reports what is wrong with it the way any platform does: by a receipt that holds signals.
//!
//! No other process calls by this platform and nobody makes an integration of it, so it is not in the table's list; it is
//! found there by its slug, as whatever reads a receipt needs it. What is worth a report is the engine's to know.

use bugle_model::{Severity, Signal, SignalStatus, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    scheme::Scheme,
    source::{DecodeError, Decoded, Inbound, Sample, SamplePhase, SenderRetry, Source},
};

/// Bugle itself.
#[derive(Debug, Clone, Copy)]
pub struct Bugle;

/// Its name in incidents, filters and metrics.
pub const SLUG: &str = "bugle";

/// A report: signals as Bugle thinks of them, with nothing to translate.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// What it says about each subject.
    pub signals: Vec<Signal>,
}

impl Source for Bugle {
    fn slug(&self) -> &'static str {
        SLUG
    }

    fn title(&self) -> &'static str {
        "Bugle"
    }

    fn authentication(&self) -> &'static str {
        "Nothing is proven, because no call from outside is taken."
    }

    fn schemes(&self, _: &Map<String, Value>) -> Vec<Scheme> {
        Vec::new()
    }

    fn sender_retry(&self) -> SenderRetry {
        SenderRetry::ServerErrorsOnly
    }

    fn decode(&self, inbound: &Inbound<'_>, _: &Map<String, Value>) -> Result<Decoded, DecodeError> {
        let report: Report = serde_json::from_slice(inbound.body).map_err(|error| {
            let message = format!("it is not a report that Bugle wrote: {error}");
            if error.is_data() {
                DecodeError::NotUnderstood(message)
            } else {
                DecodeError::Malformed(message)
            }
        })?;
        if report.signals.iter().any(|signal| signal.fingerprint.is_empty()) {
            return Err(DecodeError::NotUnderstood("a signal in it has no fingerprint".into()));
        }
        Ok(Decoded::signals(report.signals))
    }

    fn sample(&self, phase: SamplePhase, key: &str, at: Timestamp) -> Sample {
        let (status, severity) = match phase {
            SamplePhase::Firing => (SignalStatus::Firing, Severity::High),
            SamplePhase::Update => (SignalStatus::Firing, Severity::Critical),
            SamplePhase::Resolved => (SignalStatus::Resolved, Severity::Critical),
        };
        let signal = Signal {
            fingerprint: key.to_owned(),
            status,
            severity: Some(severity),
            title: format!("Something is wrong with {key}"),
            observed_at: Some(at),
            ..Signal::default()
        };
        Sample::json(&serde_json::to_value(Report { signals: vec![signal] }).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use bugle_model::AlertStatus;

    use super::*;
    use crate::told;

    fn body(phase: SamplePhase, seconds: i64) -> Vec<u8> {
        Bugle.sample(phase, "destination:dst_1/backlog", Timestamp::from_seconds(seconds)).body
    }

    #[test]
    fn a_report_begins_changes_comes_twice_and_ends() {
        use SamplePhase::{Firing, Resolved, Update};
        let mut signals = Vec::new();
        for (phase, seconds, status, severity) in [
            (Firing, 1, AlertStatus::Firing, Severity::High),
            (Update, 2, AlertStatus::Firing, Severity::Critical),
            (Update, 2, AlertStatus::Firing, Severity::Critical),
            (Firing, 1, AlertStatus::Firing, Severity::Critical),
            (Resolved, 3, AlertStatus::Resolved, Severity::Critical),
            (Resolved, 3, AlertStatus::Resolved, Severity::Critical),
            (Firing, 1, AlertStatus::Resolved, Severity::Critical),
        ] {
            signals.extend(told::read(&Bugle, &body(phase, seconds)).signals);
            let alert = told::alert(signals.clone());
            assert_eq!((alert.status, alert.severity, alert.cycle), (status, severity, 1), "{phase:?}");
        }
        assert_eq!(told::alert(signals).fingerprint, "destination:dst_1/backlog");
    }

    #[test]
    fn what_is_no_report_is_refused() {
        for (body, malformed) in [
            (&b"{\"signals\": [}"[..], true),
            (b"", true),
            (b"\xff", true),
            (b"[]", false),
            (b"{}", false),
            (br#"{"signals": [{"title": "of nothing"}]}"#, false),
            (br#"{"signals": [], "more": 1}"#, false),
        ] {
            let inbound = Inbound { query: "", headers: &[], body };
            let refused = Bugle.decode(&inbound, &Map::new()).unwrap_err();
            assert_eq!(matches!(refused, DecodeError::Malformed(_)), malformed, "{refused}");
        }
    }
}
