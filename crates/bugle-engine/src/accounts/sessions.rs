//! Signing in and out, and whose session a token is.

use std::{net::IpAddr, time::Duration};

use bugle_model::{AuditAction, Session, Timestamp, User, UserId};
use bugle_store::StoreError;
use secrecy::{ExposeSecret, SecretString};

use super::{Purpose, UserPatch, attempts::as_looked_up, hash, passwords::Busy};
use crate::{
    Engine,
    audit::{as_user, on_behalf_of},
    config::{ConfigError, random_bytes},
};

/// A session that is not used for this long is over.
const SESSION_IDLE_MAX: Duration = Duration::from_hours(30 * 24);
/// A session is over after this long, however much it is used.
pub const SESSION_AGE_MAX: Duration = Duration::from_hours(90 * 24);
/// How often the use of a session is written down.
const USE_NOTED_EVERY: Duration = Duration::from_mins(1);

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// There is no such user, or the password is another, or the user is disabled: which of them is not said.
    #[error("the name or the password is wrong")]
    Wrong,
    /// Too many failed attempts.
    #[error("too many failed attempts: try again in {} min", minutes(*retry_after))]
    TooMany {
        /// When the next attempt is looked at.
        retry_after: Duration,
    },
    /// Too many at this moment.
    #[error("too many people sign in at this moment: try again in a few seconds")]
    Busy,
    /// It could not be done, or the new password is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl From<StoreError> for SignInError {
    fn from(error: StoreError) -> Self {
        Self::Config(error.into())
    }
}

impl From<Busy> for SignInError {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

fn minutes(wait: Duration) -> u64 {
    wait.as_secs().div_ceil(60).max(1)
}

/// A token that nobody guesses.
pub(super) fn new_token() -> Result<SecretString, ConfigError> {
    let random: [u8; 32] = random_bytes()?;
    Ok(hex::encode(random).into())
}

impl Engine {
    /// Signs a user in; the token is what their browser keeps. Takes as long and answers the same whether there is such a
    /// user or not.
    pub async fn sign_in(
        &self,
        name: &str,
        password: SecretString,
        address: IpAddr,
    ) -> Result<SecretString, SignInError> {
        let attempts = &self.accounts().attempts;
        let begun = attempts.begin(Some(name), address, self.clock().now());
        begun.map_err(|retry_after| SignInError::TooMany { retry_after })?;
        let name = as_looked_up(name);
        let users = self.store().users().await?;
        let named = users.into_iter().find(|user| as_looked_up(&user.name) == name);
        let user = named.clone().filter(|user| !user.disabled);
        let stored = user.as_ref().and_then(|user| user.password.clone());
        let fits = self.accounts().passwords.verify(password, stored).await?;
        let Some(user) = user.filter(|_| fits) else {
            tracing::warn!(%address, "somebody failed to sign in");
            self.note_failed_sign_in(named.as_ref(), address).await;
            return Err(SignInError::Wrong);
        };
        attempts.forgive(Some(&name), address);
        tracing::info!(user = %user.id, %address, "signed in");
        let token = self.begin_session(&user).await?;
        self.note_sign_in(&user, "by password", Some(address)).await;
        Ok(token)
    }

    /// Signs in whoever has a link made for [`Purpose::SignIn`] or [`Purpose::SetPassword`]; the latter sets the password
    /// first. The link is used up.
    pub async fn sign_in_by_link(
        &self,
        token: &str,
        password: Option<SecretString>,
    ) -> Result<SecretString, SignInError> {
        let user = match (self.link_purpose(token), password) {
            (Some(Purpose::SignIn(id)), _) => self.user(&id.to_string()).await?,
            (Some(Purpose::SetPassword(id)), Some(password)) => {
                let id = id.to_string();
                let user = self.user(&id).await?;
                super::passwords::check(&password, &user.name)?;
                if !self.accounts().links.take(token) {
                    return Err(SignInError::Wrong);
                }
                let patch = UserPatch { password: Some(password), ..UserPatch::default() };
                let user = on_behalf_of(as_user(&user), self.update_user(&id, patch)).await?;
                return self.begin_session_unless_disabled(&user).await;
            }
            _ => return Err(SignInError::Wrong),
        };
        if !self.accounts().links.take(token) {
            return Err(SignInError::Wrong);
        }
        self.begin_session_unless_disabled(&user).await
    }

