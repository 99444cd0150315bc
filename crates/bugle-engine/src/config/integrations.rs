//! Making and changing integrations.

use std::time::Duration;

use bugle_model::{AuditAction, Integration, IntegrationId, Secret, integration::RateLimit, signal::Patch};
use bugle_platforms::{Source, source::COMMON_SETTINGS, table};
use ipnet::IpNet;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ConfigError, changed, secrets::random_bytes};
use crate::Engine;

/// What an integration is made from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewIntegration {
    /// The platform's slug.
    pub platform: String,
    /// What a person calls it.
    #[serde(default)]
    pub name: String,
    /// What its calls must be proven with.
    #[serde(default)]
    pub secret: Option<SecretString>,
    /// Where its calls may come from: addresses or ranges.
    #[serde(default)]
    pub allowed_ips: Vec<String>,
    /// How many calls it may make, such as `100/minute`.
    #[serde(default)]
    pub rate_limit: Option<RateLimit>,
    /// The platform's settings.
    #[serde(default)]
    pub settings: Map<String, Value>,
}

/// What of an integration is to change. What is left out stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntegrationPatch {
    /// What a person calls it.
    pub name: Option<String>,
    /// Whether it takes calls.
    pub enabled: Option<bool>,
    /// Where its calls may come from.
    pub allowed_ips: Option<Vec<String>>,
    /// How many calls it may make; `null` takes the limit away.
    #[serde(deserialize_with = "mentioned")]
    pub rate_limit: Patch<RateLimit>,
    /// The platform's settings, whole.
    pub settings: Option<Map<String, Value>>,
}

fn mentioned<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Patch<RateLimit>, D::Error> {
    Ok(Option::deserialize(deserializer)?.map_or(Patch::Cleared, Patch::Set))
}

impl Engine {
    /// All integrations that people made, in order of creation.
    pub fn integrations(&self) -> Vec<std::sync::Arc<Integration>> {
        self.directory().integrations()
    }

    /// One integration.
    pub fn integration(&self, id: &str) -> Result<std::sync::Arc<Integration>, ConfigError> {
        id.parse()
            .ok()
            .and_then(|id| self.directory().integration(id))
            .ok_or_else(|| ConfigError::not_found("integration", id))
    }

    /// One integration that is not part of the program.
    pub(super) fn changeable_integration(
        &self,
        id: &str,
    ) -> Result<std::sync::Arc<Integration>, ConfigError> {
        let integration = self.integration(id)?;
        if integration.is_built_in() {
            let message =
                "Bugle reports on itself by this integration: it can be neither changed nor deleted";
            return Err(ConfigError::invalid("id", message));
        }
        Ok(integration)
    }

    /// Makes an integration.
    pub async fn create_integration(&self, new: NewIntegration) -> Result<Integration, ConfigError> {
        let _changing = self.changing().await;
        let source = source(&new.platform)?;
        check_settings(source, &new.settings)?;
        let now = self.clock().now();
        let secrets = new.secret.map(|value| self.new_secret(value)).transpose()?;
        let random = u32::from_ne_bytes(random_bytes()?);
        let integration = Integration {
            id: IntegrationId::from_random(now, random),
            name: checked_name(&new.name, source.title())?,
            platform: new.platform,
            enabled: true,
            secrets: secrets.into_iter().collect(),
            allowed_ips: parse_ranges(&new.allowed_ips)?,
            rate_limit: new.rate_limit,
            settings: new.settings,
            created_at: now,
            updated_at: now,
        };
        self.put_integration(integration.clone(), AuditAction::IntegrationCreated).await?;
        Ok(integration)
    }

    /// Changes an integration.
    pub async fn patch_integration(
        &self,
        id: &str,
        patch: IntegrationPatch,
    ) -> Result<Integration, ConfigError> {
        let _changing = self.changing().await;
        let mut integration = self.changeable_integration(id)?.as_ref().clone();
        let source = source(&integration.platform)?;
        if let Some(name) = patch.name {
            integration.name = checked_name(&name, source.title())?;
        }
        if let Some(ranges) = patch.allowed_ips {
            integration.allowed_ips = parse_ranges(&ranges)?;
        }
        if let Some(settings) = patch.settings {
            check_settings(source, &settings)?;
            integration.settings = settings;
        }
        integration.enabled = patch.enabled.unwrap_or(integration.enabled);
        match patch.rate_limit {
            Patch::Unchanged => {}
            Patch::Cleared => integration.rate_limit = None,
            Patch::Set(limit) => integration.rate_limit = Some(limit),
        }
        integration.updated_at = self.clock().now();
        self.put_integration(integration.clone(), AuditAction::IntegrationChanged).await?;
        Ok(integration)
    }

