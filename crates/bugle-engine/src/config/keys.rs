//! API keys: made, checked and deleted.

use std::{sync::Arc, time::Duration};

use bugle_model::{ApiKey, ApiKeyId, AuditAction, Scope};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{ConfigError, changed, integrations::checked_name, secrets::random_bytes};
use crate::Engine;

/// How often the use of a key is written down.
const USE_NOTED_EVERY: Duration = Duration::from_mins(1);

/// What an API key is made from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewApiKey {
    /// What a person calls it.
    #[serde(default)]
    pub name: String,
    /// What it may do.
    pub scope: Scope,
}

impl Engine {
    /// Makes an API key. The second value is the key itself: shown once, stored only as a hash.
    pub async fn create_api_key(&self, new: NewApiKey) -> Result<(ApiKey, SecretString), ConfigError> {
        let random: [u8; 32] = random_bytes()?;
        let text: SecretString = format!("bgl_{}", hex::encode(random)).into();
        let now = self.clock().now();
        let key = ApiKey {
            id: ApiKeyId::from_random(now, u32::from_ne_bytes(random_bytes()?)),
            name: checked_name(&new.name, "API key")?,
            scope: new.scope,
            hash: hash(text.expose_secret()),
            created_at: now,
            last_used_at: None,
        };
        let _changing = self.changing().await;
        self.store().put_api_key(key.clone()).await?;
        self.reload_api_keys().await?;
        self.note(
            AuditAction::ApiKeyCreated,
            (key.id, key.name.as_str()),
            [changed::scope(key.scope).to_owned()],
        )
        .await;
        Ok((key, text))
    }

    /// The key that `presented` is, if it is one. Keys are looked up by their hash, so the time it takes tells nothing
    /// of them. Its use is noted, to the minute, behind the caller's back.
    pub fn authenticate(&self, presented: &str) -> Option<Arc<ApiKey>> {
        let key = self.directory().api_key(&hash(presented))?;
        let now = self.clock().now();
        if key.last_used_at.is_none_or(|last| now.since(last) >= USE_NOTED_EVERY) {
            let id = key.id;
            self.directory().note_use(ApiKey { last_used_at: Some(now), ..key.as_ref().clone() });
            self.in_background(|store| async move {
                if let Err(error) = store.note_api_key_use(id, now).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the use of an API key was not noted"
                    );
                }
            });
        }
        Some(key)
    }

    /// All API keys.
    pub fn api_keys(&self) -> Vec<Arc<ApiKey>> {
        self.directory().api_keys()
    }

    /// Deletes an API key. The last admin key stays, or nobody could make another.
    pub async fn delete_api_key(&self, id: &str) -> Result<(), ConfigError> {
        let _changing = self.changing().await;
        let keys = self.api_keys();
        let key = keys
            .iter()
            .find(|key| key.id.to_string() == id)
            .ok_or_else(|| ConfigError::not_found("API key", id))?;
        let admins = keys.iter().filter(|key| key.scope == Scope::Admin).count();
        if key.scope == Scope::Admin && admins == 1 {
            return Err(ConfigError::invalid("id", "this is the last admin key: make another one first"));
        }
        self.store().delete_api_key(key.id).await?;
        self.reload_api_keys().await?;
        self.note(AuditAction::ApiKeyDeleted, (key.id, key.name.as_str()), None).await;
        Ok(())
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