    async fn begin_session_unless_disabled(&self, user: &User) -> Result<SecretString, SignInError> {
        if user.disabled {
            return Err(SignInError::Wrong);
        }
        let token = self.begin_session(user).await?;
        self.note_sign_in(user, "by link", None).await;
        Ok(token)
    }

    /// Begins a session of a user who has proven who they are.
    pub async fn begin_session(&self, user: &User) -> Result<SecretString, SignInError> {
        let token = new_token()?;
        let now = self.clock().now();
        let session = Session {
            hash: hash(token.expose_secret()),
            user_id: user.id,
            epoch: user.session_epoch,
            created_at: now,
            last_seen_at: now,
            expires_at: expiry(now, now),
        };
        self.store().put_session(session).await?;
        Ok(token)
    }

    /// Whose session this token is, if it is one that is not over. Its use is noted, to the minute, behind the caller's
    /// back.
    pub async fn session(&self, token: &str) -> Result<Option<(Session, User)>, StoreError> {
        let now = self.clock().now();
        let found = self.store().session(hash(token)).await?;
        let Some((session, user)) = found.filter(|(session, user)| session.admits(user, now)) else {
            return Ok(None);
        };
        if now.since(session.last_seen_at) >= USE_NOTED_EVERY {
            let expires_at = expiry(session.created_at, now);
            self.in_background(move |store| async move {
                if let Err(error) = store.note_session_use(session.hash, now, expires_at).await {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the use of a session was not noted");
                }
            });
        }
        Ok(Some((session, user)))
    }

    /// Whether a session that let somebody in is still not over.
    pub async fn is_session_good(&self, session: &Session) -> Result<bool, StoreError> {
        let (now, found) = (self.clock().now(), self.store().session(session.hash).await?);
        Ok(found.is_some_and(|(session, user)| session.admits(&user, now)))
    }

    /// Ends one session.
    pub async fn sign_out(&self, session: &Session) -> Result<(), StoreError> {
        self.store().delete_session(session.hash).await
    }

    /// Ends every session of a user, at somebody's word.
    pub async fn sign_out_everywhere(&self, id: UserId) -> Result<(), ConfigError> {
        let user = self.end_sessions(id).await?;
        self.note(AuditAction::UserSignedOut, (user.id, user.name.as_str()), None).await;
        Ok(())
    }

    /// Ends every session of a user.
    pub(super) async fn end_sessions(&self, id: UserId) -> Result<User, ConfigError> {
        let _changing = self.changing().await;
        let mut user = self.user(&id.to_string()).await?;
        user.session_epoch += 1;
        self.store().put_user(user.clone()).await?;
        Ok(user)
    }

    /// Sets a new password for a user who knows the old one. Every session ends; the token is of a new one.
    pub async fn change_password(
        &self,
        user: &User,
        old: SecretString,
        new: SecretString,
        address: IpAddr,
    ) -> Result<SecretString, SignInError> {
        let begun = self.accounts().attempts.begin(Some(&user.name), address, self.clock().now());
        begun.map_err(|retry_after| SignInError::TooMany { retry_after })?;
        if !self.accounts().passwords.verify(old, user.password.clone()).await? {
            return Err(SignInError::Wrong);
        }
        self.accounts().attempts.forgive(Some(&user.name), address);
        let patch = UserPatch { password: Some(new), ..UserPatch::default() };
        let id = user.id.to_string();
        let user = on_behalf_of(as_user(user), self.update_user(&id, patch)).await?;
        self.begin_session(&user).await
    }
}

/// When a session that began and was used at these moments is over.
fn expiry(began: Timestamp, used: Timestamp) -> Timestamp {
    used.plus(SESSION_IDLE_MAX).min(began.plus(SESSION_AGE_MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bugle_model::{Clock, ManualClock, Scope};
    use bugle_store_sqlite::{Options, SqliteStore};

    use super::*;
    use crate::{EngineSettings, accounts::NewUser};

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const PASSWORD: &str = "correct horse battery";

    struct Stage {
        engine: Arc<Engine>,
        clock: Arc<ManualClock>,
        _folder: tempfile::TempDir,
    }

    impl Stage {
        async fn set() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Arc::new(SqliteStore::open(folder.path(), Options::default()).unwrap());
            let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_795_000_000)));
            let engine = Engine::open(store, clock.clone(), EngineSettings::default()).await.unwrap();
            Self { engine, clock, _folder: folder }
        }

