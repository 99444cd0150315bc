//! `/incidents`: the list, with facets and search, and what is done to many at once.

mod history;
mod view;

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::State;
use bugle_model::{Incident, IncidentStatus, Scope, Severity, Timestamp, signal::Labels};
use bugle_store::IncidentCount;

use super::{
    excerpt::{self, cut},
    format::{Ago, SeverityTag, StatusTag, count, counted, severity_label, status_label},
    page::{Page, Shown, show},
    session::Viewer,
};
use crate::{app::App, input::Query, routes::incident_filter};
use history::History;
use view::{NOBODY, View, address_of};

/// Rows on a page, so that it stays light.
const ROWS_MAX: u32 = 40;
/// Most of a title and of a row's facts that is shown, in bytes.
const TITLE_BYTES_MAX: usize = 240;
const FACTS_BYTES_MAX: usize = 160;
const OWNER_BYTES_MAX: usize = 64;
/// Labels shown of a row, and of all rows together.
const CHIPS_MAX: usize = 3;
const SHARED_MAX: usize = 8;
/// Bytes of all labels shown on a page.
const CHIPS_BYTES_MAX: usize = 20 * 1024;
/// A label that is longer is not shown in the list.
const CHIP_CHARS_MAX: usize = 48;
/// Services and owners that are offered.
const OFFERED_MAX: usize = 20;

#[derive(Template)]
#[template(path = "incidents.html")]
struct Incidents {
    page: Page,
    tabs: Vec<Tab>,
    search: String,
    facets: Vec<Facet>,
    /// Labels that were chosen; a click takes one away.
    chosen: Vec<Chip>,
    /// Labels that all rows have.
    shared: Vec<Chip>,
    rows: Vec<Row>,
    /// Whether anything was chosen: nothing found means another thing then.
    is_filtered: bool,
    /// The search passed over so much that it stopped: older ones may fit.
    is_cut: bool,
    next: Option<String>,
    may_act: bool,
    /// Who looks, where their name can be an owner's: an e-mail address.
    me: Option<String>,
    resolutions: Vec<Choice>,
}

struct Tab {
    label: &'static str,
    href: String,
    is_current: bool,
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

/// A label, and where a click leads.
struct Chip {
    text: String,
    /// As it stands in an address.
    label: String,
    href: String,
}

struct Row {
    id: String,
    href: String,
    title: String,
    severity: SeverityTag,
    status: StatusTag,
    facts: String,
    chips: Vec<Chip>,
    owner: String,
    history: History,
    opened: Ago,
}

/// `GET /incidents`.
pub(super) async fn page(State(app): State<App>, viewer: Viewer, query: Query) -> Shown {
    let mut filter = incident_filter(&query)?;
    let view = View::of(&query);
    filter.owner = Some(view.one("owner"))
        .filter(|owner| !owner.is_empty())
        .map(|owner| if owner == NOBODY { String::new() } else { owner.to_owned() });
    let mut asked = query.page()?;
    asked.limit = asked.limit.min(ROWS_MAX);
    let found = app.store().incidents(filter, asked).await?;
    let counts = app.store().incident_counts().await?;
    let (now, rows) = (app.now(), found.data);
    let (shared, mut room) = (shared_labels(&rows), CHIPS_BYTES_MAX);
    let next = found.next_cursor.map(|cursor| view.address(Some(&cursor.to_string())));
    show(&Incidents {
        page: viewer.page("Incidents", view.twin()),
        tabs: tabs(&viewer, &view),
        search: view.one("q").to_owned(),
        facets: facets(&app, &viewer, &view, &rows, &counts),
        chosen: view.labels().map(|label| chip(label, view.without(label).address(None))).collect(),
        is_filtered: !view.is_empty(),
        is_cut: rows.is_empty() && next.is_some(),
        next,
        shared: chips(&shared, &view, SHARED_MAX, &mut room),
        rows: rows.iter().map(|incident| row(incident, &shared, &view, &mut room, now)).collect(),
        may_act: viewer.may(Scope::Operate),
        me: Some(viewer.user().name.clone()).filter(|name| name.contains('@')),
        resolutions: resolutions(),
    })
}

fn tabs(viewer: &Viewer, view: &View) -> Vec<Tab> {
    let me = viewer.user().name.as_str();
    let tab = |label, pairs: &[(&'static str, &str)]| Tab {
        label,
        href: address_of(pairs),
        is_current: view.is(pairs),
    };
    vec![
        tab("All", &[]),
        tab("Unresolved", &[("status", "unresolved")]),
        tab("Not acknowledged", &[("status", "open")]),
        tab("Mine", &[("status", "unresolved"), ("owner", me)]),
        tab("Resolved", &[("status", "resolved")]),
    ]
}

fn facets(
    app: &App,
    viewer: &Viewer,
    view: &View,
    rows: &[Incident],
    counts: &[IncidentCount],
) -> Vec<Facet> {
    let me = viewer.user().name.as_str();
    let integrations = app.engine.integrations();
    let platforms =
        integrations.iter().map(|one| one.platform.as_str()).chain([bugle_platforms::bugle::SLUG]);
    let services = rows.iter().filter_map(|row| row.service.as_deref());
    let owners = rows.iter().filter_map(|row| row.owner.as_deref()).filter(|owner| *owner != me);
    let owners = [(me, "Mine"), (NOBODY, "Nobody's")].into_iter().chain(offered(owners));
    vec![
        facet("status", "Any status", counted_statuses(view, counts), view),
        facet("severity", "Any severity", counted_severities(view, counts), view),
        facet("platform", "Any platform", written(offered(platforms)), view),
        facet("service", "Any service", written(offered(services)), view),
        facet("owner", "Any owner", written(owners), view),
    ]
}

/// Words to choose from, each once.
fn offered<'w>(words: impl Iterator<Item = &'w str>) -> impl Iterator<Item = (&'w str, &'w str)> {
    words
        .filter(|word| word.len() <= TITLE_BYTES_MAX)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .take(OFFERED_MAX)
        .map(|word| (word, word))
}

fn written<'w>(pairs: impl Iterator<Item = (&'w str, &'w str)>) -> Vec<(String, String)> {
    pairs.map(|(value, label)| (value.to_owned(), label.to_owned())).collect()
}

