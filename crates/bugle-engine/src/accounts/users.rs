//! Users: made, changed and deleted. Whoever has an admin's API key can always make another admin.

use bugle_model::{AuditAction, Identity, Scope, User, UserId, limits};
use secrecy::SecretString;
use serde::Deserialize;

use super::passwords;
use crate::{
    Engine,
    audit::{as_user, on_behalf_of},
    config::{ConfigError, changed, random_bytes},
};

/// Longest sign-in name, in bytes: that of an e-mail address.
const NAME_BYTES_MAX: usize = 254;

/// What a user is made from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// What they sign in with, as a rule their e-mail address.
    pub name: String,
    /// What they may do.
    pub role: Scope,
    /// Their password. Without it they choose one by a link that works once.
    #[serde(default)]
    pub password: Option<SecretString>,
}

/// What to change of a user.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserPatch {
    /// The sign-in name.
    pub name: Option<String>,
    /// What they may do. Ends their sessions and links.
    pub role: Option<Scope>,
    /// A new password. Ends their sessions and links.
    pub password: Option<SecretString>,
    /// Whether they are kept out. Ends their sessions and links.
    pub disabled: Option<bool>,
}

/// How a new user proves who they are.
enum Proof {
    /// By this password's hash, or one that they choose by a link.
    Password(Option<SecretString>),
    /// A provider vouches for them.
    Identity(Identity),
}

impl Engine {
    /// All users, in the order in which they were added.
    pub async fn users(&self) -> Result<Vec<User>, ConfigError> {
        Ok(self.store().users().await?)
    }

    /// One user.
    pub async fn user(&self, id: &str) -> Result<User, ConfigError> {
        let found = self.users().await?.into_iter().find(|user| user.id.to_string() == id);
        found.ok_or_else(|| ConfigError::not_found("user", id))
    }

    /// Adds a user.
    pub async fn create_user(&self, new: NewUser) -> Result<User, ConfigError> {
        let name = checked_name(&new.name)?;
        let password = self.checked_password(new.password, &name).await?;
        let _changing = self.changing().await;
        let user = self.add_user(&self.users().await?, name, new.role, Proof::Password(password)).await?;
        self.note(AuditAction::UserCreated, (user.id, user.name.as_str()), [role(&user)]).await;
        Ok(user)
    }

    /// Makes the first user, an admin, for whoever has the link. Nobody when there is one already.
    pub async fn create_first_admin(
        &self,
        token: &str,
        name: &str,
        password: SecretString,
    ) -> Result<Option<User>, ConfigError> {
        let name = checked_name(name)?;
        let password = self.checked_password(Some(password), &name).await?;
        let _changing = self.changing().await;
        let users = self.users().await?;
        if !users.is_empty() || !self.accounts().links.take(token) {
            return Ok(None);
        }
        let user = self.add_user(&users, name, Scope::Admin, Proof::Password(password)).await?;
        let noting = self.note(AuditAction::UserCreated, (user.id, user.name.as_str()), [role(&user)]);
        on_behalf_of(as_user(&user), noting).await;
        Ok(Some(user))
    }

    /// The user whom a provider vouches for, with the role that follows from what it says. Made the first time; then they
    /// keep their name.
    pub(super) async fn vouched_user(
        &self,
        identity: Identity,
        name: &str,
        given: Scope,
    ) -> Result<User, ConfigError> {
        let known =
            |users: Vec<User>| users.into_iter().find(|user| user.identity.as_ref() == Some(&identity));
        if let Some(user) = known(self.users().await?) {
            if user.role == given || user.disabled {
                return Ok(user);
            }
            let patch = UserPatch { role: Some(given), ..UserPatch::default() };
            return self.update_user(&user.id.to_string(), patch).await;
        }
        let name = checked_name(name)?;
        let _changing = self.changing().await;
        let users = self.users().await?;
        if let Some(user) = known(users.clone()) {
            return Ok(user);
        }
        let user = self.add_user(&users, name, given, Proof::Identity(identity)).await?;
        self.note(AuditAction::UserCreated, (user.id, user.name.as_str()), [role(&user)]).await;
        Ok(user)
    }

    /// The sessions of whom a provider gives no role any more are over, as those of whom it gives another one are.
    pub(super) async fn sign_out_unvouched(&self, identity: &Identity) -> Result<Option<User>, ConfigError> {
        let users = self.users().await?;
        match users.into_iter().find(|user| user.identity.as_ref() == Some(identity)) {
            Some(user) => self.end_sessions(user.id).await.map(Some),
            None => Ok(None),
        }
    }

