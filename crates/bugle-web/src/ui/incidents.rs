//! `/incidents`: the list, with facets and search. What is chosen is in the address, so a view can be kept and shared.

use askama::Template;
use axum::extract::State;
use bugle_model::{Incident, Severity, Timestamp};
use url::form_urlencoded::Serializer;

use super::{
    format::{Ago, SeverityTag, StatusTag, counted, severity_label},
    page::{Page, Shown, show},
    session::Viewer,
};
use crate::{app::App, input::Query, routes::incident_filter};

#[derive(Template)]
#[template(path = "incidents.html")]
struct Incidents {
    page: Page,
    search: String,
    facets: Vec<Facet>,
    rows: Vec<Row>,
    /// Whether anything was chosen: nothing found means another thing then.
    is_filtered: bool,
    next: Option<String>,
}

/// One thing to choose by.
struct Facet {
    name: &'static str,
    label: &'static str,
    choices: Vec<Choice>,
}

struct Choice {
    value: String,
    label: String,
    is_chosen: bool,
}

struct Row {
    href: String,
    title: String,
    severity: SeverityTag,
    status: StatusTag,
    platform: String,
    facts: String,
    owner: String,
    opened: Ago,
}

/// `GET /incidents`.
pub(super) async fn page(State(app): State<App>, viewer: Viewer, query: Query) -> Shown {
    let mut filter = incident_filter(&query)?;
    // An empty choice in a form means any; nobody is chosen by a word of its own.
    filter.owner =
        query.one("owner").map(|owner| if owner == NOBODY { String::new() } else { owner.to_owned() });
    let found = app.store().incidents(filter, query.page()?).await?;
    let now = app.now();
    show(&Incidents {
        page: viewer.page("Incidents", address("/api/v1/incidents", &query, None)),
        search: query.one("q").unwrap_or_default().to_owned(),
        facets: facets(&app, &viewer, &query),
        is_filtered: NAMES.iter().any(|name| query.one(name).is_some()),
        next: found.next_cursor.map(|cursor| address("/incidents", &query, Some(&cursor.to_string()))),
        rows: found.data.iter().map(|incident| row(incident, now)).collect(),
    })
}

/// What a view is made of.
const NAMES: [&str; 5] = ["status", "severity", "platform", "owner", "q"];
/// Stands for no owner in the address.
const NOBODY: &str = "nobody";

/// The same view elsewhere, or its next page.
fn address(path: &str, query: &Query, cursor: Option<&str>) -> String {
    let mut pairs = Serializer::new(String::new());
    for name in NAMES {
        if let Some(value) = query.one(name) {
            let is_nobody = name == "owner" && value == NOBODY && path.starts_with("/api/");
            pairs.append_pair(name, if is_nobody { "" } else { value });
        }
    }
    pairs.extend_pairs(cursor.map(|cursor| ("cursor", cursor)));
    let query = pairs.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

fn facets(app: &App, viewer: &Viewer, query: &Query) -> Vec<Facet> {
    let me = viewer.user().name.as_str();
    let mut platforms: Vec<_> = app.engine.integrations().iter().map(|one| one.platform.clone()).collect();
    platforms.sort_unstable();
    platforms.dedup();
    let severities = Severity::ALL.map(|severity| (severity.as_str(), severity_label(severity)));
    let statuses = [
        ("unresolved", "Unresolved"),
        ("open", "Open"),
        ("acknowledged", "Acknowledged"),
        ("work_in_progress", "In progress"),
        ("resolved", "Resolved"),
    ];
    vec![
        facet("status", "Any status", &statuses, query),
        facet("severity", "Any severity", &severities, query),
        facet(
            "platform",
            "Any platform",
            &platforms.iter().map(|slug| (slug.as_str(), slug.as_str())).collect::<Vec<_>>(),
            query,
        ),
        facet("owner", "Any owner", &[(me, "Mine"), (NOBODY, "Nobody's")], query),
    ]
}

fn facet(name: &'static str, any: &'static str, choices: &[(&str, &str)], query: &Query) -> Facet {
    let chosen = query.one(name).unwrap_or_default();
    let all = [("", any)].into_iter().chain(choices.iter().copied());
    let known = all.clone().any(|(value, _)| value == chosen);
    // What came with a shared address is shown, though it is not offered.
    let other = (!known).then_some((chosen, chosen));
    let choices = all.chain(other).map(|(value, label)| Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        is_chosen: value == chosen,
    });
    Facet { name, label: any, choices: choices.collect() }
}

fn row(incident: &Incident, now: Timestamp) -> Row {
    let alerts = counted(incident.alerts.total.into(), "alert", "alerts");
    Row {
        href: format!("/incidents/{}", incident.id),
        title: incident.title.clone(),
        severity: SeverityTag(incident.severity),
        status: StatusTag(incident.status),
        platform: incident.platform.clone(),
        facts: [incident.service.as_deref(), incident.host.as_deref(), Some(&alerts)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" · "),
        owner: incident.owner.clone().unwrap_or_default(),
        opened: Ago { at: incident.opened_at, now },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_its_address() {
        let query = Query::of(&"/?q=a%26b&severity=&owner=nobody&cursor=ff".parse().unwrap());
        assert_eq!(address("/incidents", &query, Some("1a")), "/incidents?owner=nobody&q=a%26b&cursor=1a");
        assert_eq!(address("/api/v1/incidents", &query, None), "/api/v1/incidents?owner=&q=a%26b");
        let none = Query::of(&"/".parse().unwrap());
        assert_eq!(address("/incidents", &none, None), "/incidents");
    }
}
