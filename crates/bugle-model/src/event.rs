//! An immutable fact on an incident's timeline.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    alert::Alert,
    id::{AlertId, ApiKeyId, EventId, IncidentId, IntegrationId, ReceiptId},
    incident::Incident,
    time::Timestamp,
};

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What happened to an incident.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum EventKind {$(
            $(#[$doc])* #[serde(rename = $text)] $name,
        )*}

        impl EventKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word in the API and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }

        impl std::str::FromStr for EventKind {
            type Err = UnknownEventKind;
            fn from_str(text: &str) -> Result<Self, UnknownEventKind> {
                match text { $($text => Ok(Self::$name),)* _ => Err(UnknownEventKind(text.chars().take(64).collect())) }
            }
        }
    };
}

event_kinds! {
    /// It began.
    Created = "incident.created";
    /// Its alerts, severity, title or labels changed.
    Updated = "incident.updated";
    /// Somebody has it.
    Acknowledged = "incident.acknowledged";
    /// Its status changed in a way that has no word of its own.
    StatusChanged = "incident.status_changed";
    /// Somebody else has it, or nobody.
    OwnerChanged = "incident.owner_changed";
    /// A ticket was opened for it elsewhere.
    TicketAttached = "incident.ticket_attached";
    /// A person declared how bad it is.
    SeverityDeclared = "incident.severity_declared";
    /// A person took that back.
    SeverityCleared = "incident.severity_cleared";
    /// Somebody wrote something.
    Commented = "incident.commented";
    /// It is over.
    Resolved = "incident.resolved";
    /// It is not over after all.
    Reopened = "incident.reopened";
}

/// The text names no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an event: known are incident.created, .updated, .acknowledged, .status_changed, .owner_changed, .ticket_attached, .severity_declared, .severity_cleared, .commented, .resolved, .reopened"
)]
pub struct UnknownEventKind(String);

/// Who made a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Actor {
    /// The monitoring platform, by a signal.
    Source {
        /// The integration it came by.
        integration_id: IntegrationId,
        /// The receipt that held it.
        receipt_id: ReceiptId,
    },
    /// A program or a person with an API key.
    ApiKey {
        /// The key.
        id: ApiKeyId,
        /// What it is called.
        name: String,
    },
    /// A person who is signed in.
    User {
        /// What they sign in with, as a rule their e-mail address.
        email: String,
    },
    /// A rule that somebody configured.
    Rule {
        /// What it is called.
        name: String,
    },
    /// Time that passed.
    Timeout,
}

/// One field that an event changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field's name in the incident.
    pub field: String,
    /// What it was.
    pub from: Value,
    /// What it became.
    pub to: Value,
}

/// An immutable fact on an incident's timeline. With the snapshots it holds, it is all that a dialect needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// Names it; stable, so that receivers can tell a redelivery.
    pub id: EventId,
    /// Whose timeline it is on.
    pub incident_id: IncidentId,
    /// 1, 2, 3, ... within its incident.
    pub sequence: u32,
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// What it changed.
    #[serde(default)]
    pub changes: Vec<FieldChange>,
    /// What was said with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The alert that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_id: Option<AlertId>,
    /// That alert as of this event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<Box<Alert>>,
    /// The incident as of this event.
    pub incident: Incident,
}

/// Bugle's own document of one event, once somebody has written it for a receiver: without what the vendor sent, and with
/// it. Shared by all who tell of the event.
#[derive(Debug, Default)]
pub struct Documents {
    without_raw: OnceLock<Vec<u8>>,
    with_raw: OnceLock<Vec<u8>>,
}

impl Documents {
    /// The place of the one or the other.
    pub const fn place(&self, has_raw: bool) -> &OnceLock<Vec<u8>> {
        if has_raw { &self.with_raw } else { &self.without_raw }
    }
}
