//! `/incidents/{id}`: what it is, whether it is bad, who has it, what happened, and what can be done.
//!
//! `before` in the address leads to older events, `alerts` to more alerts, `alert` to one of them.

mod actions;
mod alerts;
mod figures;
mod timeline;

use askama::Template;
use axum::extract::State;
use bugle_model::{Alert, AlertId, Cursor, Delivery, Event, Incident, Page as Rows, Timestamp};
use bugle_store::{DeliveryFilter, PageRequest};
use url::form_urlencoded::Serializer;

use self::{
    actions::Actions,
    alerts::{Chosen, Row},
    figures::Figures,
    timeline::{Moment, Names},
};
use super::{
    excerpt::cut,
    format::{Ago, Copyable, SeverityTag, StatusTag, Tag, counted, span_words},
    page::{Page, Shown, show},
    session::Viewer,
};
use crate::{
    app::App,
    error::ApiError,
    input::{self, PathOf, Query},
};

/// Events on a page of the timeline.
const EVENTS: u32 = 15;
/// Alerts on a page of them.
const ALERTS: u32 = 12;
/// Deliveries that are read for those events: a dozen destinations' worth.
const DELIVERIES: u32 = 180;
/// What ids grow by in a second: they hold milliseconds above 21 bits. Deliveries are made within that after their events.
const SECOND_OF_IDS: i64 = 1_000 << 21;
/// Related incidents that are shown.
const RELATED: u32 = 6;
/// Longest description that is shown; the JSON has all of it.
const DESCRIPTION_BYTES_MAX: usize = 6_000;
/// Longest name, value or title of something beside the incident itself.
const TEXT_BYTES_MAX: usize = 300;