        async fn user(&self, name: &str, role: Scope) -> User {
            let new = NewUser { name: name.into(), role, password: Some(PASSWORD.into()) };
            self.engine.create_user(new).await.unwrap()
        }

        async fn sign_in(&self, name: &str, password: &str) -> Result<SecretString, SignInError> {
            self.engine.sign_in(name, password.into(), HERE).await
        }

        async fn is_in(&self, token: &SecretString) -> bool {
            self.engine.session(token.expose_secret()).await.unwrap().is_some()
        }
    }

    #[tokio::test]
    async fn a_session_ends_with_what_it_rests_on() {
        let stage = Stage::set().await;
        stage.user("root", Scope::Admin).await;
        let ada = stage.user("Ada@example.net", Scope::Operate).await;
        let id = ada.id.to_string();
        let changes = [
            UserPatch { role: Some(Scope::Read), ..UserPatch::default() },
            UserPatch { password: Some(PASSWORD.into()), ..UserPatch::default() },
            UserPatch { disabled: Some(true), ..UserPatch::default() },
        ];
        for change in changes {
            let token = stage.sign_in(" ada@EXAMPLE.net ", PASSWORD).await.unwrap();
            assert!(stage.is_in(&token).await);
            stage.engine.update_user(&id, change.clone()).await.unwrap();
            assert!(!stage.is_in(&token).await, "{change:?}");
        }
        assert!(matches!(stage.sign_in(&ada.name, PASSWORD).await, Err(SignInError::Wrong)), "disabled");
        let again = UserPatch { disabled: Some(false), ..UserPatch::default() };
        stage.engine.update_user(&id, again).await.unwrap();
        let (one, other) =
            (stage.sign_in(&ada.name, PASSWORD).await, stage.sign_in(&ada.name, PASSWORD).await);
        let (one, other) = (one.unwrap(), other.unwrap());
        let (session, _) = stage.engine.session(one.expose_secret()).await.unwrap().unwrap();
        stage.engine.sign_out(&session).await.unwrap();
        assert!(!stage.is_in(&one).await && stage.is_in(&other).await);
        stage.engine.sign_out_everywhere(ada.id).await.unwrap();
        assert!(!stage.is_in(&other).await);
        let last = stage.sign_in(&ada.name, PASSWORD).await.unwrap();
        stage.engine.delete_user(&id).await.unwrap();
        assert!(!stage.is_in(&last).await);
    }

    #[tokio::test]
    async fn a_session_ends_when_it_is_idle_or_old() {
        let stage = Stage::set().await;
        stage.user("ada", Scope::Admin).await;
        let token = stage.sign_in("ada", PASSWORD).await.unwrap();
        let hash = hash(token.expose_secret());
        for _ in 0..3 {
            stage.clock.advance(Duration::from_hours(30 * 24 - 1));
            assert!(stage.is_in(&token).await);
            // Noted in the background.
            let now = stage.clock.now();
            while stage.engine.store().session(hash).await.unwrap().unwrap().0.last_seen_at != now {
                tokio::task::yield_now().await;
            }
        }
        stage.clock.advance(Duration::from_hours(3));
        assert!(!stage.is_in(&token).await, "ninety days are over");
        let token = stage.sign_in("ada", PASSWORD).await.unwrap();
        stage.clock.advance(SESSION_IDLE_MAX);
        assert!(!stage.is_in(&token).await, "not used for thirty days");
    }

    #[tokio::test]
    async fn wrong_is_wrong_and_too_often_waits() {
        let stage = Stage::set().await;
        stage.user("ada", Scope::Admin).await;
        for name in ["ada", "nobody"] {
            for _ in 0..10 {
                assert!(
                    matches!(stage.sign_in(name, "wrong password").await, Err(SignInError::Wrong)),
                    "{name}"
                );
            }
            let refused = stage.sign_in(name, PASSWORD).await;
            assert!(matches!(refused, Err(SignInError::TooMany { .. })), "{name}: {refused:?}");
        }
        stage.clock.advance(Duration::from_mins(15));
        stage.sign_in("ada", PASSWORD).await.unwrap();
    }

    #[tokio::test]
    async fn links_let_in_once() {
        let stage = Stage::set().await;
        let first = stage.engine.make_link(Purpose::FirstAdmin).unwrap();
        let first = first.expose_secret();
        let weak = stage.engine.create_first_admin(first, "ada", "short".into()).await;
        assert!(weak.is_err(), "and the link is not used up");
        let ada = stage.engine.create_first_admin(first, "ada", PASSWORD.into()).await.unwrap().unwrap();
        assert_eq!(ada.role, Scope::Admin);
        let again = stage.engine.make_link(Purpose::FirstAdmin).unwrap();
        let again = stage.engine.create_first_admin(again.expose_secret(), "eve", PASSWORD.into()).await;
        assert!(again.unwrap().is_none(), "there is one already");
        let straight = stage.engine.make_link(Purpose::SignIn(ada.id)).unwrap();
        let token = stage.engine.sign_in_by_link(straight.expose_secret(), None).await.unwrap();
        assert!(stage.is_in(&token).await);
        assert!(stage.engine.sign_in_by_link(straight.expose_secret(), None).await.is_err());
        let lost = stage.engine.make_link(Purpose::SetPassword(ada.id)).unwrap();
        let lost = lost.expose_secret();
        assert!(stage.engine.sign_in_by_link(lost, None).await.is_err(), "it wants a password");
        stage.engine.sign_in_by_link(lost, Some("another long password".into())).await.unwrap();
        assert!(!stage.is_in(&token).await);
        stage.sign_in("ada", "another long password").await.unwrap();
    }

    #[tokio::test]
    async fn a_link_ends_with_what_was_changed_since() {
        let stage = Stage::set().await;
        stage.user("root", Scope::Admin).await;
        let ada = stage.user("ada", Scope::Read).await;
        let id = ada.id.to_string();
        for (patch, goes_on) in [
            (UserPatch { name: Some("countess".into()), ..UserPatch::default() }, true),
            (UserPatch { password: Some("a newer long password".into()), ..UserPatch::default() }, false),
            (UserPatch { role: Some(Scope::Operate), ..UserPatch::default() }, false),
            (UserPatch { disabled: Some(true), ..UserPatch::default() }, false),
        ] {
            let links = [Purpose::SetPassword(ada.id), Purpose::SignIn(ada.id), Purpose::FirstAdmin]
                .map(|purpose| stage.engine.make_link(purpose).unwrap());
            stage.engine.update_user(&id, patch.clone()).await.unwrap();
            let works = links.map(|link| stage.engine.link_purpose(link.expose_secret()).is_some());
            assert_eq!(works, [goes_on, goes_on, true], "{patch:?}");
        }
    }

    #[tokio::test]
    async fn the_last_admin_stays() {
        let stage = Stage::set().await;
        let ada = stage.user("ada", Scope::Admin).await;
        let id = ada.id.to_string();
        for patch in [
            UserPatch { role: Some(Scope::Operate), ..UserPatch::default() },
            UserPatch { disabled: Some(true), ..UserPatch::default() },
        ] {
            assert!(stage.engine.update_user(&id, patch).await.is_err());
        }
        assert!(stage.engine.delete_user(&id).await.is_err());
        let same = NewUser { name: "ADA".into(), role: Scope::Read, password: None };
        assert!(stage.engine.create_user(same).await.is_err(), "the name is taken");
        stage.user("bob", Scope::Admin).await;
        stage.engine.delete_user(&id).await.unwrap();
    }
}