/// Which statuses a choice is of.
type IsMeant = fn(IncidentStatus) -> bool;

/// Counts are told where they are known: with what else is chosen, only those of status and severity are.
fn counted_statuses(view: &View, counts: &[IncidentCount]) -> Vec<(String, String)> {
    use IncidentStatus as S;
    let kinds: [(&str, &str, IsMeant); 5] = [
        ("unresolved", "Unresolved", |status| !status.is_resolved()),
        ("open", "Open", |status| status == S::Open),
        ("acknowledged", "Acknowledged", |status| status == S::Acknowledged),
        ("work_in_progress", "In progress", |status| status == S::WorkInProgress),
        ("resolved", "Resolved", |status| status.is_resolved()),
    ];
    let severity = view.one("severity");
    let is_counted = view.is_only(&["status", "severity"]);
    let label = |label: &str, is_meant: IsMeant| {
        let meant = counts.iter().filter(|one| is_meant(one.status));
        let meant = meant.filter(|one| severity.is_empty() || one.severity.as_str() == severity);
        labelled(label, is_counted.then(|| meant.map(|one| one.count).sum()))
    };
    kinds.into_iter().map(|(value, text, is_meant)| (value.to_owned(), label(text, is_meant))).collect()
}

fn counted_severities(view: &View, counts: &[IncidentCount]) -> Vec<(String, String)> {
    let status = view.one("status");
    let is_counted = view.is_only(&["status", "severity"]) && !status.contains(',');
    let is_meant = |one: &IncidentCount| match status {
        "" => true,
        "unresolved" => !one.status.is_resolved(),
        "resolved" => one.status.is_resolved(),
        word => one.status.as_str() == word,
    };
    let label = |severity: Severity| {
        let of_it = counts.iter().filter(|one| one.severity == severity && is_meant(one));
        labelled(severity_label(severity), is_counted.then(|| of_it.map(|one| one.count).sum()))
    };
    Severity::ALL.map(|severity| (severity.as_str().to_owned(), label(severity))).into()
}

fn labelled(label: &str, known: Option<u64>) -> String {
    known.map_or_else(|| label.to_owned(), |known| format!("{label} ({})", count(known)))
}

fn facet(name: &'static str, any: &'static str, choices: Vec<(String, String)>, view: &View) -> Facet {
    let chosen = view.one(name);
    let mut all = vec![(String::new(), any.to_owned())];
    all.extend(choices);
    if !all.iter().any(|(value, _)| value == chosen) {
        // What came with a shared address is shown, though it is not offered.
        all.push((chosen.to_owned(), cut(chosen, FACTS_BYTES_MAX)));
    }
    let choice = |(value, label): (String, String)| Choice { is_chosen: value == chosen, value, label };
    Facet { name, label: any, choices: all.into_iter().map(choice).collect() }
}

/// The labels that all rows have; none of a single row, which shows its own.
fn shared_labels(rows: &[Incident]) -> Labels {
    let Some((first, others)) = rows.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Labels::new();
    };
    let has =
        |row: &Incident, name: &str, value: &str| row.labels.get(name).is_some_and(|known| known == value);
    let is_shared = |name: &str, value: &str| others.iter().all(|row| has(row, name, value));
    first
        .labels
        .iter()
        .filter(|(name, value)| is_shared(name, value))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect()
}