#[derive(Template)]
#[template(path = "incident.html")]
struct IncidentPage {
    page: Page,
    id: String,
    title: String,
    severity: SeverityTag,
    status: StatusTag,
    tags: Vec<Tag<'static>>,
    summary: String,
    opened: Ago,
    lasted: Option<String>,
    actions: Option<Actions>,
    owner: Option<String>,
    description: Option<String>,
    figures: Figures,
    /// Whose figures they are, where there are several alerts.
    figures_of: Option<String>,
    moments: Vec<Moment>,
    newer: Option<String>,
    next: Option<String>,
    alerts_count: String,
    alerts: Vec<Row>,
    more_alerts: Option<String>,
    chosen: Option<Chosen>,
    source: Option<(String, String)>,
    platform: String,
    facts: Vec<(&'static str, String)>,
    /// What was when, and who did it where somebody did.
    times: Vec<(&'static str, Ago, String)>,
    tickets: Vec<(String, String)>,
    links: Vec<(String, String)>,
    labels: Vec<(String, String, String)>,
    copyable: Copyable,
    related: Vec<Other>,
    deliveries: String,
}

/// Another incident.
struct Other {
    href: String,
    title: String,
    status: StatusTag,
    facts: String,
    opened: Ago,
}

/// Where in the incident one looks.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    before: Option<u32>,
    alerts: Option<Cursor>,
    alert: Option<AlertId>,
}

/// `GET /incidents/{id}`.
pub(super) async fn page(
    State(app): State<App>,
    viewer: Viewer,
    PathOf(id): PathOf<String>,
    query: Query,
) -> Shown {
    let place = Place::of(&query)?;
    let found = app.store().incident(input::id("incident", &id)?).await?;
    let incident = found.ok_or_else(|| ApiError::not_found("incident", &id))?;
    let events = events(&app, &incident, place).await?;
    let deliveries = deliveries(&app, &incident, &events).await?;
    let alerts = app.store().alerts_of(incident.id, PageRequest { cursor: place.alerts, limit: ALERTS });
    let alerts = alerts.await?;
    let related = app.store().related(&incident, RELATED).await?;
    let read = Read { incident, events, deliveries, alerts, related };
    show(&read.page(&app, &viewer, place))
}

/// The events of the page: the newest, or those before one.
async fn events(app: &App, incident: &Incident, place: Place) -> Result<Vec<Event>, ApiError> {
    let end = place.before.map_or(incident.sequence, |before| before.saturating_sub(1));
    let after = end.saturating_sub(EVENTS);
    if end == 0 {
        return Ok(Vec::new());
    }
    let page = PageRequest { cursor: Some(Cursor(after.into())), limit: end - after };
    Ok(app.store().timeline(incident.id, page).await?.data)
}

/// Where these events went. Deliveries come newest first.
async fn deliveries(app: &App, incident: &Incident, events: &[Event]) -> Result<Vec<Delivery>, ApiError> {
    let last = events.last().filter(|last| last.sequence < incident.sequence);
    let cursor = last.map(|last| Cursor(last.id.as_i64().saturating_add(SECOND_OF_IDS)));
    let filter = DeliveryFilter { incident_id: Some(incident.id), ..DeliveryFilter::default() };
    Ok(app.store().deliveries(filter, PageRequest { cursor, limit: DELIVERIES }).await?.data)
}

/// What was read for a page.
struct Read {
    incident: Incident,
    events: Vec<Event>,
    deliveries: Vec<Delivery>,
    alerts: Rows<Alert>,
    related: Vec<Incident>,
}

impl Read {
    fn page(&self, app: &App, viewer: &Viewer, place: Place) -> IncidentPage {
        let Self { incident, events, alerts, .. } = self;
        let (id, now) = (incident.id.to_string(), app.now());
        let chosen = alerts::choose(&alerts.data, place.alert);
        let has_several = incident.alerts.total > 1;
        let names = names(app);
        let oldest = events.first().map_or(1, |event| event.sequence);
        let newest = events.last().map_or(0, |event| event.sequence);
        let alert_href = |alert| has_several.then(|| place.with_alert(alert).address(&id, "alert"));
        IncidentPage {
            page: viewer.page(cut(&incident.title, TEXT_BYTES_MAX), format!("/api/v1/incidents/{id}")),
            title: incident.title.clone(),
            severity: SeverityTag(incident.severity),
            status: StatusTag(incident.status),
            tags: tags(incident),
            summary: alerts_words(incident),
            opened: Ago { at: incident.opened_at, now },
            lasted: incident.resolved_at.map(|end| span_words(end.since(incident.opened_at))),
            actions: Actions::of(incident, viewer),
            owner: incident.owner.clone(),
            description: incident.description.as_deref().map(|text| cut(text, DESCRIPTION_BYTES_MAX)),
            figures: chosen.map(|alert| Figures::of(&alert.signal, now)).unwrap_or_default(),
            figures_of: chosen
                .filter(|_| has_several)
                .map(|one| cut(&alerts::title(one, incident), TEXT_BYTES_MAX)),
            moments: timeline::moments(events, &self.deliveries, &names, &alert_href, now),
            newer: (newest < incident.sequence && place.before.is_some())
                .then(|| Place { before: None, ..place }.address(&id, "timeline")),
            next: (oldest > 1).then(|| Place { before: Some(oldest), ..place }.address(&id, "timeline")),
            alerts_count: counted(incident.alerts.total.into(), "alert", "alerts"),
            alerts: alerts
                .data
                .iter()
                .filter(|_| has_several)
                .map(|one| {
                    let href = place.with_alert(one.id).address(&id, "alert");
                    alerts::row(one, incident, href, chosen.map(|chosen| chosen.id), now)
                })
                .collect(),
            more_alerts: alerts
                .next_cursor
                .map(|cursor| Place { alerts: Some(cursor), alert: None, ..place }.address(&id, "alerts")),
            chosen: chosen.map(|alert| alerts::chosen(alert, incident, now)),
            source: names.source(incident.integration_id),
            platform: incident.platform.clone(),
            facts: facts(incident),
            times: times(incident, now),
            tickets: tickets(incident),
            links: alerts::links(&incident.links),
            labels: labels(incident),
            copyable: Copyable(id.clone()),
            related: self.related.iter().map(|other| related_row(other, incident, now)).collect(),
            deliveries: format!("/deliveries?incident_id={id}"),
            id,
        }
    }
}

fn names(app: &App) -> Names {
    let sources = app.engine.integrations();
    let destinations = app.engine.destinations();
    Names {
        sources: sources.iter().map(|one| (one.id, one.name.clone())).collect(),
        destinations: destinations.iter().map(|(one, _)| (one.id, one.name.clone())).collect(),
    }
}

fn tags(incident: &Incident) -> Vec<Tag<'static>> {
    let declared = incident.declared_severity.map(|one| Tag { tone: "accent", text: one.as_str() });
    let unproven = (!incident.verified).then_some(Tag { tone: "warn", text: "Sender not proven" });
    let reopened = (incident.reopened_count > 0).then_some(Tag { tone: "warn", text: "Came back" });
    [declared, reopened, unproven].into_iter().flatten().collect()
}

fn alerts_words(incident: &Incident) -> String {
    let alerts = counted(incident.alerts.total.into(), "alert", "alerts");
    match (incident.alerts.firing(), incident.alerts.total) {
        (0, _) => format!("{alerts}, none firing"),
        (firing, total) if firing == total => format!("{alerts} firing"),
        (firing, _) => format!("{alerts}, {firing} firing"),
    }
}

