//! What a platform that calls us must offer.

use bugle_model::Signal;
use serde_json::{Map, Value};

use crate::scheme::Scheme;

/// One inbound request, as a source reads it. Headers are named in lower case.
#[derive(Debug, Clone, Copy)]
pub struct Inbound<'a> {
    /// The query string, without the question mark.
    pub query: &'a str,
    /// Names in lower case, in order of arrival.
    pub headers: &'a [(String, String)],
    /// The body, byte for byte.
    pub body: &'a [u8],
}

impl<'a> Inbound<'a> {
    /// The first header called `name`, which must be given in lower case.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// How a sender treats a refusal, which decides how we word one that we want retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderRetry {
    /// It retries on 429 as on 5xx: a limit is a 429.
    TooManyRequests,
    /// It retries on 5xx only: a limit is a 503, or the call would be lost.
    ServerErrorsOnly,
}

/// What a receipt says.
#[derive(Debug, Clone, Default)]
pub struct Decoded {
    /// What it says about alerts, in its own order.
    pub signals: Vec<Signal>,
    /// Why there are no signals, when that is as it should be: a test ping, an event that is about no alert.
    pub ignored: Option<String>,
    /// What a person should know of how it was read: a fallback that was taken, a group that was cut.
    pub remark: Option<String>,
    /// The sender's own id of this delivery, the same when it tries again; none where it gives none.
    pub delivery_id: Option<String>,
}

impl Decoded {
    /// Nothing about any alert, and why.
    pub fn ignored(why: impl Into<String>) -> Self {
        Self { ignored: Some(why.into()), ..Self::default() }
    }

    /// These signals.
    pub fn signals(signals: Vec<Signal>) -> Self {
        Self { signals, ..Self::default() }
    }

    /// What it is called.
    pub fn names(&self) -> Names {
        let alert_id = self.signals.first().map(|signal| signal.fingerprint.clone());
        Names { delivery_id: self.delivery_id.clone(), alert_id }
    }

    /// The same, delivered by this id of the sender's own.
    #[must_use]
    pub fn delivered_as(self, delivery_id: Option<String>) -> Self {
        Self { delivery_id, ..self }
    }
}

/// What a call is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The sender's own id of this delivery.
    pub delivery_id: Option<String>,
    /// What the sender calls the first alert in it.
    pub alert_id: Option<String>,
}

/// The body was not understood. The messages are for the person who configures the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is not even well-formed: answered with 400.
    #[error("{0}")]
    Malformed(String),
    /// It is well-formed, and not what this platform sends: quarantined, and answered with 200.
    #[error("{0}")]
    NotUnderstood(String),
}

/// One setting of a source or a dialect, for forms, docs and checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its name in `settings`.
    pub name: &'static str,
    /// What it is for, in a sentence.
    pub doc: &'static str,
    /// Its values, when there are only a few; none when it is free.
    pub choices: &'static [&'static str],
}

/// The settings that every integration has, read by [`bugle_model::Integration`].
pub const COMMON_SETTINGS: &[Setting] = &[
    Setting {
        name: "reopen_window_seconds",
        choices: &[],
        doc: "For how long after it resolved an incident reopens when an alert of it fires again. 600 by default.",
    },
    Setting {
        name: "resolve",
        choices: &["source", "person"],
        doc: "`source` (default): an incident resolves when all its alerts have. `person`: somebody must resolve it.",
    },
    Setting {
        name: "group_by",
        choices: &["source", "alert"],
        doc: "`source` (default): the source's own groups become incidents. `alert`: each alert is its own incident.",
    },
    Setting {
        name: "default_severity",
        choices: &["critical", "high", "medium", "low", "info"],
        doc: "The severity of an alert whose source says none. `medium` by default.",
    },
];

/// A platform that calls us.
pub trait Source: Send + Sync {
    /// Its name in URLs, the API and metrics.
    fn slug(&self) -> &'static str;

    /// Its name for people.
    fn title(&self) -> &'static str;

    /// One sentence on how its calls are proven, for docs and forms.
    fn authentication(&self) -> &'static str;

    /// How calls may be proven, the preferred first. A call is proven when one of them holds with an active secret.
    /// `settings` may narrow the choice: where a timestamp header is configured, nothing without one counts.
    fn schemes(&self, settings: &Map<String, Value>) -> Vec<Scheme>;

    /// How the sender treats a refusal.
    fn sender_retry(&self) -> SenderRetry;

    /// The settings it knows beside [`COMMON_SETTINGS`].
    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    /// Whether the settings make sense; the message says what to change.
    fn check_settings(&self, settings: &Map<String, Value>) -> Result<(), String> {
        let _ = settings;
        Ok(())
    }

    /// Reads one call. Never panics, whatever the bytes.
    fn decode(&self, inbound: &Inbound<'_>, settings: &Map<String, Value>) -> Result<Decoded, DecodeError>;

    /// What a call is called that [`decode`](Self::decode) understands, where a look at it takes a fraction of the time;
    /// `None` when only decoding tells. Asked when so many calls come that most are decoded later.
    fn names(&self, inbound: &Inbound<'_>, settings: &Map<String, Value>) -> Option<Names> {
        let _ = (inbound, settings);
        None
    }

    /// A realistic call of this platform about the alert called `key`, as the sender would write it at `at`: for
    /// `bugle send`, the demo and the wizard's test.
    fn sample(&self, phase: SamplePhase, key: &str, at: bugle_model::Timestamp) -> Sample;
}

/// Which of the calls of an alert's life to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SamplePhase {
    /// It begins.
    Firing,
    /// It goes on, and something changed.
    Update,
    /// It is over.
    Resolved,
}

/// A realistic call, not yet signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The headers that the sender sets beside its signature.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Sample {
    /// A JSON body with its content type.
    pub fn json(body: &Value) -> Self {
        Self {
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.to_string().into_bytes(),
        }
    }
}
