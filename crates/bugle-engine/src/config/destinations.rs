//! Making and changing destinations.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bugle_model::{
    AuditAction, Circuit, CircuitPolicy, Destination, DestinationId, EventKind, RetryPolicy, Secret,
    Timestamp, destination::Filter, limits,
};
use bugle_platforms::{Dialect, dialect::Wishes, table};
use bugle_store::{RecoverFrom, Recovered, StoreError};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::{ConfigError, changed, generate_secret, integrations::checked_name, secrets::random_bytes};
use crate::{Engine, send::guard};

/// What a destination is made from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewDestination {
    /// What a person calls it.
    pub name: String,
    /// How events are written for it; `standard-webhooks` when neither this nor a template is given.
    pub dialect: Option<String>,
    /// Where they are sent.
    pub url: String,
    /// `POST` unless given.
    pub method: Option<String>,
    /// What they are signed with.
    pub secret: Option<SecretString>,
    /// Sent with every attempt.
    pub headers: BTreeMap<String, String>,
    /// The events it wants; empty means all.
    pub events: Vec<String>,
    /// Which incidents it wants.
    pub filter: Filter,
    /// The body it wants.
    pub template: Option<Value>,
    /// When a failed attempt is tried again; as is usual for its dialect unless given.
    pub retry: Option<RetryPolicy>,
    /// When it is left alone for a while; as is usual for its dialect unless given.
    pub circuit: Option<CircuitPolicy>,
    /// The dialect's settings.
    pub settings: Map<String, Value>,
    /// Attempts under way at once; 16 unless given.
    pub concurrency: Option<u16>,
    /// Longest time of one attempt; 15 seconds unless given.
    pub timeout_ms: Option<u32>,
}

/// What of a destination is to change. What is left out stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DestinationPatch {
    /// What a person calls it.
    pub name: Option<String>,
    /// Where events are sent.
    pub url: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// Sent with every attempt, whole.
    pub headers: Option<BTreeMap<String, String>>,
    /// The events it wants, whole.
    pub events: Option<Vec<String>>,
    /// Which incidents it wants, whole.
    pub filter: Option<Filter>,
    /// The body it wants.
    pub template: Option<Value>,
    /// When a failed attempt is tried again, whole.
    pub retry: Option<RetryPolicy>,
    /// When it is left alone for a while, whole.
    pub circuit: Option<CircuitPolicy>,
    /// The dialect's settings, whole.
    pub settings: Option<Map<String, Value>>,
    /// Attempts under way at once.
    pub concurrency: Option<u16>,
    /// Longest time of one attempt.
    pub timeout_ms: Option<u32>,
    /// Whether events are sent.
    pub enabled: Option<bool>,
}

impl Engine {
    /// All destinations with their circuits, in order of creation.
    pub fn destinations(&self) -> Vec<(Arc<Destination>, Circuit)> {
        let destinations = self.directory().destinations();
        destinations.into_iter().map(|one| (one.clone(), self.circuit(one.id))).collect()
    }

    /// One destination with its circuit.
    pub fn destination(&self, id: &str) -> Result<(Arc<Destination>, Circuit), ConfigError> {
        let found = id.parse().ok().and_then(|id| self.directory().destination(id));
        let found = found.ok_or_else(|| ConfigError::not_found("destination", id))?;
        let circuit = self.circuit(found.id);
        Ok((found, circuit))
    }

    /// Makes a destination. The second value is its secret when Bugle made it: shown once.
    pub async fn create_destination(
        &self,
        new: NewDestination,
    ) -> Result<(Destination, Option<SecretString>), ConfigError> {
        let _changing = self.changing().await;
        let (destination, made) = self.draft_destination(new)?;
        self.put_destination(destination.clone(), AuditAction::DestinationCreated).await?;
        Ok((destination, made))
    }

