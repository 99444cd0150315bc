//! The pure half of the pipeline: signals become changes to alerts and incidents, and events on timelines.
//!
//! [`correlate`] is given what is stored of the alerts and incidents that a batch touches, and gives back one step to
//! commit. It reads no clock and no database, so every order of arrival can be tested in a line.

mod draft;
mod facts;
mod group;
mod known;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bugle_model::{
    Actor, Alert, EventKind, IdGenerator, Incident, IncidentId, IncidentStatus, Integration, IntegrationId,
    Receipt, ReceiptId, ReceiptState, Severity, Signal, SignalStatus, Timestamp, Verification,
    alert::{Meaning, fold},
    incident::AlertCounts,
    lifecycle::{Action, Change, field},
    limits,
    signal::Patch,
};
use bugle_platforms::Decoded;
use bugle_store::{ReceiptOutcome, SignalOutcome, Step};

pub use draft::Draft;
use facts::taken_up;
pub use group::{alert_key, grouping_key};
use known::Known;

/// What correlation needs to know of a receipt.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// Which receipt.
    pub receipt_id: ReceiptId,
    /// When it came.
    pub received_at: Timestamp,
    /// Whether its sender is proven.
    pub is_verified: bool,
}

impl Origin {
    /// Of a receipt.
    pub fn of(receipt: &Receipt) -> Self {
        Self {
            receipt_id: receipt.id,
            received_at: receipt.received_at,
            is_verified: matches!(receipt.verification, Verification::Verified { .. }),
        }
    }
}

/// A receipt that was read.
#[derive(Debug)]
pub struct Reading {
    /// The receipt.
    pub origin: Origin,
    /// The integration it came by.
    pub integration: Arc<Integration>,
    /// What it says.
    pub decoded: Decoded,
}

/// What is known of the alerts and incidents that a batch touches.
#[derive(Debug, Default)]
pub struct Situation {
    alerts: HashMap<(IntegrationId, String), Alert>,
    incidents: BTreeMap<IncidentId, Draft>,
    by_group: HashMap<String, IncidentId>,
    touched: Vec<(IntegrationId, String)>,
}

impl Situation {
    /// From what the store holds.
    pub fn new(alerts: Vec<Alert>, incidents: Vec<Incident>) -> Self {
        let mut situation = Self::default();
        for incident in incidents {
            situation.know(incident);
        }
        for alert in alerts {
            situation.alerts.insert((alert.integration_id, alert.fingerprint.clone()), alert);
        }
        situation
    }

    fn know(&mut self, incident: Incident) {
        let id = incident.id;
        let newest = self.by_group.get(&incident.grouping_key).and_then(|known| self.incidents.get(known));
        // The unresolved one stands for its group; among resolved ones, the latest.
        if newest.is_none_or(|known| {
            known.incident.is_resolved() && (!incident.is_resolved() || known.incident.id < id)
        }) {
            self.by_group.insert(incident.grouping_key.clone(), id);
        }
        self.incidents.insert(id, Draft::of(incident));
    }
}

/// Folds a batch of readings into the situation. The step lacks its deliveries: routing adds them.
pub fn correlate(readings: Vec<Reading>, mut situation: Situation, ids: &IdGenerator, at: Timestamp) -> Step {
    let mut receipts = Vec::with_capacity(readings.len());
    for reading in readings {
        receipts.push(read(reading, &mut situation, ids));
    }
    let mut step = Step { at, receipts, ..Step::default() };
    situation.touched.sort_unstable();
    situation.touched.dedup();
    for key in &situation.touched {
        step.alerts.extend(situation.alerts.remove(key));
    }
    for draft in situation.incidents.into_values().filter(Draft::is_changed) {
        let (incident, events) = draft.finish(at);
        step.incidents.push(incident);
        step.events.extend(events);
    }
    step
}

fn read(reading: Reading, situation: &mut Situation, ids: &IdGenerator) -> ReceiptOutcome {
    let Reading { origin, integration, decoded } = reading;
    let context = Context { origin, integration: &integration, ids };
    let cut = decoded.signals.len() > limits::SIGNALS_PER_RECEIPT_MAX;
    let signals: Vec<_> = decoded
        .signals
        .into_iter()
        .take(limits::SIGNALS_PER_RECEIPT_MAX)
        .map(|signal| context.take(signal.bounded(), situation))
        .collect();
    let state = if signals.is_empty() { ReceiptState::Ignored } else { ReceiptState::Processed };
    let too_many =
        cut.then(|| format!("only the first {} alerts were taken", limits::SIGNALS_PER_RECEIPT_MAX));
    ReceiptOutcome {
        id: origin.receipt_id,
        state,
        problem: decoded.ignored.or(decoded.remark).or(too_many),
        signals,
    }
}

struct Context<'a> {
    origin: Origin,
    integration: &'a Integration,
    ids: &'a IdGenerator,
}