    async fn add_user(
        &self,
        users: &[User],
        name: String,
        role: Scope,
        proof: Proof,
    ) -> Result<User, ConfigError> {
        if users.len() >= limits::USERS_MAX {
            let message = format!("there are {} users, which is the most there can be", limits::USERS_MAX);
            return Err(ConfigError::invalid("name", message));
        }
        is_free(&name, users, None)?;
        let now = self.clock().now();
        let id = UserId::from_random(now, u32::from_ne_bytes(random_bytes()?));
        let (password, identity) = match proof {
            Proof::Password(password) => (password, None),
            Proof::Identity(identity) => (None, Some(identity)),
        };
        let user = User {
            id,
            name,
            role,
            password,
            identity,
            disabled: false,
            session_epoch: 0,
            created_at: now,
            updated_at: now,
        };
        self.store().put_user(user.clone()).await?;
        Ok(user)
    }

    /// Changes a user. The last admin who may sign in stays one.
    pub async fn update_user(&self, id: &str, patch: UserPatch) -> Result<User, ConfigError> {
        let name = patch.name.as_deref().map(checked_name).transpose()?;
        let current = self.user(id).await?;
        if patch.password.is_some() {
            may_have_password(&current)?;
        }
        let password =
            self.checked_password(patch.password, name.as_deref().unwrap_or(&current.name)).await?;
        let _changing = self.changing().await;
        let users = self.users().await?;
        let mut user = users.iter().find(|user| user.id == current.id).cloned();
        let user = user.as_mut().ok_or_else(|| ConfigError::not_found("user", id))?;
        let before = user.clone();
        if let Some(name) = name {
            is_free(&name, &users, Some(user.id))?;
            user.name = name;
        }
        let ends_sessions = patch.role.is_some_and(|role| role != user.role)
            || patch.disabled.is_some_and(|disabled| disabled && !user.disabled)
            || password.is_some();
        user.role = patch.role.unwrap_or(user.role);
        user.disabled = patch.disabled.unwrap_or(user.disabled);
        user.password = password.or(user.password.take());
        user.session_epoch += u32::from(ends_sessions);
        user.updated_at = self.clock().now();
        if user.role != Scope::Admin || user.disabled {
            is_not_last_admin(user.id, &users)?;
        }
        self.store().put_user(user.clone()).await?;
        if ends_sessions {
            self.accounts().links.end_of(user.id);
        }
        let details = changed::user(&before, user);
        self.note(AuditAction::UserChanged, (user.id, user.name.as_str()), details).await;
        Ok(user.clone())
    }

    /// Deletes a user, with their sessions. The last admin who may sign in stays.
    pub async fn delete_user(&self, id: &str) -> Result<(), ConfigError> {
        let _changing = self.changing().await;
        let users = self.users().await?;
        let user = users.iter().find(|user| user.id.to_string() == id);
        let user = user.ok_or_else(|| ConfigError::not_found("user", id))?;
        is_not_last_admin(user.id, &users)?;
        self.store().delete_user(user.id).await?;
        self.note(AuditAction::UserDeleted, (user.id, user.name.as_str()), None).await;
        Ok(())
    }

    async fn checked_password(
        &self,
        password: Option<SecretString>,
        name: &str,
    ) -> Result<Option<SecretString>, ConfigError> {
        let Some(password) = password else { return Ok(None) };
        passwords::check(&password, name)?;
        self.accounts().passwords.hash(password).await.map(Some)
    }
}

/// Whoever signs in at a provider is kept out there, too: a password would be a second way in.
pub(super) fn may_have_password(user: &User) -> Result<(), ConfigError> {
    match &user.identity {
        Some(identity) => {
            let message = format!("this user signs in at {} and has no password here", identity.issuer);
            Err(ConfigError::invalid("password", message))
        }
        None => Ok(()),
    }
}

fn role(user: &User) -> String {
    format!("role {}", changed::scope(user.role))
}

fn checked_name(name: &str) -> Result<String, ConfigError> {
    let name = name.trim();
    let is_fine = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.chars().any(|one| one.is_control() || one.is_whitespace());
    if is_fine {
        return Ok(name.to_owned());
    }
    let message =
        format!("a name has 1 to {NAME_BYTES_MAX} bytes and no spaces, such as ada@example.com or ada");
    Err(ConfigError::invalid("name", message))
}

fn is_free(name: &str, users: &[User], but: Option<UserId>) -> Result<(), ConfigError> {
    let taken =
        users.iter().any(|user| user.name.to_lowercase() == name.to_lowercase() && Some(user.id) != but);
    if taken {
        Err(ConfigError::invalid("name", "another user has this name: choose another"))
    } else {
        Ok(())
    }
}

fn is_not_last_admin(id: UserId, users: &[User]) -> Result<(), ConfigError> {
    let is_admin = |user: &&User| user.role == Scope::Admin && !user.disabled;
    let is_one = users.iter().any(|user| user.id == id && is_admin(&user));
    if is_one && users.iter().filter(is_admin).count() == 1 {
        let message = "this is the last admin who can sign in: make another one first";
        return Err(ConfigError::invalid("role", message));
    }
    Ok(())
}
