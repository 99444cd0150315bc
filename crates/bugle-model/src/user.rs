//! People who sign in, and their sessions.

use secrecy::SecretString;
use serde::Serialize;

use crate::{api_key::Scope, id::UserId, time::Timestamp};

/// A person who may sign in.
#[derive(Debug, Clone, Serialize)]
pub struct User {
    /// Names the user.
    pub id: UserId,
    /// What they sign in with, as a rule their e-mail address. Unique whatever its case.
    pub name: String,
    /// What they may do.
    pub role: Scope,
    /// The password's hash as a PHC string; none for one who has not chosen a password yet.
    #[serde(skip)]
    pub password: Option<SecretString>,
    /// Who vouches for them; none for one who signs in with a name and a password.
    #[serde(skip)]
    pub identity: Option<Identity>,
    /// A disabled user cannot sign in, and their sessions are over.
    pub disabled: bool,
    /// Sessions of an earlier epoch are over. Raised when the password or the role changes, on disabling, and when
    /// somebody signs out everywhere.
    #[serde(skip)]
    pub session_epoch: u32,
    /// When they were added.
    pub created_at: Timestamp,
    /// When they were last changed.
    pub updated_at: Timestamp,
}

/// Who a user is at an OpenID provider. It stays the same when their name changes, and is given to nobody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider, as it calls itself.
    pub issuer: String,
    /// The user, as the provider calls them.
    pub subject: String,
}

/// One browser in which a user is signed in. Only a hash of what the browser holds is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the token. A token holds 256 random bits, so a slow hash would add nothing.
    pub hash: [u8; 32],
    /// Who.
    pub user_id: UserId,
    /// The user's epoch when it began.
    pub epoch: u32,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_seen_at: Timestamp,
    /// From when on it is over, if it is not used again.
    pub expires_at: Timestamp,
}

impl Session {
    /// Whether it still lets `user` in at `now`.
    pub fn admits(&self, user: &User, now: Timestamp) -> bool {
        self.user_id == user.id && self.epoch == user.session_epoch && !user.disabled && now < self.expires_at
    }
}
