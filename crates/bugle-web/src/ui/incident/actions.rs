//! What the viewer can do about the incident: which buttons there are, and what their dialogs offer.

use bugle_model::{Incident, IncidentStatus, Scope, incident::DeclaredSeverity};
use serde_json::json;

use super::super::{format::status_label, session::Viewer};

/// Shown only to who may act.
#[derive(Debug)]
pub(super) struct Actions {
    pub(super) may_acknowledge: bool,
    pub(super) is_resolved: bool,
    /// The call's body that makes the viewer the owner, if they are not and have an address to be one by.
    pub(super) take: Option<String>,
    pub(super) is_declared: bool,
    pub(super) owner: String,
    pub(super) statuses: Vec<Choice>,
    pub(super) resolutions: Vec<Choice>,
    pub(super) severities: Vec<Choice>,
}

/// One thing to choose.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) label: &'static str,
    pub(super) hint: &'static str,
    pub(super) is_chosen: bool,
}

impl Actions {
    pub(super) fn of(incident: &Incident, viewer: &Viewer) -> Option<Self> {
        let me = &viewer.user().name;
        let is_mine = incident.owner.as_ref() == Some(me);
        let statuses = IncidentStatus::ALL.into_iter();
        let status = |status: IncidentStatus, chosen| Choice {
            value: status.as_str(),
            label: status_label(status),
            hint: hint(status),
            is_chosen: status == chosen,
        };
        let resolution = if incident.is_resolved() { incident.status } else { IncidentStatus::Fixed };
        viewer.may(Scope::Operate).then(|| Self {
            may_acknowledge: incident.status == IncidentStatus::Open,
            is_resolved: incident.is_resolved(),
            take: (!is_mine && me.contains('@')).then(|| json!({"owner": me}).to_string()),
            is_declared: incident.declared_severity.is_some(),
            owner: incident.owner.clone().unwrap_or_default(),
            statuses: statuses
                .clone()
                .filter(|one| !one.is_resolved())
                .map(|one| status(one, incident.status))
                .collect(),
            resolutions: statuses
                .filter(|one| one.is_resolved())
                .map(|one| status(one, resolution))
                .collect(),
            severities: DeclaredSeverity::ALL
                .into_iter()
                .map(|severity| Choice {
                    value: severity.as_str(),
                    label: severity.as_str(),
                    hint: severity_hint(severity),
                    is_chosen: incident.declared_severity == Some(severity),
                })
                .collect(),
        })
    }
}

const fn hint(status: IncidentStatus) -> &'static str {
    match status {
        IncidentStatus::Open => "Nobody has it",
        IncidentStatus::Acknowledged => "Somebody investigates",
        IncidentStatus::WorkInProgress => "Somebody is mending it",
        IncidentStatus::Fixed => "It is mended, or went away",
        IncidentStatus::Expected => "It was meant to happen",
        IncidentStatus::NoActionNeeded => "There is nothing to do",
        IncidentStatus::FalsePositive => "It never was a problem",
    }
}

const fn severity_hint(severity: DeclaredSeverity) -> &'static str {
    match severity {
        DeclaredSeverity::Sev1 => "The worst: everybody helps",
        DeclaredSeverity::Sev2 => "Bad: many are hit",
        DeclaredSeverity::Sev3 => "Not so bad: some are hit",
        DeclaredSeverity::Sev4 => "Hardly one",
    }
}
