//! What the fields of a body mean.

use std::time::Duration;

use bugle_model::{
    Severity, Signal, SignalStatus, Timestamp,
    signal::{Entity, Labels, Link, Patch, SourceFacts},
};

use super::status;
use crate::{
    fields::Fields,
    form,
    json::{self, Value},
    source::{DecodeError, Decoded, Names},
};

/// Reads a body: JSON, or the form of 2013.
pub(super) fn decode(body: &[u8]) -> Result<Decoded, DecodeError> {
    match document(body)? {
        Some(document) => Ok(Decoded::signals(vec![signal(&document)?])),
        None => Ok(Decoded::ignored("A deployment is no alert.")),
    }
}

/// What the body of an alert is called.
pub(super) fn names(body: &[u8]) -> Option<Names> {
    let document = document(body).ok()??;
    let alert_id = fingerprint(&Fields::new(&document, is_blank))?;
    Some(Names { alert_id: Some(alert_id), delivery_id: None })
}

/// The body of an alert; none of a deployment.
fn document(body: &[u8]) -> Result<Option<Value<'_>>, DecodeError> {
    if body.starts_with(b"deployment=") {
        return Ok(None);
    }
    let document = match form::document(body, &["alert", "payload"]) {
        Some(document) => document,
        None => json::parse(body)?,
    };
    Ok(Some(document).filter(|document| !document.get("deployment").is_some_and(Value::is_object)))
}

/// What New Relic writes where it has no value.
pub(super) fn is_blank(text: &str) -> bool {
    matches!(text, "NA" | "N/A" | "Not Available" | "null" | "undefined")
}

fn signal(document: &Value) -> Result<Signal, DecodeError> {
    let fields = Fields::new(document, is_blank);
    let fingerprint = fingerprint(&fields).ok_or_else(|| {
        DecodeError::NotUnderstood(
            "nothing in the body names the issue: it needs `id`, `issueId` or `issue_id`. Paste the template from the setup page \
             into the workflow's webhook"
                .into(),
        )
    })?;
    let (status, status_text) = status::read(&fields);
    let times = Times::read(&fields, status);
    let severity_text = fields.first(&["priority", "severity"]);
    let target = Target::first(document);
    let has_owner = status == SignalStatus::Acknowledged;
    let owner = fields.first(&["owner", "acknowledgedBy"]);
    Ok(Signal {
        fingerprint,
        status,
        status_text,
        severity: severity_text.as_deref().and_then(Severity::from_common_word),
        severity_text,
        title: title(&fields),
        description: description(&fields),
        labels: labels(&fields, &target),
        annotations: annotations(&fields),
        service: target.service.clone().or_else(|| fields.first(&["application_name"])),
        host: target.host.clone(),
        entity: entity(document, &target),
        links: links(&fields, target.link),
        started_at: times.started,
        ended_at: times.ended,
        observed_at: times.observed,
        source: SourceFacts {
            owner: owner.filter(|_| has_owner).map_or(Patch::Unchanged, Patch::Set),
            ..SourceFacts::default()
        },
        raw: document.to_raw(),
        ..Signal::default()
    })
}

/// The id; where a body has none, the incident's, which is -1 for whatever has no incident of its own and so names
/// nothing; else what the alert is about.
fn fingerprint(fields: &Fields<'_>) -> Option<String> {
    let pages = ["issueUrl", "issuePageUrl", "incident_url", "incident_acknowledge_url", "alert_url"];
    let from_page = |part: &str| {
        pages.iter().find_map(|name| {
            let url = fields.first(&[name])?;
            let after = url.split_once(part)?.1;
            let id: String =
                after.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_').collect();
            Some(id).filter(|id| !id.is_empty() && id != "-1")
        })
    };
    let numbered = || fields.first(&["incident_id", "incidentId"]).filter(|id| id != "-1");
    let about = || {
        let condition =
            fields.first(&["condition_id", "condition_name", "conditionName", "short_description"])?;
        let policy = fields.first(&["policy_name", "policyName", "application_name"]).unwrap_or_default();
        let target = fields.first(&["targets.0.id", "targets.0.name"]).unwrap_or_default();
        Some(format!("{policy}:{condition}:{target}"))
    };
    fields
        .first(&["id", "issueId", "issue_id"])
        .or_else(|| from_page("/issues/"))
        .or_else(|| numbered().map(|id| format!("incident:{id}")))
        .or_else(|| from_page("/incidents/").map(|id| format!("incident:{id}")))
        .or_else(about)
}

/// When the issue began, was seen so, and ended.
struct Times {
    started: Option<Timestamp>,
    observed: Option<Timestamp>,
    ended: Option<Timestamp>,
}