    /// The destination that `new` says, checked and not kept.
    pub(super) fn draft_destination(
        &self,
        new: NewDestination,
    ) -> Result<(Destination, Option<SecretString>), ConfigError> {
        let slug = new.dialect.clone().unwrap_or_else(|| {
            if new.template.is_some() { "template".into() } else { "standard-webhooks".into() }
        });
        let dialect = dialect(&slug)?;
        let wishes = Wishes {
            template: new.template.as_ref(),
            headers: &new.headers,
            settings: &new.settings,
            secret: None,
        };
        let makes_one = new.secret.is_none() && dialect.needs_secret(&wishes);
        let made = makes_one.then(generate_secret).transpose()?;
        let now = self.clock().now();
        let secret = new.secret.or_else(|| made.clone()).map(|value| self.new_secret(value)).transpose()?;
        let url = parse_url(&new.url)?;
        let destination = Destination {
            id: DestinationId::from_random(now, u32::from_ne_bytes(random_bytes()?)),
            name: checked_name(&new.name, url.host_str().unwrap_or(dialect.title()))?,
            dialect: slug,
            url,
            method: new.method.unwrap_or_else(|| "POST".into()).to_ascii_uppercase(),
            secrets: secret.into_iter().collect(),
            headers: new.headers,
            events: parse_events(&new.events)?,
            filter: new.filter,
            template: new.template,
            retry: new.retry.unwrap_or_else(|| dialect.retry()),
            circuit_policy: new.circuit.unwrap_or_else(|| dialect.circuit()),
            settings: new.settings,
            concurrency: new.concurrency.unwrap_or(16),
            timeout_ms: new.timeout_ms.unwrap_or(15_000),
            enabled: true,
            disabled_reason: None,
            created_at: now,
            updated_at: now,
        };
        self.check_destination(&destination, now)?;
        Ok((destination, made))
    }

    /// Changes a destination.
    pub async fn patch_destination(
        &self,
        id: &str,
        patch: DestinationPatch,
    ) -> Result<Destination, ConfigError> {
        let _changing = self.changing().await;
        let destination = self.changed_destination(id, patch)?;
        self.put_destination(destination.clone(), AuditAction::DestinationChanged).await?;
        Ok(destination)
    }

    /// The destination as it would be after `patch`, checked and not kept.
    pub(super) fn changed_destination(
        &self,
        id: &str,
        patch: DestinationPatch,
    ) -> Result<Destination, ConfigError> {
        let mut destination = self.destination(id)?.0.as_ref().clone();
        apply_patch(&mut destination, patch)?;
        let now = self.clock().now();
        destination.updated_at = now;
        self.check_destination(&destination, now)?;
        Ok(destination)
    }

    /// Lets a disabled destination work again, with a closed circuit.
    pub async fn enable_destination(&self, id: &str) -> Result<Destination, ConfigError> {
        let _changing = self.changing().await;
        let mut destination = self.destination(id)?.0.as_ref().clone();
        destination.enabled = true;
        destination.disabled_reason = None;
        destination.updated_at = self.clock().now();
        self.store().settle(Vec::new(), vec![(destination.id, Circuit::default())]).await?;
        self.put_destination(destination.clone(), AuditAction::DestinationEnabled).await?;
        Ok(destination)
    }

    /// Stops sending to a destination and says why. Its deliveries wait.
    pub(crate) async fn disable_destination(
        &self,
        id: DestinationId,
        reason: String,
    ) -> Result<(), StoreError> {
        let _changing = self.changing().await;
        let Some(found) = self.directory().destination(id) else { return Ok(()) };
        let mut destination = found.as_ref().clone();
        destination.enabled = false;
        destination.disabled_reason = Some(reason);
        destination.updated_at = self.clock().now();
        self.put_destination(destination, AuditAction::DestinationDisabled).await
    }

    /// Adds a secret to a destination. The old ones end after `overlap`, a day unless given.
    pub async fn add_destination_secret(
        &self,
        id: &str,
        value: Option<SecretString>,
        overlap: Option<Duration>,
    ) -> Result<(Destination, Secret), ConfigError> {
        let _changing = self.changing().await;
        let mut destination = self.destination(id)?.0.as_ref().clone();
        let value = value.map_or_else(generate_secret, Ok)?;
        let secret = self.rotate(&mut destination.secrets, value, overlap)?;
        let now = self.clock().now();
        destination.updated_at = now;
        self.check_destination(&destination, now)?;
        self.put_destination(destination.clone(), AuditAction::DestinationSecretAdded).await?;
        Ok((destination, secret))
    }

