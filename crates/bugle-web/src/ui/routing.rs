//! `/routing`: which destinations get an event of an incident, and why the others do not.

use askama::Template;
use axum::extract::State;
use bugle_engine::routing::{Route, WaitsFor};
use bugle_model::{
    Delivery, DeliveryState, Event, EventKind, Incident, IntegrationId, Scope, Timestamp,
    destination::Objection,
};
use bugle_store::{IncidentFilter, PageRequest};

use super::{
    format::{Ago, SeverityTag, StatusTag, Tag, counted, severity_label, span_words},
    page::{Page, Shown, show},
    session::Viewer,
};
use crate::{
    app::App,
    input::Query,
    routes::{Routed, Routing, routing, sequence},
};

/// Incidents offered to choose from.
const OFFERED: u32 = 25;
/// Events of an incident offered to choose from, up to the one that is shown or the latest.
const EVENTS_OFFERED: u32 = 100;

/// Before an incident is chosen.
#[derive(Template)]
#[template(path = "routing.html")]
struct Choosing {
    page: Page,
    search: String,
    rows: Vec<Offered>,
}

struct Offered {
    href: String,
    title: String,
    severity: SeverityTag,
    status: StatusTag,
    opened: Ago,
}

/// One incident's routing.
#[derive(Template)]
#[template(path = "routing_of.html")]
struct RoutingOf {
    page: Page,
    id: String,
    title: String,
    severity: SeverityTag,
    status: StatusTag,
    facts: String,
    events: Vec<Choice>,
    summary: String,
    rows: Vec<Row>,
    may_configure: bool,
}

/// An event to choose.
struct Choice {
    sequence: u32,
    label: String,
    is_chosen: bool,
}

/// One destination.
struct Row {
    href: String,
    name: String,
    dialect: String,
    outcome: Tag<'static>,
    reasons: Vec<String>,
    delivery: Option<Made>,
}

/// What really became of the event.
struct Made {
    href: String,
    state: Tag<'static>,
    reason: String,
}

/// `GET /routing`.
pub(super) async fn page(State(app): State<App>, viewer: Viewer, query: Query) -> Shown {
    let typed = query.one("q").unwrap_or_default().trim();
    let typed_id = Some(typed).filter(|text| text.parse::<bugle_model::IncidentId>().is_ok());
    match query.one("incident").or(typed_id) {
        Some(id) => of_incident(&app, &viewer, id, &query).await,
        None => choosing(&app, &viewer, typed).await,
    }
}

async fn choosing(app: &App, viewer: &Viewer, search: &str) -> Shown {
    let filter = IncidentFilter {
        query: Some(search.to_owned()).filter(|text| !text.is_empty()),
        ..IncidentFilter::default()
    };
    let found = app.store().incidents(filter, PageRequest { cursor: None, limit: OFFERED }).await?;
    let now = app.now();
    let offered = |incident: &Incident| Offered {
        href: format!("/routing?incident={}", incident.id),
        title: incident.title.clone(),
        severity: SeverityTag(incident.severity),
        status: StatusTag(incident.status),
        opened: Ago { at: incident.opened_at, now },
    };
    show(&Choosing {
        page: viewer.page("Routing", "/api/v1/incidents"),
        search: search.to_owned(),
        rows: found.data.iter().map(offered).collect(),
    })
}

async fn of_incident(app: &App, viewer: &Viewer, id: &str, query: &Query) -> Shown {
    let found = routing(app, id, sequence(query)?).await?;
    let chosen = found.event.sequence;
    let events = offered_events(app, &found.incident, chosen).await?;
    let incident = &found.incident;
    let twin = format!("/api/v1/incidents/{}/routing?sequence={chosen}", incident.id);
    let place = [Some(incident.platform.as_str()), incident.service.as_deref(), incident.host.as_deref()];
    let mut sorted: Vec<_> = found.data.iter().collect();
    sorted.sort_by_key(|one| (rank(&one.outcome), one.name.to_lowercase()));
    let got =
        found.data.iter().filter(|one| matches!(one.outcome, Route::Sent | Route::Waits { .. })).count();
    let all = counted(found.data.len() as u64, "destination", "destinations");
    show(&RoutingOf {
        page: viewer.page("Routing", twin),
        id: incident.id.to_string(),
        title: incident.title.clone(),
        severity: SeverityTag(incident.severity),
        status: StatusTag(incident.status),
        facts: place.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        events: events.iter().map(|event| choice(event, chosen)).collect(),
        summary: format!("{got} of {all} would get it now."),
        rows: sorted.into_iter().map(|one| row(app, &found, one)).collect(),
        may_configure: viewer.may(Scope::Admin),
    })
}

async fn offered_events(
    app: &App,
    incident: &Incident,
    chosen: u32,
) -> Result<Vec<Event>, bugle_store::StoreError> {
    // The latest, unless an older one is looked at: then those up to it and some after it.
    let last = incident.sequence.min(chosen.saturating_add(EVENTS_OFFERED / 2));
    let cursor = bugle_model::Cursor(i64::from(last.saturating_sub(EVENTS_OFFERED)));
    let page = PageRequest { cursor: Some(cursor), limit: EVENTS_OFFERED };
    let mut events = app.store().timeline(incident.id, page).await?.data;
    events.reverse();
    Ok(events)
}