    /// Adds a secret to an integration. The old ones end after `overlap`, a day unless given.
    pub async fn add_integration_secret(
        &self,
        id: &str,
        value: SecretString,
        overlap: Option<Duration>,
    ) -> Result<(Integration, Secret), ConfigError> {
        let _changing = self.changing().await;
        let mut integration = self.changeable_integration(id)?.as_ref().clone();
        let secret = self.rotate(&mut integration.secrets, value, overlap)?;
        integration.updated_at = self.clock().now();
        self.put_integration(integration.clone(), AuditAction::IntegrationSecretAdded).await?;
        Ok((integration, secret))
    }

    /// Deletes an integration. Its receipts and incidents stay.
    pub async fn delete_integration(&self, id: &str) -> Result<(), ConfigError> {
        let _changing = self.changing().await;
        let integration = self.changeable_integration(id)?;
        self.store().delete_integration(integration.id, self.clock().now()).await?;
        self.reload_integrations().await?;
        let subject = (integration.id, integration.name.as_str());
        self.note(AuditAction::IntegrationDeleted, subject, None).await;
        Ok(())
    }

    /// Keeps an integration, and who did what to it.
    pub(super) async fn put_integration(
        &self,
        integration: Integration,
        action: AuditAction,
    ) -> Result<(), ConfigError> {
        let before = self.directory().integration(integration.id);
        self.store().put_integration(integration.clone()).await?;
        self.reload_integrations().await?;
        let details = before.map(|before| changed::integration(&before, &integration)).unwrap_or_default();
        self.note(action, (integration.id, integration.name.as_str()), details).await;
        Ok(())
    }
}

fn source(platform: &str) -> Result<&'static dyn Source, ConfigError> {
    table::SOURCES.iter().find(|source| source.slug() == platform).copied().ok_or_else(|| {
        let known: Vec<_> = table::SOURCES.iter().map(|source| source.slug()).collect();
        ConfigError::invalid(
            "platform",
            format!("`{platform}` is not a platform: known are {}", known.join(", ")),
        )
    })
}

pub(super) fn checked_name(name: &str, fallback: &str) -> Result<String, ConfigError> {
    let name = name.trim();
    if name.len() > 200 || name.chars().any(char::is_control) {
        return Err(ConfigError::invalid("name", "a name has at most 200 bytes and no control characters"));
    }
    Ok(if name.is_empty() { fallback.to_owned() } else { name.to_owned() })
}

fn check_settings(source: &dyn Source, settings: &Map<String, Value>) -> Result<(), ConfigError> {
    let known = || COMMON_SETTINGS.iter().chain(source.settings()).map(|setting| setting.name);
    if let Some(unknown) = settings.keys().find(|name| !known().any(|known| known == name.as_str())) {
        let known: Vec<_> = known().collect();
        let message =
            format!("`{unknown}` is not a setting of {}: known are {}", source.slug(), known.join(", "));
        return Err(ConfigError::invalid("settings", message));
    }
    check_common_settings(settings)?;
    source.check_settings(settings).map_err(|message| ConfigError::invalid("settings", message))
}

fn check_common_settings(settings: &Map<String, Value>) -> Result<(), ConfigError> {
    let one_of = |name: &str, words: &[&str]| match settings.get(name) {
        Some(value) if !value.as_str().is_some_and(|word| words.contains(&word)) => {
            Err(ConfigError::invalid("settings", format!("`{name}` is one of {}", words.join(", "))))
        }
        _ => Ok(()),
    };
    one_of("resolve", &["source", "person"])?;
    one_of("group_by", &["source", "alert"])?;
    one_of("default_severity", &["critical", "high", "medium", "low", "info"])?;
    match settings.get("reopen_window_seconds") {
        Some(value) if value.as_u64().is_none_or(|seconds| seconds > 30 * 24 * 3600) => Err(
            ConfigError::invalid("settings", "`reopen_window_seconds` is a whole number from 0 to 2592000"),
        ),
        _ => Ok(()),
    }
}

fn parse_ranges(texts: &[String]) -> Result<Vec<IpNet>, ConfigError> {
    texts.iter().map(|text| parse_range(text.trim())).collect()
}

fn parse_range(text: &str) -> Result<IpNet, ConfigError> {
    text.parse::<IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from)).map_err(|_| {
        let shown: String = text.chars().take(60).collect();
        ConfigError::invalid(
            "allowed_ips",
            format!("`{shown}` is not an address or a range such as 203.0.113.0/24"),
        )
    })
}