    /// Deletes a destination. What it was not sent yet is never sent.
    pub async fn delete_destination(&self, id: &str) -> Result<(), ConfigError> {
        let _changing = self.changing().await;
        let (destination, _) = self.destination(id)?;
        self.store().delete_destination(destination.id, self.clock().now()).await?;
        self.reload_destinations().await?;
        self.circuit_log().forget(destination.id);
        let subject = (destination.id, destination.name.as_str());
        self.note(AuditAction::DestinationDeleted, subject, None).await;
        Ok(())
    }

    /// Sends a destination's dead deliveries since `since` again; returns how many.
    pub async fn recover_destination(&self, id: &str, since: Timestamp) -> Result<u64, ConfigError> {
        const STEP: u32 = 500;
        let (mut recovered, mut rest) = (0, Some(RecoverFrom::since(since)));
        while let Some(from) = rest {
            let step = self.recover_some(id, from, STEP).await?;
            recovered += u64::from(step.count);
            rest = step.rest;
        }
        Ok(recovered)
    }

    /// One step of a recovery: sends up to `limit` dead deliveries again, oldest first. Whoever goes on from what it left
    /// can tell how far it is, and stop.
    pub async fn recover_some(
        &self,
        id: &str,
        from: RecoverFrom,
        limit: u32,
    ) -> Result<Recovered, ConfigError> {
        let (destination, _) = self.destination(id)?;
        let step = self.store().recover(destination.id, from, self.clock().now(), limit).await?;
        self.dispatcher().wake(destination.id);
        if from == RecoverFrom::since(from.created_at) {
            let subject = (destination.id, destination.name.as_str());
            self.note(AuditAction::DestinationRecovered, subject, [format!("since {}", from.created_at)])
                .await;
        }
        Ok(step)
    }

    /// How many deliveries a recovery since `since` would send again, counted up to
    /// [`limits::DEAD_COUNTED_MAX`].
    pub async fn count_dead(&self, id: &str, since: Timestamp) -> Result<u32, ConfigError> {
        let (destination, _) = self.destination(id)?;
        Ok(self.store().count_dead(destination.id, since, limits::DEAD_COUNTED_MAX).await?)
    }

    /// Keeps a destination, and who did what to it.
    pub(super) async fn put_destination(
        &self,
        destination: Destination,
        action: AuditAction,
    ) -> Result<(), StoreError> {
        let before = self.directory().destination(destination.id);
        self.store().put_destination(destination.clone()).await?;
        self.reload_destinations().await?;
        let details = before.map(|before| changed::destination(&before, &destination)).unwrap_or_default();
        self.note(action, (destination.id, destination.name.as_str()), details).await;
        Ok(())
    }

    pub(super) fn check_destination(
        &self,
        destination: &Destination,
        now: Timestamp,
    ) -> Result<(), ConfigError> {
        guard::check_url(&destination.url, self.allowed_networks())
            .map_err(|refusal| ConfigError::invalid("url", refusal.to_string()))?;
        if !matches!(destination.method.as_str(), "POST" | "PUT" | "PATCH") {
            return Err(ConfigError::invalid("method", "the method is POST, PUT or PATCH"));
        }
        if !(1..=256).contains(&destination.concurrency) {
            return Err(ConfigError::invalid("concurrency", "concurrency is 1 to 256"));
        }
        if !(100..=60_000).contains(&destination.timeout_ms) {
            return Err(ConfigError::invalid("timeout_ms", "the timeout is 100 to 60000 milliseconds"));
        }
        check_policies(destination)?;
        let secret = destination.active_secrets(now).next();
        let wishes = Wishes {
            template: destination.template.as_ref(),
            headers: &destination.headers,
            settings: &destination.settings,
            secret: secret.map(Secret::expose),
        };
        let dialect = dialect(&destination.dialect)?;
        let known = |name: &String| dialect.settings().iter().any(|setting| setting.name == name);
        if let Some(unknown) = destination.settings.keys().find(|name| !known(name)) {
            let known: Vec<_> = dialect.settings().iter().map(|setting| setting.name).collect();
            let message =
                format!("`{unknown}` is not a setting of {}: known are {}", dialect.slug(), known.join(", "));
            return Err(ConfigError::invalid("settings", message));
        }
        dialect.check(&wishes).map_err(|message| ConfigError::invalid("template", message))
    }
}