impl Times {
    /// A classic body has one `timestamp`, of its latest change of state, and how long the incident has lasted. The
    /// duration counts up to now, so that it leads back to the beginning only once the incident is closed.
    fn read(fields: &Fields<'_>, status: SignalStatus) -> Self {
        let changed = fields.time(&["timestamp"]);
        let observed = fields.time(&["updatedAt", "updated_at"]).or(changed);
        let resolved = status == SignalStatus::Resolved;
        let lasted = || {
            fields.first(&["duration"])?.parse().ok().filter(|millis| *millis > 0).map(Duration::from_millis)
        };
        let reckoned = match status {
            SignalStatus::Firing => changed,
            SignalStatus::Resolved => changed.zip(lasted()).map(|(at, duration)| at.minus(duration)),
            SignalStatus::Acknowledged | SignalStatus::Updated => None,
        };
        let created = fields.time(&["createdAt", "activatedAt"]);
        let said = fields.time(&["created_at"]);
        let is_legacy = fields.document().get("alert_url").is_some();
        let started = created.or_else(|| said.filter(|_| !(is_legacy && resolved))).or(reckoned);
        let observed = observed.or_else(|| said.filter(|_| is_legacy));
        let ended = fields.time(&["closedAt", "closed_at"]).or(observed).filter(|_| resolved);
        Self { started, observed, ended }
    }
}

fn title(fields: &Fields<'_>) -> String {
    let named = ["title", "details", "message", "short_description", "condition_name", "conditionName"];
    fields
        .list(&["title"])
        .or_else(|| fields.first(&named))
        .or_else(|| fields.list(&["alertConditionNames"]))
        .unwrap_or_default()
}

fn description(fields: &Fields<'_>) -> Option<String> {
    let names =
        ["condition_description", "conditionDescription", "description", "long_description", "details"];
    let title = title(fields);
    fields.list(&names).filter(|text| *text != title)
}

/// The first thing that the alert is about. Workflows name entities, classic bodies describe targets.
#[derive(Default)]
struct Target {
    name: Option<String>,
    kind: Option<String>,
    link: Option<String>,
    service: Option<String>,
    host: Option<String>,
    labels: Labels,
}

impl Target {
    fn first(document: &Value) -> Self {
        let Some(target) = document.at("targets.0") else { return Self::default() };
        let name = target.text_at("name");
        let kind = target.text_at("type").map(|kind| kind.to_ascii_lowercase());
        let of_kind = |wanted: &str| name.clone().filter(|_| kind.as_deref() == Some(wanted));
        let labels = target.get("labels").map(Value::pairs).unwrap_or_default().iter();
        Self {
            service: of_kind("application").or_else(|| of_kind("service")),
            host: of_kind("host"),
            link: target.text_at("link"),
            labels: labels
                .filter_map(|(name, value)| Some((name.to_string(), value.text()?.to_owned())))
                .collect(),
            name,
            kind,
        }
    }
}

fn entity(document: &Value, target: &Target) -> Option<Entity> {
    let name = target.name.clone().or_else(|| document.text_at("impactedEntities.0"))?;
    let kind = target.kind.clone().unwrap_or_else(|| "entity".into());
    Some(Entity { kind, name, path: None })
}

fn labels(fields: &Fields<'_>, target: &Target) -> Labels {
    let mut labels = target.labels.clone();
    for (label, names) in [
        ("account", &["account_name", "accountName"][..]),
        ("policy", &["alertPolicyNames", "policy_name", "policyName"]),
        ("condition", &["alertConditionNames", "condition_name", "conditionName"]),
        ("workflow", &["workflowName"]),
        ("entities", &["impactedEntities"]),
        ("application", &["application_name"]),
    ] {
        labels.extend(fields.list(names).map(|text| (label.to_owned(), text)));
    }
    labels
}

fn annotations(fields: &Fields<'_>) -> Labels {
    [
        ("trigger", &["trigger"][..]),
        ("incidents", &["totalIncidents"]),
        ("correlated", &["isCorrelated"]),
        ("sources", &["sources"]),
        ("incident_id", &["incident_id"]),
        ("condition_id", &["condition_id"]),
        ("open_violations", &["open_violations_count.critical", "open_violations_count_critical"]),
    ]
    .into_iter()
    .filter_map(|(name, names)| Some((name.to_owned(), fields.list(names).filter(|text| text != "-1")?)))
    .collect()
}

fn links(fields: &Fields<'_>, target: Option<String>) -> Vec<Link> {
    let mut links = fields.links(&[
        ("alert", &["issueUrl", "issuePageUrl", "incident_url", "alert_url"]),
        ("acknowledge", &["issueAckUrl", "incident_acknowledge_url"]),
        ("runbook", &["runbook_url", "runbookUrl"]),
        ("policy", &["policy_url", "policyUrl"]),
        ("chart", &["violation_chart_url", "violationChartUrl"]),
        ("violation", &["violation_callback_url", "violationCallbackUrl"]),
    ]);
    links.extend(target.map(|url| Link { label: "entity".into(), url }));
    links
}
