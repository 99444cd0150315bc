//! People: users and their passwords, sign-in here or at an OpenID provider, sessions, and links that work once.
//!
//! Users and sessions are in the store, so every node knows them at once. How often somebody tried to sign in and which
//! links are out is in the memory of this process: a restart forgets it, which ends the links and forgives the attempts.
//!
//! What never lives here: cookies, forms and pages. A password and a token are never logged, stored or shown.

mod attempts;
mod links;
mod oidc;
mod passwords;
mod sessions;
mod users;

pub use links::Purpose;
pub use oidc::{Begun, OidcError, OidcSettings, ProviderAnswer, RoleRules};
pub use sessions::{SESSION_AGE_MAX, SignInError};
pub use users::{NewUser, UserPatch};

use sha2::{Digest, Sha256};

use crate::{config::ConfigError, send::Sender};

/// What is known of people beside the store.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    attempts: attempts::Attempts,
    pub(crate) failures: crate::audit::Failures,
    links: links::Links,
    oidc: Option<oidc::Oidc>,
    passwords: passwords::Passwords,
}

impl Accounts {
    /// With a provider to sign in at, or without. Fails only where there is no randomness.
    pub(crate) fn new(provider: Option<OidcSettings>, sender: &Sender) -> Result<Self, ConfigError> {
        let oidc = provider.map(|settings| oidc::Oidc::new(settings, sender.clone())).transpose()?;
        Ok(Self { oidc, ..Self::default() })
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
