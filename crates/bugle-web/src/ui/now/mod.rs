//! `/`: what needs a person, what is open, what comes in and goes out.

pub(super) mod places;
mod strip;

use askama::Template;
use axum::extract::State;
use bugle_engine::overview::{Overview, Tally};
use bugle_model::{Incident, IncidentStatus, Scope, Severity, Timestamp};

use super::{
    excerpt::cut,
    format::{Ago, Icon, SeverityTag, StatusTag, Tag, count, severity_icon, severity_label, span_words},
    page::{Page, Shown, show},
    session::Viewer,
};
use crate::app::App;
use places::{DestinationRow, Places, SourceRow};
use strip::Strip;

/// Most of a title that is shown, in bytes.
const TITLE_BYTES_MAX: usize = 240;
/// Needs that are listed; what is less urgent is in the tables below.
const NEEDS_MAX: usize = 20;

#[derive(Template)]
#[template(path = "now.html")]
struct Now {
    page: Page,
    /// How it is, in a few words.
    headline: Tag<'static>,
    tiles: Vec<Tile>,
    needs: Vec<Need>,
    more_needs: Option<String>,
    /// Open incidents that can wait.
    others: Vec<Row>,
    has_open: bool,
    strip: Option<Strip>,
    sources: Places<SourceRow>,
    destinations: Places<DestinationRow>,
    /// The span that the tables' rates are of: `last hour`.
    lately: String,
    may_configure: bool,
}

struct Tile {
    icon: Icon,
    class: &'static str,
    label: &'static str,
    count: String,
    unheeded: String,
    href: String,
}

/// Something that waits for a person.
struct Need {
    href: String,
    title: String,
    severity: Option<SeverityTag>,
    state: Tag<'static>,
    facts: String,
    since: Option<Ago>,
    /// The call that takes it, for who may.
    acknowledge: Option<String>,
}

struct Row {
    href: String,
    title: String,
    severity: SeverityTag,
    status: StatusTag,
    facts: String,
    since: Ago,
}

/// `GET /`.
pub(super) async fn page(State(app): State<App>, viewer: Viewer) -> Shown {
    let overview = app.engine.overview().await?;
    let now = overview.at;
    let may_act = viewer.may(Scope::Operate);
    let (urgent, others): (Vec<_>, Vec<_>) =
        overview.worst_open.iter().partition(|incident| is_urgent(incident.severity));
    let open = |one: &&Tally| one.status == IncidentStatus::Open;
    let urgent_count: u64 = overview
        .incidents
        .iter()
        .filter(open)
        .filter(|tally| is_urgent(tally.severity))
        .map(|tally| tally.count)
        .sum();
    let hidden = urgent_count.saturating_sub(urgent.len() as u64);
    let needs = needs(&overview, &urgent, may_act);
    show(&Now {
        page: viewer.page("Now", "/api/v1/overview"),
        headline: headline(needs.len() as u64 + hidden),
        tiles: Severity::ALL.into_iter().map(|severity| tile(severity, &overview.incidents)).collect(),
        more_needs: (hidden > 0).then(|| format!("{} more that nobody has acknowledged", count(hidden))),
        needs,
        has_open: overview.incidents.iter().any(|tally| open(&tally)),
        others: others.iter().map(|incident| row(incident, now)).collect(),
        sources: places::sources(&overview.sources, now),
        destinations: places::destinations(&overview.destinations, now),
        lately: lately(now, overview.counted_since),
        strip: Strip::of(overview.calls),
        may_configure: viewer.may(Scope::Admin),
    })
}

/// Whether somebody should look at once.
fn is_urgent(severity: Severity) -> bool {
    severity >= Severity::High
}

fn headline(needs: u64) -> Tag<'static> {
    match needs {
        0 => Tag { tone: "good", text: "Nothing needs a person" },
        1 => Tag { tone: "bad", text: "One thing needs a person" },
        _ => Tag { tone: "bad", text: "Several things need a person" },
    }
}

fn needs(overview: &Overview, urgent: &[&Incident], may_act: bool) -> Vec<Need> {
    let now = overview.at;
    let untold =
        overview.own.iter().filter(|own| own.status == IncidentStatus::Open && !is_urgent(own.severity));
    let incidents =
        urgent.iter().copied().chain(untold).map(|incident| incident_need(incident, now, may_act));
    let destinations = overview.destinations.iter().filter_map(|one| places::destination_need(one, now));
    let sources = overview.sources.iter().filter_map(|one| places::source_need(one, now));
    incidents.chain(destinations).chain(sources).take(NEEDS_MAX).collect()
}

fn incident_need(incident: &Incident, now: Timestamp, may_act: bool) -> Need {
    Need {
        href: format!("/incidents/{}", incident.id),
        title: cut(&incident.title, TITLE_BYTES_MAX),
        severity: Some(SeverityTag(incident.severity)),
        state: Tag {
            tone: "bad",
            text: if incident.owner.is_none() { "Nobody has it" } else { "Not acknowledged" },
        },
        facts: facts(incident),
        since: Some(Ago { at: incident.opened_at, now }),
        acknowledge: may_act.then(|| format!("POST /api/v1/incidents/{}/acknowledge", incident.id)),
    }
}

fn facts(incident: &Incident) -> String {
    let place = incident.service.as_deref().or(incident.host.as_deref());
    let facts: Vec<_> = [Some(incident.platform.as_str()), place].into_iter().flatten().collect();
    cut(&facts.join(" · "), TITLE_BYTES_MAX)
}

fn row(incident: &Incident, now: Timestamp) -> Row {
    Row {
        href: format!("/incidents/{}", incident.id),
        title: cut(&incident.title, TITLE_BYTES_MAX),
        severity: SeverityTag(incident.severity),
        status: StatusTag(incident.status),
        facts: facts(incident),
        since: Ago { at: incident.opened_at, now },
    }
}

fn tile(severity: Severity, tallies: &[Tally]) -> Tile {
    let sum = |wanted: &dyn Fn(IncidentStatus) -> bool| -> u64 {
        let of_kind = tallies.iter().filter(|tally| tally.severity == severity && wanted(tally.status));
        of_kind.map(|tally| tally.count).sum()
    };
    let unresolved = sum(&|status| !status.is_resolved());
    let open = sum(&|status| status == IncidentStatus::Open);
    let word = severity.as_str();
    Tile {
        icon: Icon(severity_icon(severity)),
        class: if unresolved == 0 { "none" } else { word },
        label: severity_label(severity),
        count: count(unresolved),
        unheeded: match (unresolved, open) {
            (0, _) => "none open".to_owned(),
            (_, 0) => "all acknowledged".to_owned(),
            (_, open) => format!("{} not acknowledged", count(open)),
        },
        href: format!("/incidents?status=unresolved&severity={word}"),
    }
}

/// The span that the rates are of, in words.
fn lately(now: Timestamp, since: Timestamp) -> String {
    match now.since(since).as_secs() / 60 {
        60.. => "last hour".to_owned(),
        0 => "since the start, just now".to_owned(),
        _ => format!("last {}, since the start", span_words(now.since(since))),
    }
}