fn choice(event: &Event, chosen: u32) -> Choice {
    Choice {
        sequence: event.sequence,
        label: format!("{}. {}, {}", event.sequence, kind_words(event.kind), event.at),
        is_chosen: event.sequence == chosen,
    }
}

fn row(app: &App, routing: &Routing, one: &Routed) -> Row {
    let (tone, text) = match &one.outcome {
        Route::Sent => ("good", "Gets it"),
        Route::Waits { .. } => ("warn", "Gets it later"),
        Route::Unwanted { .. } => ("quiet", "Not for it"),
        Route::NoWord => ("quiet", "Has no word for it"),
        Route::Unwritable { .. } => ("bad", "Cannot be written"),
    };
    Row {
        href: format!("/destinations/{}", one.destination_id),
        name: one.name.clone(),
        dialect: one.dialect.clone(),
        outcome: Tag { tone, text },
        reasons: reasons(app, routing, one),
        delivery: one.delivery.as_ref().map(made),
    }
}

/// Those that get it come first.
const fn rank(route: &Route) -> u8 {
    match route {
        Route::Sent => 0,
        Route::Waits { .. } => 1,
        Route::Unwritable { .. } => 2,
        Route::NoWord => 3,
        Route::Unwanted { .. } => 4,
    }
}

/// Why, in sentences.
fn reasons(app: &App, routing: &Routing, one: &Routed) -> Vec<String> {
    match &one.outcome {
        Route::Sent => vec!["It wants this event, and its circuit is closed.".to_owned()],
        Route::Waits { until: WaitsFor::Enabling } => {
            let why = one.disabled_reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            vec![format!("It is disabled{why}. What it wants waits until somebody enables it.")]
        }
        Route::Waits { until: WaitsFor::Receiver } => vec![circuit_sentence(one, app.now())],
        Route::Unwanted { objections } => {
            objections.iter().map(|objection| sentence(app, routing, objection)).collect()
        }
        Route::NoWord => {
            let kind = routing.event.kind.as_str();
            vec![format!("Its dialect, {}, has no word for {kind}: the delivery is skipped.", one.dialect)]
        }
        Route::Unwritable { reason } => vec![format!("{reason}.")],
    }
}

fn circuit_sentence(one: &Routed, now: Timestamp) -> String {
    let failures = counted(one.circuit_state.consecutive_failures.into(), "failure", "failures");
    let next = one.circuit_state.wait_until.filter(|until| *until > now);
    let next = next.map_or("now".to_owned(), |until| format!("in {}", span_words(until.since(now))));
    format!("Its circuit is open after {failures} in a row: deliveries wait, and one is tried {next}.")
}

/// A condition that fails: what it asks for, and what there is.
fn sentence(app: &App, routing: &Routing, objection: &Objection) -> String {
    let (event, was) = (&routing.event, &routing.was);
    match objection {
        Objection::EventKind { wanted } => {
            let wanted = listed(wanted.iter().map(|kind| kind.as_str().to_owned()));
            format!("It wants only {wanted}; this is {}.", event.kind.as_str())
        }
        Objection::Platform { wanted } => {
            format!(
                "It wants only what is from {}; this is from {}.",
                listed(wanted.iter().cloned()),
                was.platform
            )
        }
        Objection::Integration { wanted } => {
            let wanted = listed(wanted.iter().map(|id| source_name(app, *id)));
            let found = source_name(app, was.integration_id);
            format!("It wants only what comes by the source {wanted}; this came by {found}.")
        }
        Objection::Severity { wanted } => {
            let wanted = listed(wanted.iter().map(|one| severity_label(*one).to_owned()));
            format!("It wants only severity {wanted}; this was {}.", severity_label(was.severity))
        }
        Objection::Label { name, wanted, found: Some(found) } => {
            format!("It wants only label {name} = {wanted}; here it is {found}.")
        }
        Objection::Label { name, wanted, found: None } => {
            format!("It wants only label {name} = {wanted}; there is no such label here.")
        }
    }
}

fn source_name(app: &App, id: IntegrationId) -> String {
    app.engine.integration(&id.to_string()).map_or_else(|_| id.to_string(), |one| one.name.clone())
}

/// `a`, `a or b`, `a, b or c`.
fn listed(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<_> = words.collect();
    match words.pop() {
        None => String::new(),
        Some(last) if words.is_empty() => last,
        Some(last) => format!("{} or {last}", words.join(", ")),
    }
}

fn made(delivery: &Delivery) -> Made {
    let (tone, text) = match delivery.state {
        DeliveryState::Pending => ("warn", "On its way"),
        DeliveryState::Blocked => ("warn", "Waits for an earlier one"),
        DeliveryState::Delivered => ("good", "Delivered"),
        DeliveryState::Dead => ("bad", "Given up on"),
        DeliveryState::Skipped => ("quiet", "Skipped"),
    };
    Made {
        href: format!("/deliveries/{}", delivery.id),
        state: Tag { tone, text },
        reason: delivery
            .reason
            .clone()
            .filter(|_| delivery.state != DeliveryState::Delivered)
            .unwrap_or_default(),
    }
}

fn kind_words(kind: EventKind) -> String {
    kind.as_str().trim_start_matches("incident.").replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_reads_as_a_sentence() {
        for (words, expected) in
            [(&[][..], ""), (&["a"], "a"), (&["a", "b"], "a or b"), (&["a", "b", "c"], "a, b or c")]
        {
            assert_eq!(listed(words.iter().map(|word| (*word).to_owned())), expected);
        }
    }
}
