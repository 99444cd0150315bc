//! A shared secret with its time of validity. Its value never reaches `Debug`, a log, or an answer after the first.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::{id::SecretId, time::Timestamp};

/// One secret of an integration or a destination. Several may be active while rotating.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Names the secret in verdicts and when removing it.
    pub id: SecretId,
    /// The secret itself.
    pub value: SecretString,
    /// When it was added.
    pub created_at: Timestamp,
    /// From when on it no longer counts; `None` for ever.
    pub expires_at: Option<Timestamp>,
}

impl Secret {
    /// Whether the secret counts at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// The secret's bytes, for a signature.
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }

    /// What may be shown of it.
    pub fn facts(&self) -> SecretFacts {
        SecretFacts { id: self.id, created_at: self.created_at, expires_at: self.expires_at }
    }
}

/// What may be shown of a secret: all but the secret.
#[derive(Debug, Clone, Serialize)]
pub struct SecretFacts {
    /// Names the secret.
    pub id: SecretId,
    /// When it was added.
    pub created_at: Timestamp,
    /// From when on it no longer counts.
    pub expires_at: Option<Timestamp>,
}
