//! An alert with its last signal's fields beside its own: of those that both have, the alert's.

use bugle_model::{
    Alert, AlertId, IncidentId, IntegrationId, Signal, Timestamp,
    signal::{Correlation, Entity, Labels, Link, Measurement, Raw, Related, SourceFacts},
};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct AlertView<'a> {
    id: AlertId,
    integration_id: IntegrationId,
    fingerprint: &'a str,
    cycle: u32,
    status: &'static str,
    severity: &'static str,
    incident_id: Option<IncidentId>,
    signals: u64,
    first_seen_at: Timestamp,
    last_seen_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity_text: Option<&'a str>,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: &'a Labels,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    annotations: &'a Labels,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<&'a Entity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    links: &'a [Link],
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    measurements: &'a [Measurement],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    correlations: &'a [Correlation],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    related: &'a [Related],
    #[serde(skip_serializing_if = "Option::is_none")]
    grouping_key: Option<&'a str>,
    source: &'a SourceFacts,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    creation: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a Raw>,
}

impl<'a> AlertView<'a> {
    /// `raw` is what the vendor sent, where it shall be told too.
    pub(super) fn of(alert: &'a Alert, raw: Option<&'a Raw>) -> Self {
        // Whole, so that a field that is added to a signal is not forgotten here.
        let Signal {
            fingerprint: _,
            status: _,
            status_text,
            severity: _,
            severity_text,
            title,
            description,
            labels,
            annotations,
            entity,
            service,
            host,
            links,
            started_at,
            ended_at,
            observed_at,
            measurements,
            correlations,
            related,
            grouping_key,
            source,
            partial,
            creation,
            raw: _,
        } = &alert.signal;
        Self {
            id: alert.id,
            integration_id: alert.integration_id,
            fingerprint: &alert.fingerprint,
            cycle: alert.cycle,
            status: alert.status.as_str(),
            severity: alert.severity.as_str(),
            incident_id: alert.incident_id,
            signals: alert.signals,
            first_seen_at: alert.first_seen_at,
            last_seen_at: alert.last_seen_at,
            status_text: status_text.as_deref(),
            severity_text: severity_text.as_deref(),
            title,
            description: description.as_deref(),
            labels,
            annotations,
            entity: entity.as_ref(),
            service: service.as_deref(),
            host: host.as_deref(),
            links,
            started_at: *started_at,
            ended_at: *ended_at,
            observed_at: *observed_at,
            measurements,
            correlations,
            related,
            grouping_key: grouping_key.as_deref(),
            source,
            partial: *partial,
            creation: *creation,
            raw,
        }
    }
}
