//! Passwords: Argon2id with the parameters that OWASP names first (19 MiB, two passes, one lane), away from the async
//! threads, a few at a time.
//! <https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html>

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::config::ConfigError;

/// Fewest characters: what stands up to guessing at the rate that the limit on attempts allows, and to more than that.
const CHARS_MIN: usize = 12;
/// Longest password. More bytes add nothing, and hashing them costs.
const BYTES_MAX: usize = 1024;
/// Hashes that are computed at once: each takes a core and 19 MiB.
const AT_ONCE_MAX: usize = 2;
/// Longest wait for a turn.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Too many want their password checked at this moment.
#[derive(Debug, thiserror::Error)]
#[error("too many people sign in at this moment: try again in a few seconds")]
pub(super) struct Busy;

/// Hashes and checks passwords.
#[derive(Debug, Clone)]
pub(super) struct Passwords {
    turns: Arc<Semaphore>,
    /// Checked where there is no user, so that it takes as long as where there is one.
    decoy: Arc<OnceLock<SecretString>>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE_MAX)), decoy: Arc::default() }
    }
}

impl Passwords {
    /// The hash to store.
    pub(super) async fn hash(&self, password: SecretString) -> Result<SecretString, ConfigError> {
        let hashed = self.in_turn(move || hash(&password)).await;
        let hashed = hashed.map_err(|busy| ConfigError::invalid("password", busy.to_string()))?;
        hashed
            .ok_or_else(|| ConfigError::invalid("password", "this password could not be hashed; try another"))
    }

    /// Whether `password` is the one of `stored`. Without one it takes as long, and is not.
    pub(super) async fn verify(
        &self,
        password: SecretString,
        stored: Option<SecretString>,
    ) -> Result<bool, Busy> {
        let decoy = Arc::clone(&self.decoy);
        self.in_turn(move || {
            let is_known = stored.is_some();
            let decoy = || decoy.get_or_init(|| hash(&"decoy".to_owned().into()).unwrap_or_default()).clone();
            let fits = verify(&password, &stored.unwrap_or_else(decoy));
            is_known && fits
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let turn = tokio::time::timeout(WAIT_MAX, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| Busy)?.map_err(|_| Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|_| Busy)
    }
}

fn hash(password: &SecretString) -> Option<SecretString> {
    let hash = Argon2::default().hash_password(password.expose_secret().as_bytes()).ok()?;
    Some(hash.to_string().into())
}

fn verify(password: &SecretString, stored: &SecretString) -> bool {
    let Ok(stored) = PasswordHash::new(stored.expose_secret()) else { return false };
    Argon2::default().verify_password(password.expose_secret().as_bytes(), &stored).is_ok()
}

/// Refuses a password that is too short, too long, or the user's name.
pub(super) fn check(password: &SecretString, name: &str) -> Result<(), ConfigError> {
    let text = password.expose_secret();
    if text.chars().count() < CHARS_MIN {
        let message =
            format!("a password has at least {CHARS_MIN} characters: a few words are easiest to remember");
        return Err(ConfigError::invalid("password", message));
    }
    if text.len() > BYTES_MAX {
        return Err(ConfigError::invalid("password", format!("a password has at most {BYTES_MAX} bytes")));
    }
    if text.to_lowercase() == name.to_lowercase() {
        return Err(ConfigError::invalid("password", "the password is the name: choose another"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_fits_its_hash() {
        let passwords = Passwords::default();
        let stored = passwords.hash("correct horse battery".into()).await.unwrap();
        assert!(stored.expose_secret().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let fits = async |text: &str, stored: Option<&SecretString>| {
            passwords.verify(text.into(), stored.cloned()).await.unwrap()
        };
        assert!(fits("correct horse battery", Some(&stored)).await);
        assert!(!fits("correct horse batterz", Some(&stored)).await);
        assert!(!fits("correct horse battery", Some(&"garbage".into())).await);
        assert!(!fits("decoy", None).await, "the decoy lets nobody in");
    }

    #[test]
    fn weak_passwords_are_refused() {
        for (password, fine) in [
            ("eleven char", false),
            ("twelve chars", true),
            ("ada@example.NET", false),
            (&"x".repeat(1025), false),
            ("ünïcödé päß", false),
            ("ünïcödé päßwörd", true),
        ] {
            assert_eq!(check(&password.into(), "Ada@example.net").is_ok(), fine, "{password}");
        }
    }
}
