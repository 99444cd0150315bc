//! One integration and what its calls led to, in memory: what one step commits is the situation of the next.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use bugle_engine::correlate::{Draft, Origin, Reading, Situation, correlate};
use bugle_model::{
    Actor, Alert, Event, IdGenerator, Incident, IncidentId, Integration, Receipt, ReceiptState, Timestamp,
    Verification,
    id::IntegrationId,
    lifecycle::{self, Action},
    receipt::RequestHead,
};
use bugle_platforms::{Decoded, Inbound, Source};
use serde_json::Map;

/// When the first call arrives.
pub(crate) const BEGIN: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// One call, as it arrives.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) settings: Map<String, serde_json::Value>,
}

impl Call {
    /// A JSON body.
    pub(crate) fn json(body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".into(), "application/json".into())];
        Self { query: String::new(), headers, body: body.into(), settings: Map::new() }
    }
}

/// A hub with one integration.
pub(crate) struct World {
    source: &'static dyn Source,
    integration: Integration,
    ids: IdGenerator,
    alerts: Vec<Alert>,
    pub(crate) incidents: Vec<Incident>,
    pub(crate) events: Vec<Event>,
    now: Timestamp,
}

impl World {
    pub(crate) fn new(source: &'static dyn Source) -> Self {
        let integration = Integration {
            id: IntegrationId::from_i64(5),
            platform: source.slug().into(),
            name: "test".into(),
            enabled: true,
            secrets: Vec::new(),
            allowed_ips: Vec::new(),
            rate_limit: None,
            settings: Map::new(),
            created_at: BEGIN,
            updated_at: BEGIN,
        };
        let ids = IdGenerator::new(0);
        Self {
            source,
            integration,
            ids,
            alerts: Vec::new(),
            incidents: Vec::new(),
            events: Vec::new(),
            now: BEGIN,
        }
    }

    /// Takes a call in, a second after what happened before.
    pub(crate) fn call(&mut self, call: &Call) -> Decoded {
        self.now = self.now.plus(std::time::Duration::from_secs(1));
        let inbound = Inbound { query: &call.query, headers: &call.headers, body: &call.body };
        let decoded = self
            .source
            .decode(&inbound, &call.settings)
            .unwrap_or_else(|error| panic!("{}: {error}", self.source.slug()));
        let receipt = self.receipt();
        let reading = Reading {
            origin: Origin::of(&receipt),
            integration: Arc::new(self.integration.clone()),
            decoded: decoded.clone(),
        };
        let situation = Situation::new(self.alerts.clone(), self.incidents.clone());
        let step = correlate(vec![reading], situation, &self.ids, self.now);
        for alert in step.alerts {
            self.alerts.retain(|known| known.id != alert.id);
            self.alerts.push(alert);
        }
        for incident in step.incidents {
            self.keep(incident);
        }
        self.events.extend(step.events);
        decoded
    }

    /// A person acts, a second after what happened before.
    pub(crate) fn act(&mut self, id: IncidentId, action: Action) {
        self.now = self.now.plus(std::time::Duration::from_secs(1));
        let actor = Actor::User { email: "ada@example.com".into() };
        let known = self.incidents.iter().find(|known| known.id == id);
        let mut incident = known.unwrap_or_else(|| panic!("there is no {id}")).clone();
        let Some(change) = lifecycle::apply(&mut incident, action, &actor, self.now).unwrap() else { return };
        let mut draft = Draft::of(incident);
        draft.push(&self.ids, change, actor, self.now, None);
        let (incident, events) = draft.finish(self.now);
        self.keep(incident);
        self.events.extend(events);
    }

    /// The one incident that there is.
    pub(crate) fn only(&self) -> &Incident {
        let [incident] = &*self.incidents else {
            panic!("{} incidents of {}", self.incidents.len(), self.source.slug());
        };
        incident
    }

    fn keep(&mut self, incident: Incident) {
        self.incidents.retain(|known| known.id != incident.id);
        self.incidents.push(incident);
    }

    fn receipt(&self) -> Receipt {
        Receipt {
            id: self.ids.next(self.now),
            integration_id: self.integration.id,
            received_at: self.now,
            remote_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            correlation_id: "c".into(),
            head: RequestHead { method: "POST".into(), query: String::new(), headers: Vec::new() },
            body: Vec::new(),
            verification: Verification::Unverified,
            state: ReceiptState::Pending,
            problem: None,
            senders_id: None,
            alert_key: None,
        }
    }
}
