//! What people and sources do to an incident: the lifecycle's actions, on a draft.

use bugle_model::{
    Alert, IncidentStatus,
    lifecycle::{self, Action},
    signal::{Patch, SourceFacts},
};

use super::{Context, Draft, Situation};

impl Context<'_> {
    /// What a person did at the source, done here too.
    pub(super) fn apply_facts(&self, alert: &Alert, facts: SourceFacts, situation: &mut Situation) {
        match facts.owner {
            Patch::Unchanged => {}
            Patch::Cleared => self.act_on(alert, Action::SetOwner(None), situation),
            Patch::Set(owner) => self.act_on(alert, Action::SetOwner(Some(owner)), situation),
        }
        for ticket in facts.tickets {
            self.act_on(alert, Action::AttachTicket(ticket), situation);
        }
        match facts.declared_severity {
            Patch::Unchanged => {}
            Patch::Cleared => self.act_on(alert, Action::ClearSeverity, situation),
            Patch::Set(severity) => self.act_on(alert, Action::DeclareSeverity(severity), situation),
        }
        match facts.feedback {
            Patch::Unchanged => {}
            Patch::Cleared => self.act_on(alert, Action::SetStatus(IncidentStatus::Open), situation),
            Patch::Set(status) => self.act_on(alert, Action::SetStatus(status), situation),
        }
        if let Some(comment) = facts.comment {
            self.act_on(alert, Action::Comment(comment), situation);
        }
    }

    pub(super) fn act_on(&self, alert: &Alert, action: Action, situation: &mut Situation) {
        let Situation { incidents, by_group, .. } = situation;
        let Some(draft) = alert.incident_id.and_then(|id| incidents.get_mut(&id)) else { return };
        // A resolved incident whose group has a later one stays resolved: two of one group are never open at once.
        let superseded =
            by_group.get(&draft.incident.grouping_key).is_some_and(|latest| *latest != draft.incident.id);
        if !(superseded && draft.incident.is_resolved()) {
            self.act(draft, action, Some(alert));
        }
    }

    pub(super) fn act(&self, draft: &mut Draft, action: Action, alert: Option<&Alert>) {
        let (actor, now) = (self.actor(), self.now());
        // A source that acts on what a person resolved here is told nothing; its receipt stays as the record.
        if let Ok(Some(change)) = lifecycle::apply(&mut draft.incident, action, &actor, now) {
            draft.push(self.ids, change, actor, now, alert);
        }
    }
}

/// Somebody at the source has it: with the status that they set there, where it tells one.
pub(super) fn taken_up(alert: &Alert) -> Action {
    match alert.signal.source.feedback {
        Patch::Set(IncidentStatus::WorkInProgress) => Action::SetStatus(IncidentStatus::WorkInProgress),
        _ => Action::Acknowledge,
    }
}
