//! `/`: what is going on now, and what needs a person.

use askama::Template;
use axum::extract::State;
use bugle_engine::health::EndpointHealth;
use bugle_model::{
    Circuit, Destination, Incident, IncidentStatus, Integration, Severity, Timestamp,
    destination::CircuitPhase,
};
use bugle_store::{Backlog, IncidentFilter, PageRequest};

use super::{
    format::{Ago, Icon, SeverityTag, StatusTag, Tag, count, counted, severity_label},
    page::{Page, Shown, show},
    session::Viewer,
};
use crate::{app::App, input::Query};

/// Unresolved incidents that are looked at; when there are more, counts say so.
const LOOKED_AT: u32 = 200;
/// Incidents listed as needing a person.
const LISTED: usize = 12;

#[derive(Template)]
#[template(path = "now.html")]
struct Now {
    page: Page,
    tiles: Vec<Tile>,
    waiting: Vec<Waiting>,
    more: Option<String>,
    has_incidents: bool,
    sources: Vec<Place>,
    destinations: Vec<Place>,
    may_configure: bool,
}

struct Tile {
    icon: Icon,
    class: &'static str,
    label: &'static str,
    count: String,
    href: String,
}

/// An incident that nobody has taken.
struct Waiting {
    href: String,
    title: String,
    severity: SeverityTag,
    status: StatusTag,
    facts: String,
    since: Ago,
}

/// A source or a destination.
struct Place {
    href: String,
    name: String,
    kind: String,
    state: Tag<'static>,
    note: String,
}

/// `GET /`.
pub(super) async fn page(State(app): State<App>, viewer: Viewer, _: Query) -> Shown {
    let unresolved = IncidentStatus::ALL.into_iter().filter(|status| !status.is_resolved()).collect();
    let filter = IncidentFilter { statuses: unresolved, ..IncidentFilter::default() };
    let incidents = app.store().incidents(filter, PageRequest { cursor: None, limit: LOOKED_AT }).await?;
    let backlogs = app.store().backlog().await?;
    let (now, has_more) = (app.now(), incidents.next_cursor.is_some());
    let mut waiting: Vec<&Incident> = incidents
        .data
        .iter()
        .filter(|one| one.status == IncidentStatus::Open && one.owner.is_none())
        .collect();
    waiting.sort_by_key(|one| (std::cmp::Reverse(one.severity), one.opened_at));
    let hidden = waiting.len().saturating_sub(LISTED);
    let health = app.engine.health_report();
    let state_of = |one: &Integration| health.endpoints.get(one.platform.as_str()).copied();
    show(&Now {
        page: viewer.page("Now", "/api/v1/incidents?status=unresolved"),
        tiles: Severity::ALL.into_iter().map(|severity| tile(severity, &incidents.data, has_more)).collect(),
        more: (hidden > 0).then(|| counted(hidden as u64, "more", "more")),
        has_incidents: !incidents.data.is_empty(),
        waiting: waiting.into_iter().take(LISTED).map(|one| waiting_row(one, now)).collect(),
        sources: app.engine.integrations().iter().map(|one| source(one, state_of(one))).collect(),
        destinations: app
            .engine
            .destinations()
            .iter()
            .map(|(one, circuit)| destination(one, *circuit, &backlogs, now))
            .collect(),
        may_configure: viewer.may(bugle_model::Scope::Admin),
    })
}

fn tile(severity: Severity, incidents: &[Incident], has_more: bool) -> Tile {
    let found = incidents.iter().filter(|one| one.severity == severity).count();
    let word = severity.as_str();
    Tile {
        icon: Icon(super::format::severity_icon(severity)),
        class: if found == 0 { "none" } else { word },
        label: severity_label(severity),
        count: format!("{}{}", count(found as u64), if has_more && found > 0 { "+" } else { "" }),
        href: format!("/incidents?status=unresolved&severity={word}"),
    }
}

fn waiting_row(incident: &Incident, now: Timestamp) -> Waiting {
    let place = incident.service.as_deref().or(incident.host.as_deref());
    let facts =
        [Some(incident.platform.as_str()), place].into_iter().flatten().collect::<Vec<_>>().join(" · ");
    Waiting {
        href: format!("/incidents/{}", incident.id),
        title: incident.title.clone(),
        severity: SeverityTag(incident.severity),
        status: StatusTag(incident.status),
        facts,
        since: Ago { at: incident.opened_at, now },
    }
}

fn source(integration: &Integration, health: Option<EndpointHealth>) -> Place {
    let (tone, text) = match health {
        _ if !integration.enabled => ("quiet", "Disabled"),
        Some(EndpointHealth::Down) => ("bad", "Nothing gets in"),
        Some(EndpointHealth::Degraded) => ("warn", "Some calls fail"),
        Some(EndpointHealth::Operational) | None => ("good", "Fine"),
    };
    Place {
        href: format!("/sources/{}", integration.id),
        name: integration.name.clone(),
        kind: integration.platform.clone(),
        state: Tag { tone, text },
        note: String::new(),
    }
}

fn destination(one: &Destination, circuit: Circuit, backlogs: &[Backlog], now: Timestamp) -> Place {
    let (tone, text) = match circuit.phase {
        _ if !one.enabled => ("bad", "Disabled"),
        CircuitPhase::Open => ("bad", "Circuit open"),
        CircuitPhase::HalfOpen => ("warn", "Trying again"),
        CircuitPhase::Closed => ("good", "Fine"),
    };
    let backlog = backlogs.iter().find(|backlog| backlog.destination_id == one.id);
    let note = backlog.filter(|backlog| backlog.unsettled > 0).map_or_else(String::new, |backlog| {
        let oldest = backlog.oldest.map(|oldest| super::format::span_words(now.since(oldest)));
        let waiting = counted(backlog.unsettled, "delivery waits", "deliveries wait");
        oldest.map_or(waiting.clone(), |oldest| format!("{waiting}, the oldest for {oldest}"))
    });
    Place {
        href: format!("/destinations/{}", one.id),
        name: one.name.clone(),
        kind: one.dialect.clone(),
        state: Tag { tone, text },
        note,
    }
}
