//! Links that let somebody in once, without a password. Only their hashes are kept, and only in memory.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bugle_model::{AuditAction, Timestamp, User, UserId};
use secrecy::SecretString;

use super::hash;
use crate::{Engine, config::ConfigError};

/// How long a link works.
const LINK_AGE_MAX: Duration = Duration::from_hours(24);
/// Links that are out at once; the oldest ends for the next.
const LINKS_MAX: usize = 100;

/// What a link lets its bearer do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Make the first user, an admin. Works only while there is none.
    FirstAdmin,
    /// Choose a password for this user, and be signed in.
    SetPassword(UserId),
    /// Be signed in as this user.
    SignIn(UserId),
}

impl Purpose {
    /// Whom it lets in.
    const fn user(self) -> Option<UserId> {
        match self {
            Self::FirstAdmin => None,
            Self::SetPassword(id) | Self::SignIn(id) => Some(id),
        }
    }
}

#[derive(Debug)]
struct Link {
    hash: [u8; 32],
    purpose: Purpose,
    expires_at: Timestamp,
}

/// The links that are out, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<Vec<Link>>);

impl Links {
    fn add(&self, link: Link) {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A person has one way in at a time: what was made before may be in the wrong hands.
        links.retain(|known| known.purpose != link.purpose);
        if links.len() >= LINKS_MAX {
            links.remove(0);
        }
        links.push(link);
    }

    /// Ends those of a user: who holds one may be whom they are kept from.
    pub(super) fn end_of(&self, id: UserId) {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|link| link.purpose.user() != Some(id));
    }

    fn find(&self, token: &str, now: Timestamp) -> Option<Purpose> {
        let (links, hash) = (self.0.lock().unwrap_or_else(PoisonError::into_inner), hash(token));
        links.iter().find(|link| link.hash == hash && now < link.expires_at).map(|link| link.purpose)
    }

    /// Ends a link; false when somebody else was faster.
    pub(super) fn take(&self, token: &str) -> bool {
        let (mut links, hash) = (self.0.lock().unwrap_or_else(PoisonError::into_inner), hash(token));
        let place = links.iter().position(|link| link.hash == hash);
        place.map(|place| links.remove(place)).is_some()
    }
}

impl Engine {
    /// Makes a link's token. A link that was made before for the same purpose ends.
    pub fn make_link(&self, purpose: Purpose) -> Result<SecretString, ConfigError> {
        let token = super::sessions::new_token()?;
        let expires_at = self.clock().now().plus(LINK_AGE_MAX);
        let hash = hash(secrecy::ExposeSecret::expose_secret(&token));
        self.accounts().links.add(Link { hash, purpose, expires_at });
        Ok(token)
    }

    /// Makes a link's token with which a user chooses a password, for whoever hands it on.
    pub async fn link_user(&self, user: &User) -> Result<SecretString, ConfigError> {
        super::users::may_have_password(user)?;
        let token = self.make_link(Purpose::SetPassword(user.id))?;
        self.note(AuditAction::UserLinked, (user.id, user.name.as_str()), None).await;
        Ok(token)
    }

    /// What the link with this token is for, if it still works. Looking does not use it up.
    pub fn link_purpose(&self, token: &str) -> Option<Purpose> {
        self.accounts().links.find(token, self.clock().now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_works_once_until_its_end_and_the_next_replaces_it() {
        let (links, now) = (Links::default(), Timestamp::from_seconds(1_000_000));
        let add = |token: &str, purpose| {
            links.add(Link { hash: hash(token), purpose, expires_at: now.plus(LINK_AGE_MAX) });
        };
        let user = UserId::from_i64(1);
        add("one", Purpose::SetPassword(user));
        add("two", Purpose::SignIn(user));
        assert_eq!(links.find("one", now), Some(Purpose::SetPassword(user)));
        assert_eq!(links.find("one", now.plus(LINK_AGE_MAX)), None);
        assert_eq!(links.find("three", now), None);
        add("three", Purpose::SetPassword(user));
        assert_eq!(links.find("one", now), None);
        assert!(links.take("two") && !links.take("two"));
        assert_eq!(links.find("two", now), None);
        for number in 0..300 {
            add(&number.to_string(), Purpose::SignIn(UserId::from_i64(number)));
        }
        assert_eq!(links.0.lock().unwrap().len(), LINKS_MAX);
    }
}