impl Context<'_> {
    fn now(&self) -> Timestamp {
        self.origin.received_at
    }

    fn actor(&self) -> Actor {
        Actor::Source { integration_id: self.integration.id, receipt_id: self.origin.receipt_id }
    }

    /// Folds one signal into its alert, and what that means into its incident.
    fn take(&self, mut signal: Signal, situation: &mut Situation) -> SignalOutcome {
        signal.fingerprint = alert_key(&signal.fingerprint);
        let key = (self.integration.id, signal.fingerprint.clone());
        let group = grouping_key(self.integration, &signal);
        let facts = signal.source.clone();
        let status = signal.status;
        let before = situation.alerts.remove(&key);
        let known = before.as_ref().map(Known::of);
        let incident_before = before.as_ref().and_then(|alert| alert.incident_id);
        let told_before = before.as_ref().map(|alert| alert.signal.source.clone()).unwrap_or_default();
        let (mut alert, meaning) = fold(
            before,
            signal,
            self.integration.id,
            self.integration.default_severity(),
            self.now(),
            || self.ids.next(self.now()),
        );
        match meaning {
            Meaning::Opened => self.open(&mut alert, incident_before, group, status, situation),
            Meaning::OpenedLate => self.open_late(&mut alert, group, situation),
            Meaning::Repeated | Meaning::Stale | Meaning::ResolvedUnknown => {}
            _ => self.change(&alert, meaning, known.unwrap_or_else(|| Known::of(&alert)), situation),
        }
        match meaning {
            Meaning::Stale | Meaning::ResolvedUnknown => {}
            Meaning::Opened => self.apply_facts(&alert, facts, situation),
            // What the end said, which came first, wins over what the beginning says now.
            Meaning::OpenedLate => self.apply_facts(&alert, alert.signal.source.clone(), situation),
            _ => self.apply_facts(&alert, facts.since(&told_before), situation),
        }
        let outcome = SignalOutcome {
            alert_id: alert.id,
            incident_id: alert.incident_id,
            meaning: word(meaning).to_owned(),
        };
        situation.alerts.insert(key.clone(), alert);
        situation.touched.push(key);
        outcome
    }

    /// A cycle begins: it joins its group's incident, reopens it, or opens a new one.
    fn open(
        &self,
        alert: &mut Alert,
        incident_before: Option<IncidentId>,
        group: String,
        status: SignalStatus,
        situation: &mut Situation,
    ) {
        let known = situation.by_group.get(&group).and_then(|id| situation.incidents.get_mut(id));
        match known {
            Some(draft) if !draft.incident.is_resolved() => self.join(draft, alert, incident_before),
            Some(draft) if self.reopens(&draft.incident) => {
                alert.incident_id = Some(draft.incident.id);
                draft.count_in(alert.severity, incident_before != alert.incident_id);
                self.act(draft, Action::Reopen, Some(alert));
            }
            _ => {
                let draft = self.create(alert, group, situation);
                draft.count_in(alert.severity, true);
                draft.push(self.ids, created(), self.actor(), self.now(), Some(alert));
            }
        }
        if status == SignalStatus::Acknowledged {
            self.act_on(alert, taken_up(alert), situation);
        }
    }

    /// A cycle that is over is heard of late: its incident is made, and resolved at once.
    fn open_late(&self, alert: &mut Alert, group: String, situation: &mut Situation) {
        let known = situation.by_group.get(&group).and_then(|id| situation.incidents.get_mut(id));
        if let Some(draft) = known.filter(|draft| !draft.incident.is_resolved()) {
            alert.incident_id = Some(draft.incident.id);
            draft.incident.alerts.total += 1;
            draft.touch();
            return;
        }
        let draft = self.create(alert, group, situation);
        draft.incident.alerts.total = 1;
        draft.push(self.ids, created(), self.actor(), self.now(), Some(alert));
        self.resolve_by_source(draft, alert);
    }

    fn reopens(&self, incident: &Incident) -> bool {
        let window = self.integration.reopen_window();
        incident.resolved_at.is_some_and(|resolved| self.now() <= resolved.plus(window))
    }

    fn create<'s>(&self, alert: &mut Alert, group: String, situation: &'s mut Situation) -> &'s mut Draft {
        let id = self.ids.next(self.now());
        alert.incident_id = Some(id);
        let signal = &alert.signal;
        let incident = Incident {
            id,
            revision: 0,
            sequence: 0,
            status: IncidentStatus::Open,
            severity: alert.severity,
            declared_severity: None,
            title: if signal.title.is_empty() { alert.fingerprint.clone() } else { signal.title.clone() },
            description: signal.description.clone(),
            owner: None,
            tickets: Vec::new(),
            platform: self.integration.platform.clone(),
            integration_id: self.integration.id,
            grouping_key: group.clone(),
            labels: signal.labels.clone(),
            service: signal.service.clone(),
            host: signal.host.clone(),
            entity: signal.entity.clone(),
            links: signal.links.clone(),
            alerts: AlertCounts::default(),
            verified: self.origin.is_verified,
            reopened_count: 0,
            opened_at: self.now(),
            started_at: signal.started_at.unwrap_or(self.now()),
            acknowledged_at: None,
            acknowledged_by: None,
            resolved_at: None,
            updated_at: self.now(),
        };
        situation.by_group.insert(group, id);
        situation.incidents.entry(id).or_insert_with(|| Draft::of(incident))
    }

    fn join(&self, draft: &mut Draft, alert: &mut Alert, incident_before: Option<IncidentId>) {
        let (firing, severity) = (draft.incident.alerts.firing(), draft.incident.severity);
        alert.incident_id = Some(draft.incident.id);
        draft.count_in(alert.severity, incident_before != alert.incident_id);
        draft.incident.verified &= self.origin.is_verified;
        draft.incident.labels.retain(|name, value| alert.signal.labels.get(name) == Some(value));
        let changes = [
            field("alerts.firing", &firing, &draft.incident.alerts.firing()),
            field("severity", &severity, &draft.incident.severity),
        ];
        self.update(draft, changes, alert);
    }

    /// The alert's cycle goes on, or ends.
    fn change(&self, alert: &Alert, meaning: Meaning, before: Known, situation: &mut Situation) {
        let Some(draft) = alert.incident_id.and_then(|id| situation.incidents.get_mut(&id)) else { return };
        if before.partial && !alert.signal.partial && draft.incident.alerts.total == 1 {
            draft.complete(&alert.signal);
        }
        match meaning {
            Meaning::Acknowledged => self.act(draft, taken_up(alert), Some(alert)),
            Meaning::Unacknowledged => {
                let by_source = matches!(draft.incident.acknowledged_by, Some(Actor::Source { .. }));
                if by_source && draft.incident.status == IncidentStatus::Acknowledged {
                    self.act(draft, Action::SetStatus(IncidentStatus::Open), Some(alert));
                }
            }
            Meaning::Resolved => self.count_out(draft, alert, before.severity),
            _ => {}
        }
        if meaning != Meaning::Resolved {
            self.refresh(draft, alert, before);
        }
    }

    fn refresh(&self, draft: &mut Draft, alert: &Alert, before: Known) {
        let (severity, title) = (draft.incident.severity, draft.incident.title.clone());
        draft.recount(before.severity, alert.severity);
        if draft.incident.alerts.total == 1 {
            if !alert.signal.title.is_empty() {
                draft.incident.title.clone_from(&alert.signal.title);
            }
            draft.incident.links.clone_from(&alert.signal.links);
        }
        let changes = [
            field("severity", &severity, &draft.incident.severity),
            field("title", &title, &draft.incident.title),
            field("correlations", &before.correlations, &alert.signal.correlations.len()),
            field("related", &before.related, &alert.signal.related.len()),
        ];
        if changes.iter().any(Option::is_some) {
            self.update(draft, changes, alert);
        }
    }

    fn count_out(&self, draft: &mut Draft, alert: &Alert, severity_before: Severity) {
        let (firing, severity) = (draft.incident.alerts.firing(), draft.incident.severity);
        draft.count_out(severity_before);
        if draft.incident.alerts.firing() == 0 && self.integration.resolves_by_source() {
            draft.incident.severity = severity;
            self.resolve_by_source(draft, alert);
        } else {
            let changes = [
                field("alerts.firing", &firing, &draft.incident.alerts.firing()),
                field("severity", &severity, &draft.incident.severity),
            ];
            self.update(draft, changes, alert);
        }
    }

    /// With the resolution that somebody chose at the source, where it tells one.
    fn resolve_by_source(&self, draft: &mut Draft, alert: &Alert) {
        if !draft.incident.is_resolved() {
            let resolution = match alert.signal.source.feedback {
                Patch::Set(status) if status.is_resolved() => status,
                _ => IncidentStatus::Fixed,
            };
            self.act(draft, Action::Resolve { resolution, comment: None }, Some(alert));
        }
    }

    fn update<const N: usize>(
        &self,
        draft: &mut Draft,
        changes: [Option<bugle_model::event::FieldChange>; N],
        alert: &Alert,
    ) {
        draft.touch();
        if !draft.incident.is_resolved() {
            let changes = changes.into_iter().flatten().collect();
            let change = Change { kind: EventKind::Updated, changes, comment: None };
            draft.push(self.ids, change, self.actor(), self.now(), Some(alert));
        }
    }
}

fn created() -> Change {
    Change { kind: EventKind::Created, changes: Vec::new(), comment: None }
}

/// The word for a meaning in a receipt's record.
const fn word(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::Opened => "opened",
        Meaning::OpenedLate => "opened_late",
        Meaning::Updated => "updated",
        Meaning::Acknowledged => "acknowledged",
        Meaning::Unacknowledged => "unacknowledged",
        Meaning::Resolved => "resolved",
        Meaning::ResolvedUnknown => "resolved_unknown",
        Meaning::Repeated => "repeated",
        Meaning::Stale => "stale",
    }
}

#[cfg(test)]
mod tests;
