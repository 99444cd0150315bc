//! `POST /api/v1/integrations/{id}/test`: sends a realistic sample through the real way in, or tries the settings on a
//! body of one's own without keeping anything.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr},
};

use axum::{Extension, Json, extract::State};
use bugle_engine::ingest::Call;
use bugle_model::{Integration, Scope};
use bugle_platforms::{
    DecodeError, Inbound, Source,
    dialect::Stamp,
    mapping,
    source::{Sample, SamplePhase},
    table,
};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::{MethodFilter, Route};
use crate::{
    access::Access,
    app::App,
    envelope::CorrelationId,
    error::ApiError,
    input::{JsonBody, PathOf},
    routes::webhooks,
};

/// What to try.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trial {
    #[serde(default)]
    phase: Phase,
    /// A body to read without keeping anything.
    sample: Option<Value>,
    /// Settings to read it with, instead of the stored ones.
    settings: Option<Map<String, Value>>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    #[default]
    Firing,
    Update,
    Resolved,
}

impl From<Phase> for SamplePhase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Firing => Self::Firing,
            Phase::Update => Self::Update,
            Phase::Resolved => Self::Resolved,
        }
    }
}

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/integrations/{id}/test";
    let summary =
        "Sends a signed sample through the real way in; with `sample`, only shows how that body is read.";
    vec![
        Route::new(MethodFilter::POST, path, Access::Key(Scope::Operate), "test_integration", summary, test)
            .reads("IntegrationTest")
            .answers(200, "IntegrationTested"),
    ]
}

async fn test(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    Extension(correlation_id): Extension<CorrelationId>,
    JsonBody(trial): JsonBody<Trial>,
) -> Result<Json<Value>, ApiError> {
    let integration = app.engine.integration(&id)?;
    let source = table::source(&integration.platform).ok_or_else(|| {
        let message = format!("this version knows no platform {}", integration.platform);
        ApiError::new(StatusCode::CONFLICT, "WRONG_STATE", message)
    })?;
    if let Some(sample) = &trial.sample {
        return Ok(Json(read(source, trial.settings.as_ref().unwrap_or(&integration.settings), sample)));
    }
    if trial.settings.is_some() {
        return Err(ApiError::field("settings", "`settings` goes with `sample`: they are only tried on it"));
    }
    send(&app, source, &integration, trial.phase.into(), correlation_id).await.map(Json)
}

/// How a body is read with these settings. Platforms whose body its author designs also tell it field by field.
fn read(source: &dyn Source, settings: &Map<String, Value>, sample: &Value) -> Value {
    // A sample that is text is taken as it is, so that forms and broken JSON can be tried too.
    let body = sample.as_str().map_or_else(|| Cow::Owned(sample.to_string()), Cow::Borrowed);
    let maps = source.settings().iter().any(|setting| setting.name == mapping::MAPPING_SETTING.name);
    let fields = if maps { mapping::check(settings, body.as_bytes()).fields } else { Vec::new() };
    let inbound = Inbound { query: "", headers: &[], body: body.as_bytes() };
    let checked = source.check_settings(settings).map_err(DecodeError::NotUnderstood);
    match checked.and_then(|()| source.decode(&inbound, settings)) {
        Ok(decoded) => json!({
            "understood": decoded.ignored.is_none(),
            "problem": decoded.ignored,
            "remark": decoded.remark,
            "fields": fields,
            "signals": decoded.signals,
        }),
        Err(error) => json!({
            "understood": false,
            "problem": error.to_string(),
            "remark": null,
            "fields": fields,
            "signals": [],
        }),
    }
}

async fn send(
    app: &App,
    source: &dyn Source,
    integration: &Integration,
    phase: SamplePhase,
    correlation_id: CorrelationId,
) -> Result<Value, ApiError> {
    let at = app.now();
    let mut sample = source.sample(phase, &format!("bugle-test-{}", integration.id), at);
    let query = sign(app, source, integration, &mut sample)?;
    let remote_ip = permitted_address(integration);
    let admission = app.engine.admit(&integration.platform, &integration.id.to_string(), remote_ip)?;
    let body = String::from_utf8_lossy(&sample.body).into_owned();
    let call = Call {
        method: "POST".into(),
        query,
        headers: sample.headers,
        body: Bytes::from(sample.body),
        remote_ip,
        correlation_id: correlation_id.0,
    };
    let accepted = webhooks::accepted(app, admission, call).await?;
    Ok(json!({
        "integration_id": accepted.integration_id,
        "alert_id": accepted.alert_id,
        "receipt_id": accepted.receipt_id,
        "processing_status": accepted.status.as_str(),
        "sent_body": body,
    }))
}

/// Proves the sample as the platform's senders would, by the first scheme that the secret fits. Returns the query.
fn sign(
    app: &App,
    source: &dyn Source,
    integration: &Integration,
    sample: &mut Sample,
) -> Result<String, ApiError> {
    let now = app.now();
    let mut secrets: Vec<&str> = integration.active_secrets(now).map(bugle_model::Secret::expose).collect();
    secrets.reverse();
    if secrets.is_empty() {
        return Ok(String::new());
    }
    let id = format!("test-{}", now.as_millis());
    let stamp = Stamp { id: &id, at: now };
    let schemes = source.schemes(&integration.settings);
    let proof = schemes.iter().find_map(|scheme| scheme.sign(&secrets, &stamp, &sample.body).ok());
    let proof = proof.ok_or_else(|| {
        let message = "the newest secret fits none of this platform's ways to prove a call: add another one";
        ApiError::new(StatusCode::CONFLICT, "WRONG_STATE", message)
    })?;
    sample.headers.extend(proof.headers);
    let pair = |(name, value): (String, String)| {
        form_urlencoded::Serializer::new(String::new()).append_pair(&name, &value).finish()
    };
    Ok(proof.query.map(pair).unwrap_or_default())
}

/// An address that the integration takes calls from: the test is about everything else.
fn permitted_address(integration: &Integration) -> IpAddr {
    integration.allowed_ips.first().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), ipnet::IpNet::addr)
}
