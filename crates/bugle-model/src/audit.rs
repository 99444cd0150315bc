//! Who changed what of the configuration, and who signed in: facts that are kept for a while and never edited.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    event::Actor,
    id::{ApiKeyId, AuditId, DestinationId, IntegrationId, UserId},
    time::Timestamp,
};

macro_rules! audit_actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum AuditAction {$(
            $(#[$doc])* #[serde(rename = $text)] $name,
        )*}

        impl AuditAction {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word in the API: what it was done to, a dot, what was done.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

audit_actions! {
    /// A source was added.
    IntegrationCreated = "integration.created";
    /// Fields of a source were changed.
    IntegrationChanged = "integration.changed";
    /// A source was deleted.
    IntegrationDeleted = "integration.deleted";
    /// A source got another secret.
    IntegrationSecretAdded = "integration.secret_added";
    /// A secret of a source was ended.
    IntegrationSecretRemoved = "integration.secret_removed";
    /// A destination was added.
    DestinationCreated = "destination.created";
    /// Fields of a destination were changed.
    DestinationChanged = "destination.changed";
    /// A destination was deleted.
    DestinationDeleted = "destination.deleted";
    /// A destination got another secret.
    DestinationSecretAdded = "destination.secret_added";
    /// A secret of a destination was ended.
    DestinationSecretRemoved = "destination.secret_removed";
    /// A destination works again, with a closed circuit.
    DestinationEnabled = "destination.enabled";
    /// A destination was disabled by Bugle.
    DestinationDisabled = "destination.disabled";
    /// What was given up on is sent again.
    DestinationRecovered = "destination.recovered";
    /// An API key was made.
    ApiKeyCreated = "api_key.created";
    /// An API key was deleted.
    ApiKeyDeleted = "api_key.deleted";
    /// A user was added.
    UserCreated = "user.created";
    /// A user was changed.
    UserChanged = "user.changed";
    /// A user was deleted.
    UserDeleted = "user.deleted";
    /// A link was made with which a user chooses a password.
    UserLinked = "user.linked";
    /// Every session of a user was ended.
    UserSignedOut = "user.signed_out";
    /// Somebody signed in.
    SignInOk = "sign_in.ok";
    /// Somebody tried to sign in and could not.
    SignInFailed = "sign_in.failed";
}

impl AuditAction {
    /// What it was done to: the word before the dot.
    pub fn about(self) -> &'static str {
        self.as_str().split_once('.').map_or("", |(about, _)| about)
    }
}

/// What something was done to, as it was called then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its id.
    pub id: String,
    /// What people called it.
    pub name: String,
}

macro_rules! subjects {
    ($($id:ident)*) => {$(
        impl From<($id, &str)> for Subject {
            fn from((id, name): ($id, &str)) -> Self {
                Self { id: id.to_string(), name: name.to_owned() }
            }
        }
    )*};
}

subjects! { IntegrationId DestinationId ApiKeyId UserId }

/// One fact. It never holds a secret, nor a value that may be one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who; none where that was not proven.
    pub actor: Option<Actor>,
    /// What was done.
    pub action: AuditAction,
    /// To what.
    pub subject: Option<Subject>,
    /// Which fields were changed, or another word on it.
    pub details: Vec<String>,
    /// From where, when somebody signs in.
    pub address: Option<IpAddr>,
}

/// A fact as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditRecord {
    /// Names it; larger than that of every record before it.
    pub id: AuditId,
    /// The fact.
    #[serde(flatten)]
    pub entry: AuditEntry,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_says_what_it_is_about() {
        for action in AuditAction::ALL {
            let about = action.about();
            assert!(
                ["integration", "destination", "api_key", "user", "sign_in"].contains(&about),
                "{action:?}: {about}"
            );
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
        }
    }
}
