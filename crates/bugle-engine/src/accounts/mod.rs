//! People: users and their passwords, sign-in and sessions, and links that work once.
//!
//! Users and sessions are in the store, so every node knows them at once. How often somebody tried to sign in and which
//! links are out is in the memory of this process: a restart forgets it, which ends the links and forgives the attempts.
//!
//! What never lives here: cookies, forms and pages. A password and a token are never logged, stored or shown.

mod attempts;
mod links;
mod passwords;
mod sessions;
mod users;

pub use links::Purpose;
pub use sessions::{SESSION_AGE_MAX, SignInError};
pub use users::{NewUser, UserPatch};

use sha2::{Digest, Sha256};

/// What is known of people beside the store.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    attempts: attempts::Attempts,
    pub(crate) failures: crate::audit::Failures,
    links: links::Links,
    passwords: passwords::Passwords,
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
