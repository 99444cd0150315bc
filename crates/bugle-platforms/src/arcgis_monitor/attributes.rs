//! The row that an event is about. A deletion names little more than its id, and an update may hold only what changed.

use bugle_model::{
    Severity, Signal, SignalStatus, Timestamp,
    signal::{Entity, Labels, Link, Measurement},
};

use crate::json::{self, Value};

/// Attributes that identify what is watched: labels. All others that are texts or numbers explain it: annotations.
pub(super) const IDENTIFYING: &[&str] =
    &["metric_id", "observer_id", "component_id", "component_name", "component_type", "component_subtype"];

/// Attributes that have places of their own in a signal.
const PLACED: &[&str] =
    &["id", "name", "description", "opened_at", "closed_at", "status", "url", "value", "operator"];

/// An attribute without which a row is not whole: an alert that is open has it as `null`.
const WHOLE: &[&str] = &["status", "opened_at", "closed_at"];

/// What was done to the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// It is new.
    Add,
    /// It changed. Also any word that is not known.
    Update,
    /// It is gone, and its problem with it.
    Delete,
}

impl Operation {
    /// Whatever its case and tense: the documentation writes `Add`, the calls `add`.
    pub(super) fn of(word: &str) -> Self {
        let word = word.to_ascii_lowercase();
        let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| word.starts_with(beginning));
        if begins(&["delet", "remov"]) {
            Self::Delete
        } else if begins(&["add", "creat", "insert"]) {
            Self::Add
        } else {
            Self::Update
        }
    }
}

/// An event's row, and what its call says.
pub(super) struct Row<'a> {
    /// `alerts` or `incidents`.
    pub(super) resource: &'a str,
    /// What was done to it.
    pub(super) operation: Operation,
    /// What is told of it.
    pub(super) attributes: &'a Value<'a>,
    /// The call's own part.
    pub(super) info: &'a Value<'a>,
    /// When it happened.
    pub(super) seen_at: Option<Timestamp>,
}

