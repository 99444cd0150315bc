//! Making, adding and ending secrets.

use std::time::Duration;

use bugle_model::{AuditAction, Secret, SecretId, limits};
use secrecy::SecretString;

use super::ConfigError;
use crate::Engine;

/// Random bytes from the operating system. When it has none to give, nothing safe can be made, and nothing is.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], ConfigError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| {
        ConfigError::invalid("secret", "the operating system gave no random bytes; try again")
    })?;
    Ok(bytes)
}

/// A secret in the form that Standard Webhooks knows: `whsec_` and base64 of 32 random bytes.
pub fn generate_secret() -> Result<SecretString, ConfigError> {
    use base64::Engine as _;
    let bytes: [u8; 32] = random_bytes()?;
    Ok(format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(bytes)).into())
}

impl Engine {
    pub(crate) fn new_secret(&self, value: SecretString) -> Result<Secret, ConfigError> {
        use secrecy::ExposeSecret;
        let length = value.expose_secret().len();
        if length == 0 || length > 1024 {
            return Err(ConfigError::invalid("secret", "a secret has 1 to 1024 characters"));
        }
        let now = self.clock().now();
        let id: SecretId = self.ids().next(now);
        Ok(Secret { id, value, created_at: now, expires_at: None })
    }

    /// Adds a secret to `secrets`; those that were active before end `overlap` from now, or sooner where they already do.
    pub(crate) fn rotate(
        &self,
        secrets: &mut Vec<Secret>,
        value: SecretString,
        overlap: Option<Duration>,
    ) -> Result<Secret, ConfigError> {
        let now = self.clock().now();
        secrets.retain(|secret| secret.is_active(now));
        if secrets.len() >= limits::SECRETS_MAX {
            return Err(ConfigError::invalid(
                "secret",
                format!("at most {} secrets are active at once: end one first", limits::SECRETS_MAX),
            ));
        }
        let secret = self.new_secret(value)?;
        let end = now.plus(overlap.unwrap_or(limits::SECRET_OVERLAP_DEFAULT));
        for old in secrets.iter_mut() {
            old.expires_at = Some(old.expires_at.map_or(end, |already| already.min(end)));
        }
        secrets.push(secret.clone());
        Ok(secret)
    }

    /// Ends one secret of an integration at once. The last that counts stays: without any, unsigned calls would be taken
    /// from whoever knows the URL.
    pub async fn remove_integration_secret(&self, id: &str, secret_id: &str) -> Result<(), ConfigError> {
        let _changing = self.changing().await;
        let mut integration = self.changeable_integration(id)?.as_ref().clone();
        let removed = take(&mut integration.secrets, secret_id)?;
        let now = self.clock().now();
        let left = integration.active_secrets(now).count();
        if integration.secrets.is_empty() || (left == 0 && removed.is_active(now)) {
            let message = "this is the integration's last secret: add another first, as without one nothing proves who calls";
            return Err(ConfigError::invalid("secret_id", message));
        }
        integration.updated_at = now;
        self.put_integration(integration, AuditAction::IntegrationSecretRemoved).await
    }

    /// Ends one secret of a destination at once. Without any, requests go unsigned, where the dialect allows it.
    pub async fn remove_destination_secret(&self, id: &str, secret_id: &str) -> Result<(), ConfigError> {
        let _changing = self.changing().await;
        let mut destination = self.destination(id)?.0.as_ref().clone();
        take(&mut destination.secrets, secret_id)?;
        let now = self.clock().now();
        destination.updated_at = now;
        self.check_destination(&destination, now)?;
        self.put_destination(destination, AuditAction::DestinationSecretRemoved).await?;
        Ok(())
    }
}

fn take(secrets: &mut Vec<Secret>, id: &str) -> Result<Secret, ConfigError> {
    let wanted: Option<SecretId> = id.parse().ok();
    let place = secrets.iter().position(|secret| Some(secret.id) == wanted);
    place.map(|place| secrets.remove(place)).ok_or_else(|| ConfigError::not_found("secret", id))
}
