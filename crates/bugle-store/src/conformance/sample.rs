//! Small, valid nouns for tests. Each is like any other of its kind but for what it is given.

use std::sync::Arc;

use bugle_model::{
    Actor, Alert, AlertStatus, Attempt, CircuitPolicy, Destination, DestinationId, Event, EventKind,
    Incident, IncidentStatus, Integration, IntegrationId, Receipt, ReceiptState, RetryPolicy, Secret,
    Severity, Signal, Timestamp, Verdict, Verification,
    delivery::{AttemptRequest, Timing},
    destination::Filter,
    id::Id,
    incident::AlertCounts,
    receipt::RequestHead,
};
use serde_json::{Map, json};

use crate::{NewDelivery, ReceiptOutcome, Room, Step};

/// The moment that samples count from.
pub const NOON: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// A moment some seconds after [`NOON`].
pub fn after(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOON.as_millis() + seconds * 1000)
}

/// More room than any check needs.
pub const AMPLE: Room = Room { first_tries: 100, retries: 100 };

/// An accepted receipt of a 1 KB body.
pub fn receipt(id: i64, integration_id: IntegrationId) -> Receipt {
    Receipt {
        id: Id::from_i64(id),
        integration_id,
        received_at: NOON,
        remote_ip: [203, 0, 113, 9].into(),
        correlation_id: format!("request-{id}"),
        head: RequestHead {
            method: "POST".to_owned(),
            query: String::new(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        },
        body: format!("{{\"number\":{id},\"padding\":\"{}\"}}", "x".repeat(1_000)).into_bytes(),
        verification: Verification::Unverified,
        state: ReceiptState::Pending,
        problem: None,
        senders_id: None,
        alert_key: Some(format!("check-{id}")),
    }
}

/// A receipt whose sender could not be proven.
pub fn rejected(id: i64, integration_id: IntegrationId) -> Receipt {
    Receipt {
        verification: Verification::Failed {
            reason: "signature_mismatch".to_owned(),
            advice: "Compare the secret on both sides.".to_owned(),
        },
        state: ReceiptState::Rejected,
        problem: Some("signature_mismatch".to_owned()),
        ..receipt(id, integration_id)
    }
}

/// A step that deals with receipts and changes nothing else.
pub fn processed(ids: impl IntoIterator<Item = i64>) -> Step {
    let outcome = |id| ReceiptOutcome {
        id: Id::from_i64(id),
        state: ReceiptState::Processed,
        problem: None,
        signals: Vec::new(),
    };
    Step { receipts: ids.into_iter().map(outcome).collect(), ..Step::default() }
}

/// A new open incident with a grouping key of its own.
pub fn incident(id: i64, integration_id: IntegrationId) -> Incident {
    Incident {
        id: Id::from_i64(id),
        revision: 1,
        sequence: 1,
        status: IncidentStatus::Open,
        severity: Severity::High,
        declared_severity: None,
        title: format!("Queue {id} is long"),
        description: None,
        owner: None,
        tickets: Vec::new(),
        platform: "custom".to_owned(),
        integration_id,
        grouping_key: format!("key-{id}"),
        labels: [("region".to_owned(), "north".to_owned())].into(),
        service: Some("billing".to_owned()),
        host: Some("queue-7.example.com".to_owned()),
        entity: None,
        links: Vec::new(),
        alerts: AlertCounts::default(),
        verified: true,
        reopened_count: 0,
        opened_at: NOON,
        started_at: NOON,
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: None,
        updated_at: NOON,
    }
}

/// A firing alert of an incident.
pub fn alert(id: i64, incident: &Incident) -> Alert {
    let fingerprint = format!("fingerprint-{id}");
    Alert {
        id: Id::from_i64(id),
        integration_id: incident.integration_id,
        cycle: 1,
        status: AlertStatus::Firing,
        severity: Severity::High,
        incident_id: Some(incident.id),
        signal: Signal {
            fingerprint: fingerprint.clone(),
            title: incident.title.clone(),
            ..Signal::default()
        },
        fingerprint,
        signals: 1,
        first_seen_at: NOON,
        last_seen_at: NOON,
    }
}

/// The event that an incident's sequence number names.
pub fn event(id: i64, incident: &Incident) -> Event {
    Event {
        id: Id::from_i64(id),
        incident_id: incident.id,
        sequence: incident.sequence,
        kind: if incident.sequence == 1 { EventKind::Created } else { EventKind::Updated },
        at: NOON,
        actor: Actor::Timeout,
        changes: Vec::new(),
        comment: None,
        alert_id: None,
        alert: None,
        incident: incident.clone(),
    }
}

/// The delivery of an event.
pub fn delivery(id: i64, event: &Event, destination_id: DestinationId) -> NewDelivery {
    NewDelivery {
        id: Id::from_i64(id),
        destination_id,
        incident_id: event.incident_id,
        event_id: event.id,
        sequence: event.sequence,
    }
}

/// A try that began at `at` and took 5 ms.
pub fn attempt(at: Timestamp, verdict: Verdict) -> Arc<Attempt> {
    Arc::new(Attempt {
        number: 0,
        started_at: at,
        duration_us: 5_000,
        verdict,
        detail: None,
        request: AttemptRequest {
            method: "POST".to_owned(),
            url: "https://hooks.example.com/in".to_owned(),
            headers: vec![("webhook-id".to_owned(), "evt".to_owned())],
            body: "{}".to_owned(),
        },
        response: None,
        timing: Timing::default(),
    })
}

/// A secret.
pub fn secret(id: i64, value: &str) -> Secret {
    Secret { id: Id::from_i64(id), value: value.to_owned().into(), created_at: NOON, expires_at: None }
}

/// An integration with everything set.
pub fn integration(id: i64) -> Integration {
    Integration {
        id: Id::from_i64(id),
        platform: "custom".to_owned(),
        name: format!("Checks {id}"),
        enabled: true,
        secrets: vec![secret(id * 10 + 1, "older secret"), secret(id * 10 + 2, "newer secret")],
        allowed_ips: vec!["203.0.113.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        rate_limit: Some("100/minute".parse().unwrap()),
        settings: Map::from_iter([("title".to_owned(), json!("/alert/name"))]),
        created_at: NOON,
        updated_at: NOON,
    }
}

/// A destination with everything set.
pub fn destination(id: i64) -> Destination {
    Destination {
        id: Id::from_i64(id),
        name: format!("Desk {id}"),
        dialect: "standard-webhooks".to_owned(),
        url: "https://hooks.example.com/in?token=7".parse().unwrap(),
        method: "POST".to_owned(),
        secrets: vec![secret(id * 10 + 3, "signing secret")],
        headers: [("x-team".to_owned(), "desk".to_owned())].into(),
        events: vec![EventKind::Created, EventKind::Resolved],
        filter: Filter { severities: vec![Severity::Critical], ..Filter::default() },
        template: Some(json!({"text": "{{incident.title}}"})),
        retry: RetryPolicy { max_attempts: 5, ..RetryPolicy::default() },
        circuit_policy: CircuitPolicy::default(),
        settings: Map::new(),
        concurrency: 4,
        timeout_ms: 10_000,
        enabled: true,
        disabled_reason: None,
        created_at: NOON,
        updated_at: NOON,
    }
}