fn check_policies(destination: &Destination) -> Result<(), ConfigError> {
    let retry = &destination.retry;
    let finite = |value: f64, least: f64, most: f64| value.is_finite() && (least..=most).contains(&value);
    if !(1..=1000).contains(&retry.max_attempts)
        || retry.max_delay_ms > 7 * 86_400_000
        || retry.initial_delay_ms > retry.max_delay_ms
        || !finite(retry.factor, 1.0, 10.0)
        || !finite(retry.jitter, 0.0, 1.0)
    {
        let message = "max_attempts is 1 to 1000, initial_delay_ms at most max_delay_ms, that at most a week, factor 1 to 10, jitter 0 to 1";
        return Err(ConfigError::invalid("retry", message));
    }
    let circuit = &destination.circuit_policy;
    if !(1..=10_000).contains(&circuit.failure_threshold) || !(100..=86_400_000).contains(&circuit.open_ms) {
        return Err(ConfigError::invalid(
            "circuit",
            "failure_threshold is 1 to 10000, open_ms 100 to 86400000",
        ));
    }
    Ok(())
}

fn apply_patch(destination: &mut Destination, patch: DestinationPatch) -> Result<(), ConfigError> {
    if let Some(name) = patch.name {
        destination.name = checked_name(&name, &destination.name)?;
    }
    if let Some(url) = patch.url {
        destination.url = parse_url(&url)?;
    }
    if let Some(method) = patch.method {
        destination.method = method.to_ascii_uppercase();
    }
    if let Some(events) = patch.events {
        destination.events = parse_events(&events)?;
    }
    if let Some(enabled) = patch.enabled {
        destination.enabled = enabled;
        destination.disabled_reason = None;
    }
    destination.template = patch.template.or_else(|| destination.template.take());
    destination.headers = patch.headers.unwrap_or_else(|| std::mem::take(&mut destination.headers));
    destination.filter = patch.filter.unwrap_or_else(|| std::mem::take(&mut destination.filter));
    destination.retry = patch.retry.unwrap_or_else(|| destination.retry.clone());
    destination.circuit_policy = patch.circuit.unwrap_or_else(|| destination.circuit_policy.clone());
    destination.settings = patch.settings.unwrap_or_else(|| std::mem::take(&mut destination.settings));
    destination.concurrency = patch.concurrency.unwrap_or(destination.concurrency);
    destination.timeout_ms = patch.timeout_ms.unwrap_or(destination.timeout_ms);
    Ok(())
}

fn dialect(slug: &str) -> Result<&'static dyn Dialect, ConfigError> {
    table::dialect(slug).ok_or_else(|| {
        let known: Vec<_> = table::DIALECTS.iter().map(|dialect| dialect.slug()).collect();
        ConfigError::invalid("dialect", format!("`{slug}` is not a dialect: known are {}", known.join(", ")))
    })
}

fn parse_url(text: &str) -> Result<Url, ConfigError> {
    Url::parse(text.trim()).map_err(|error| {
        ConfigError::invalid("url", format!("not a URL ({error}): write it whole, with https://"))
    })
}

fn parse_events(texts: &[String]) -> Result<Vec<EventKind>, ConfigError> {
    texts.iter().map(|text| text.parse()).collect::<Result<_, _>>().map_err(
        |error: bugle_model::event::UnknownEventKind| ConfigError::invalid("events", error.to_string()),
    )
}