impl Row<'_> {
    /// What the event says; `None` without an id.
    pub(super) fn signal(&self) -> Option<Signal> {
        let id = self.text("id")?;
        let status_text = self.text("status").or_else(|| self.text("state"));
        let status = self.status();
        let over = status == SignalStatus::Resolved;
        let severity = self.severity();
        Some(Signal {
            fingerprint: fingerprint(self.resource, &id, self.monitor_url().as_deref()),
            status,
            severity_text: severity.and(status_text.clone()),
            status_text: self.text("state").or(status_text),
            severity,
            title: self.title(&id),
            description: self.text("description"),
            labels: self.labels(),
            annotations: self.annotations(),
            entity: self.entity(),
            host: self.text("component_name"),
            links: self.link(&id).into_iter().collect(),
            started_at: self.time("opened_at").or_else(|| self.time("created_at")),
            ended_at: self.time("closed_at").or(self.seen_at).filter(|_| over),
            observed_at: self.seen_at,
            measurements: self.measurement().into_iter().collect(),
            partial: !self.is_whole(),
            ..Signal::default()
        })
    }

    fn is_whole(&self) -> bool {
        WHOLE.iter().all(|name| self.attributes.get(name).is_some())
    }

    fn text(&self, name: &str) -> Option<String> {
        // Not `text_at`, which takes a name with dots for a path.
        let text = self.attributes.get(name)?.text()?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn time(&self, name: &str) -> Option<Timestamp> {
        json::rfc3339_or_epoch(self.attributes.get(name)?)
    }

    fn monitor_url(&self) -> Option<String> {
        self.info.text_at("monitor_url")
    }

    /// Over when it was deleted, closed, or nominal. A part that tells neither of those leaves the status as it was.
    fn status(&self) -> SignalStatus {
        let level = self.text("status").map(|word| word.to_ascii_lowercase());
        let state = self.text("state").map(|word| word.to_ascii_lowercase());
        let closed = self.attributes.get("closed_at");
        let word = level.as_deref().or(state.as_deref()).unwrap_or_default();
        if self.operation == Operation::Delete
            || self.time("closed_at").is_some()
            || matches!(word, "0" | "nominal" | "closed" | "resolved" | "completed")
        {
            SignalStatus::Resolved
        } else if self.resource == "incidents"
            && matches!(word, "acknowledged" | "in progress" | "in_progress")
        {
            SignalStatus::Acknowledged
        } else if closed.is_some() || !word.is_empty() || self.operation == Operation::Add {
            SignalStatus::Firing
        } else {
            SignalStatus::Updated
        }
    }

    /// The status is the severity: 3 critical, 2 warning, 1 info. With 0, nominal, the severity stays what it was.
    fn severity(&self) -> Option<Severity> {
        match self.text("status")?.to_ascii_lowercase().as_str() {
            "3" | "critical" => Some(Severity::Critical),
            "2" | "warning" => Some(Severity::Medium),
            "1" | "info" => Some(Severity::Info),
            _ => None,
        }
    }

    /// The metric and where it was measured; where a part names neither, a makeshift.
    fn title(&self, id: &str) -> String {
        match (self.text("name"), self.text("component_name")) {
            (Some(name), Some(component)) if self.resource == "alerts" => format!("{name} on {component}"),
            (Some(name), _) => name,
            (None, component) => {
                let what = if self.resource == "alerts" { "alert" } else { "incident" };
                let whose = component.or_else(|| self.info.text_at("name"));
                format!("{}: {what} {id}", whose.unwrap_or_else(|| super::TITLE.into()))
            }
        }
    }

    fn labels(&self) -> Labels {
        let mut labels: Labels =
            IDENTIFYING.iter().filter_map(|name| Some(((*name).to_owned(), self.text(name)?))).collect();
        labels.extend(
            self.text("name").filter(|_| self.resource == "alerts").map(|name| ("metric".into(), name)),
        );
        labels
    }

    /// What else is told, unknown attributes too. Times in milliseconds are written for people.
    fn annotations(&self) -> Labels {
        let told =
            self.attributes.pairs().iter().filter(|(name, _)| {
                !PLACED.contains(&name.as_ref()) && !IDENTIFYING.contains(&name.as_ref())
            });
        let mut annotations: Labels = told
            .filter_map(|(name, value)| {
                let moment = name.ends_with("_at").then(|| json::rfc3339_or_epoch(value)).flatten();
                let text = moment.map_or_else(|| self.text(name), |moment| Some(moment.to_string()));
                Some((name.to_string(), text?))
            })
            .collect();
        annotations.extend(self.info.text_at("name").map(|name| ("notification".into(), name)));
        annotations.extend(self.monitor_url().map(|url| ("monitor_url".into(), url)));
        annotations
    }

    fn entity(&self) -> Option<Entity> {
        let name = self.text("component_name")?;
        Some(Entity {
            kind: self.text("component_type").unwrap_or_else(|| "component".into()),
            name,
            path: None,
        })
    }

    /// The row's page, where it names one, as Bugle's own dialect does; else where ArcGIS Monitor has it.
    fn link(&self, id: &str) -> Option<Link> {
        let page = || Some(page(&self.monitor_url()?, id)).filter(|_| self.resource == "alerts");
        Some(Link { label: "alert".into(), url: self.text("url").or_else(page)? })
    }

    /// What was measured, where anything of it is told. A part that does not name its metric belongs to the one known.
    fn measurement(&self) -> Option<Measurement> {
        let reached = match self.text("status").as_deref() {
            Some("3") => self.text("critical_threshold"),
            Some("2") => self.text("warning_threshold"),
            Some("1") => self.text("info_threshold"),
            _ => None,
        };
        let numbered = || self.text("metric_id").filter(|_| self.is_whole()).map(|id| format!("metric {id}"));
        let measurement = Measurement {
            metric: self.text("name").or_else(numbered).unwrap_or_default(),
            value: self.text("value"),
            operator: self.text("operator"),
            threshold: reached,
            ..Measurement::default()
        };
        let told = measurement.value.is_some() || measurement.operator.is_some();
        (self.resource == "alerts" && told).then_some(measurement)
    }
}

/// Names a row among those of all servers that share an integration.
pub(super) fn fingerprint(resource: &str, id: &str, monitor_url: Option<&str>) -> String {
    let server =
        monitor_url.map(|url| url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/'));
    match server.filter(|server| !server.is_empty()) {
        Some(server) => format!("{resource}:{id}@{}", server.to_ascii_lowercase()),
        None => format!("{resource}:{id}"),
    }
}

/// An alert's page on its server.
pub(super) fn page(monitor_url: &str, id: &str) -> String {
    format!("{}/monitor/alerts/{id}/overview", monitor_url.trim_end_matches('/'))
}