/// Labels as chips that choose them. One that is chosen stands above the list already; one whose name holds a colon could
/// not be asked for.
fn chips(labels: &Labels, view: &View, shown_max: usize, room: &mut usize) -> Vec<Chip> {
    let fits = |(name, value): &(&String, &String)| {
        !name.contains(':')
            && !value.is_empty()
            && name.chars().count() + value.chars().count() < CHIP_CHARS_MAX
    };
    let texts = labels.iter().filter(fits).map(|(name, value)| format!("{name}:{value}"));
    let others = texts.filter(|label| !view.labels().any(|chosen| chosen == label));
    let chips = others.take(shown_max).map(|label| chip(&label, view.with(&label).address(None)));
    let has_room = |chip: &Chip| {
        let left = room.checked_sub(bytes_of(&chip.text) + bytes_of(&chip.href));
        *room = left.unwrap_or_default();
        left.is_some()
    };
    chips.take_while(has_room).collect()
}

/// Bytes of a text in a page.
fn bytes_of(text: &str) -> usize {
    text.chars().map(excerpt::weight).sum()
}

fn chip(label: &str, href: String) -> Chip {
    let (name, value) = label.split_once(':').unwrap_or((label, ""));
    Chip { text: cut(&format!("{name}: {value}"), FACTS_BYTES_MAX), label: label.to_owned(), href }
}

fn row(incident: &Incident, shared: &Labels, view: &View, room: &mut usize, now: Timestamp) -> Row {
    let alerts = counted(incident.alerts.total.into(), "alert", "alerts");
    let facts = [
        Some(incident.platform.as_str()),
        incident.service.as_deref(),
        incident.host.as_deref(),
        Some(&alerts),
    ];
    let own: Labels = incident
        .labels
        .iter()
        .filter(|(name, value)| !shared.contains_key(*name) && !says_no_more(incident, value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Row {
        id: incident.id.to_string(),
        href: format!("/incidents/{}", incident.id),
        title: cut(&incident.title, TITLE_BYTES_MAX),
        severity: SeverityTag(incident.severity),
        status: StatusTag(incident.status),
        facts: cut(&facts.into_iter().flatten().collect::<Vec<_>>().join(" · "), FACTS_BYTES_MAX),
        chips: chips(&own, view, CHIPS_MAX, room),
        owner: cut(incident.owner.as_deref().unwrap_or_default(), OWNER_BYTES_MAX),
        history: History::of(incident, now),
        opened: Ago { at: incident.opened_at, now },
    }
}

/// Whether the row says this already.
fn says_no_more(incident: &Incident, value: &str) -> bool {
    let said = [Some(incident.title.as_str()), incident.service.as_deref(), incident.host.as_deref()];
    said.contains(&Some(value))
}

fn resolutions() -> Vec<Choice> {
    let all = IncidentStatus::ALL.into_iter().filter(|status| status.is_resolved());
    let choice = |status: IncidentStatus| Choice {
        value: status.as_str().to_owned(),
        label: status_label(status).to_owned(),
        is_chosen: status == IncidentStatus::Fixed,
    };
    all.map(choice).collect()
}

#[cfg(test)]
mod tests {
    use bugle_model::IntegrationId;
    use bugle_store::conformance::sample;

    use super::*;

    fn view(uri: &str) -> View {
        View::of(&Query::of(&uri.parse().unwrap()))
    }

    #[test]
    fn counts_are_told_where_they_are_known() {
        let of = |status, severity, count| IncidentCount { status, severity, count };
        let counts = [
            of(IncidentStatus::Open, Severity::High, 2),
            of(IncidentStatus::Acknowledged, Severity::Low, 3),
            of(IncidentStatus::Fixed, Severity::High, 4_000),
        ];
        let labels =
            |pairs: Vec<(String, String)>| pairs.into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(
            labels(counted_statuses(&view("/?severity=high"), &counts)),
            ["Unresolved (2)", "Open (2)", "Acknowledged (0)", "In progress (0)", "Resolved (4,000)"]
        );
        assert_eq!(
            labels(counted_severities(&view("/?status=unresolved"), &counts)),
            ["Critical (0)", "High (2)", "Medium (0)", "Low (3)", "Info (0)"]
        );
        assert_eq!(
            labels(counted_severities(&view("/?q=a"), &counts)),
            ["Critical", "High", "Medium", "Low", "Info"]
        );
    }

    #[test]
    fn labels_that_all_share_are_told_once() {
        let labelled = |id, labels: &[(&str, &str)]| Incident {
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..sample::incident(id, IntegrationId::from_i64(1))
        };
        let rows = [
            labelled(1, &[("env", "prod"), ("a", "1")]),
            labelled(2, &[("env", "prod"), ("a", "2"), ("b:c", "3")]),
        ];
        let shared = shared_labels(&rows);
        assert_eq!(shared.keys().collect::<Vec<_>>(), ["env"]);
        let chips = row(&rows[1], &shared, &view("/?q=x"), &mut 1_000, sample::NOON).chips;
        assert_eq!(
            chips.iter().map(|chip| chip.href.as_str()).collect::<Vec<_>>(),
            ["/incidents?q=x&label=a%3A2"]
        );
        assert!(
            row(&rows[1], &shared, &view("/"), &mut 9, sample::NOON).chips.is_empty(),
            "no room, no chips"
        );
        assert!(shared_labels(&rows[..1]).is_empty(), "one row has its own");
    }
}
