//! An incident while a batch changes it, with the events made so far.

use bugle_model::{
    Actor, Alert, Event, EventKind, IdGenerator, Incident, Severity, Signal, Timestamp, lifecycle::Change,
};

/// An incident while it is being changed.
#[derive(Debug)]
pub struct Draft {
    /// As it is by now.
    pub incident: Incident,
    events: Vec<Event>,
    changed: bool,
}

impl Draft {
    /// Nothing changed yet.
    pub fn of(incident: Incident) -> Self {
        Self { incident, events: Vec::new(), changed: false }
    }

    /// Whether there is anything to commit.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// The incident changes in a way that is no event.
    pub fn touch(&mut self) {
        self.changed = true;
    }

    /// Puts an event on the timeline. What one call says about many alerts of one incident is one event: an update
    /// that follows the creation or an update by the same call is merged into it, and gives way to a resolution.
    pub fn push(
        &mut self,
        ids: &IdGenerator,
        change: Change,
        actor: Actor,
        at: Timestamp,
        alert: Option<&Alert>,
    ) {
        self.changed = true;
        let before = self.events.last_mut().filter(|event| event.actor == actor);
        if change.kind == EventKind::Updated
            && let Some(event) = before.filter(|event| {
                matches!(event.kind, EventKind::Created | EventKind::Updated | EventKind::Reopened)
            })
        {
            merge(event, change);
            event.incident = Incident { sequence: event.sequence, ..self.incident.clone() };
            return;
        }
        let gives_way = change.kind == EventKind::Resolved
            && self
                .events
                .last()
                .is_some_and(|event| event.kind == EventKind::Updated && event.actor == actor);
        if gives_way {
            self.events.pop();
            self.incident.sequence -= 1;
        }
        self.incident.sequence += 1;
        self.events.push(Event {
            id: ids.next(at),
            incident_id: self.incident.id,
            sequence: self.incident.sequence,
            kind: change.kind,
            at,
            actor,
            changes: change.changes,
            comment: change.comment,
            alert_id: alert.map(|alert| alert.id),
            alert: alert.cloned().map(Box::new),
            incident: self.incident.clone(),
        });
    }

    /// Its one alert, which was only heard of in part, is known whole.
    pub fn complete(&mut self, signal: &Signal) {
        let incident = &mut self.incident;
        incident.description.clone_from(&signal.description);
        incident.labels.clone_from(&signal.labels);
        incident.service.clone_from(&signal.service);
        incident.host.clone_from(&signal.host);
        incident.entity.clone_from(&signal.entity);
        incident.started_at = signal.started_at.unwrap_or(incident.started_at);
        self.changed = true;
    }

    /// An alert that fires joins, or one that belonged to it before fires again.
    pub fn count_in(&mut self, severity: Severity, newcomer: bool) {
        self.changed = true;
        self.incident.alerts.total += u32::from(newcomer);
        self.incident.alerts.add(severity);
        self.worst();
    }

    /// An alert is over.
    pub fn count_out(&mut self, severity: Severity) {
        self.changed = true;
        self.incident.alerts.remove(severity);
        self.worst();
    }

    /// An alert changes its severity.
    pub fn recount(&mut self, from: Severity, to: Severity) {
        if from != to {
            self.changed = true;
            self.incident.alerts.remove(from);
            self.incident.alerts.add(to);
            self.worst();
        }
    }

    fn worst(&mut self) {
        self.incident.severity = self.incident.alerts.worst().unwrap_or(self.incident.severity);
    }

    /// What is to be committed.
    pub fn finish(mut self, at: Timestamp) -> (Incident, Vec<Event>) {
        self.incident.revision += 1;
        self.incident.updated_at = at;
        for event in &mut self.events {
            event.incident.revision = self.incident.revision;
            event.incident.updated_at = at;
        }
        (self.incident, self.events)
    }
}

/// Lays a change over an event that is not committed yet: of each field, what it was before both and after both.
fn merge(event: &mut Event, change: Change) {
    for new in change.changes {
        match event.changes.iter_mut().find(|known| known.field == new.field) {
            Some(known) => known.to = new.to,
            None if event.kind == EventKind::Updated => event.changes.push(new),
            None => {}
        }
    }
}