fn facts(incident: &Incident) -> Vec<(&'static str, String)> {
    let entity = incident.entity.as_ref().map(|entity| {
        let name = entity.path.as_deref().unwrap_or(&entity.name);
        if entity.kind.is_empty() { name.to_owned() } else { format!("{name} ({})", entity.kind) }
    });
    let known = [("Service", incident.service.clone()), ("Host", incident.host.clone()), ("About", entity)];
    known.into_iter().filter_map(|(name, value)| Some((name, cut(&value?, TEXT_BYTES_MAX)))).collect()
}

fn times(incident: &Incident, now: Timestamp) -> Vec<(&'static str, Ago, String)> {
    let began = Some(incident.started_at).filter(|at| *at != incident.opened_at);
    let acknowledged_by = incident.acknowledged_by.as_ref().and_then(timeline::person);
    let known = [
        ("Began", began, None),
        ("Opened", Some(incident.opened_at), None),
        ("Acknowledged", incident.acknowledged_at, acknowledged_by),
        ("Resolved", incident.resolved_at, None),
        ("Last change", Some(incident.updated_at), None),
    ];
    known
        .into_iter()
        .filter_map(|(name, at, by)| Some((name, Ago { at: at?, now }, by.unwrap_or_default())))
        .collect()
}

/// Tickets in other systems: what each is called, and its page.
fn tickets(incident: &Incident) -> Vec<(String, String)> {
    let named = |system: &str, key: &str| cut(&format!("{system} {key}"), TEXT_BYTES_MAX);
    let shown = incident.tickets.iter().rev().take(8).filter(|ticket| ticket.url.starts_with("http"));
    shown.map(|ticket| (named(&ticket.system, &ticket.key), ticket.url.clone())).collect()
}

/// Each label with the incidents that have it too. One that is not shown whole, or whose name holds a colon, leads nowhere.
fn labels(incident: &Incident) -> Vec<(String, String, String)> {
    let linked = |((name, value), shown): ((&String, &String), (String, String))| {
        let can_be_asked_for =
            (name, value) == (&shown.0, &shown.1) && !name.is_empty() && !name.contains(':');
        let label =
            || Serializer::new(String::new()).append_pair("label", &format!("{name}:{value}")).finish();
        let href = can_be_asked_for.then(|| format!("/incidents?{}", label()));
        (shown.0, shown.1, href.unwrap_or_default())
    };
    incident.labels.iter().zip(alerts::pairs(&incident.labels)).map(linked).collect()
}

fn related_row(other: &Incident, incident: &Incident, now: Timestamp) -> Other {
    let again = (other.grouping_key == incident.grouping_key).then_some("the same problem");
    let facts = [again, Some(other.platform.as_str()), other.host.as_deref()];
    Other {
        href: format!("/incidents/{}", other.id),
        title: cut(&other.title, TEXT_BYTES_MAX),
        status: StatusTag(other.status),
        facts: cut(&facts.into_iter().flatten().collect::<Vec<_>>().join(" · "), TEXT_BYTES_MAX),
        opened: Ago { at: other.opened_at, now },
    }
}

impl Place {
    fn of(query: &Query) -> Result<Self, ApiError> {
        let number = |name| {
            let parsed = query.one(name).map(str::parse::<u32>).transpose();
            parsed.map_err(|_| ApiError::parameter(name, format!("`{name}` is the number of an event")))
        };
        let cursor = query.one("alerts").map(str::parse).transpose();
        Ok(Self {
            before: number("before")?,
            alerts: cursor.map_err(|_| ApiError::parameter("alerts", "`alerts` is not a cursor"))?,
            alert: query.id("alert")?,
        })
    }

    const fn with_alert(self, alert: AlertId) -> Self {
        Self { alert: Some(alert), ..self }
    }

    /// Where this is, scrolled to the element `part`.
    fn address(self, id: &str, part: &str) -> String {
        let mut pairs = Serializer::new(String::new());
        pairs.extend_pairs(self.before.map(|before| ("before", before.to_string())));
        pairs.extend_pairs(self.alerts.map(|cursor| ("alerts", cursor.to_string())));
        pairs.extend_pairs(self.alert.map(|alert| ("alert", alert.to_string())));
        let query = pairs.finish();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("/incidents/{id}{mark}{query}#{part}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_its_address() {
        let uri = "/?before=40&alert=alr_0000000000007&alerts=1f";
        let place = Place::of(&Query::of(&uri.parse().unwrap())).unwrap();
        let expected = "/incidents/inc_1?before=40&alerts=1f&alert=alr_0000000000007#timeline";
        assert_eq!(place.address("inc_1", "timeline"), expected);
        assert_eq!(Place::default().address("inc_1", "alerts"), "/incidents/inc_1#alerts");
        for wrong in ["before=-1", "before=x", "alert=inc_0000000000007", "alerts=zz"] {
            assert!(Place::of(&Query::of(&format!("/?{wrong}").parse().unwrap())).is_err(), "{wrong}");
        }
    }
}
