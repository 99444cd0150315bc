//! The incident's alerts, and the chosen one with all that its source said: as Bugle understood it and as it was sent.

use bugle_model::{Alert, AlertId, Incident, Timestamp, alert::AlertStatus, signal::Patch};

use super::super::{
    excerpt::{Json, cut},
    format::{Ago, Copyable, SeverityTag, Tag, counted},
};

/// Longest text of a title, a name or a value.
const TEXT_BYTES_MAX: usize = 300;
/// Most labels, and most annotations, of an alert.
const LABELS_MAX: usize = 24;
/// Longest JSON on either side; the API and the receipt have all of it.
const JSON_BYTES_MAX: usize = 10_000;

/// One of the incident's alerts.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) href: String,
    pub(super) title: String,
    pub(super) severity: SeverityTag,
    pub(super) state: Tag<'static>,
    pub(super) place: String,
    pub(super) since: Ago,
    pub(super) is_chosen: bool,
}

/// The alert that is looked at.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) title: String,
    pub(super) severity: SeverityTag,
    pub(super) state: Tag<'static>,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) since: Ago,
    pub(super) ended: Option<Ago>,
    pub(super) last_seen: Ago,
    pub(super) fingerprint: Copyable,
    pub(super) labels: Vec<(String, String)>,
    pub(super) annotations: Vec<(String, String)>,
    pub(super) links: Vec<(String, String)>,
    pub(super) normalised: Json,
    pub(super) raw: Option<Json>,
}

/// The one that was asked for, else the worst that is not over; of several, the first.
pub(super) fn choose(alerts: &[Alert], wanted: Option<AlertId>) -> Option<&Alert> {
    let asked_for = alerts.iter().find(|alert| Some(alert.id) == wanted);
    asked_for.or_else(|| alerts.iter().rev().max_by_key(|alert| (is_firing(alert), alert.severity)))
}

fn is_firing(alert: &Alert) -> bool {
    alert.status != AlertStatus::Resolved
}

/// What an alert is called: its source may give it no title. Where it is called as its incident, its place tells more.
pub(super) fn title(alert: &Alert, incident: &Incident) -> String {
    let title = if alert.signal.title.is_empty() { &alert.fingerprint } else { &alert.signal.title };
    let place = place(alert);
    if *title == incident.title && incident.alerts.total > 1 && !place.is_empty() {
        place
    } else {
        title.clone()
    }
}

pub(super) fn row(
    alert: &Alert,
    incident: &Incident,
    href: String,
    chosen: Option<AlertId>,
    now: Timestamp,
) -> Row {
    let (title, place) = (short(&title(alert, incident)), short(&place(alert)));
    Row {
        href,
        severity: SeverityTag(alert.severity),
        state: state(alert),
        place: if place == title { String::new() } else { place },
        title,
        since: Ago { at: since(alert), now },
        is_chosen: Some(alert.id) == chosen,
    }
}

/// What tells it from the incident's other alerts: its host, else its entity, else its service.
fn place(alert: &Alert) -> String {
    let signal = &alert.signal;
    let entity = signal.entity.as_ref().map(|entity| entity.name.as_str());
    signal.host.as_deref().or(entity).or(signal.service.as_deref()).unwrap_or_default().to_owned()
}

fn since(alert: &Alert) -> Timestamp {
    alert.signal.started_at.unwrap_or(alert.first_seen_at)
}

const fn state(alert: &Alert) -> Tag<'static> {
    match alert.status {
        AlertStatus::Firing => Tag { tone: "bad", text: "Firing" },
        AlertStatus::Acknowledged => Tag { tone: "warn", text: "Acknowledged at the source" },
        AlertStatus::Resolved => Tag { tone: "good", text: "Over" },
    }
}

/// Where it is the only one, what the incident itself tells is not told again.
pub(super) fn chosen(alert: &Alert, incident: &Incident, now: Timestamp) -> Chosen {
    let is_one_of_many = incident.alerts.total > 1;
    let signal = &alert.signal;
    let raw = signal.raw.as_ref().map(|raw| Json::of(raw.get(), JSON_BYTES_MAX));
    let mut normalised = signal.clone();
    normalised.raw = None;
    let normalised = serde_json::to_string(&normalised).unwrap_or_default();
    let ago = |at| Ago { at, now };
    Chosen {
        title: short(&title(alert, incident)),
        severity: SeverityTag(alert.severity),
        state: state(alert),
        facts: facts(alert, is_one_of_many),
        since: ago(since(alert)),
        ended: signal.ended_at.filter(|_| !is_firing(alert)).map(ago),
        last_seen: ago(alert.last_seen_at),
        fingerprint: Copyable(short(&alert.fingerprint)),
        labels: if is_one_of_many { pairs(&signal.labels) } else { Vec::new() },
        annotations: pairs(&signal.annotations),
        links: if is_one_of_many { links(&signal.links) } else { Vec::new() },
        normalised: Json::of(&normalised, JSON_BYTES_MAX),
        raw,
    }
}

/// What is known beside the moments, as far as it is known.
fn facts(alert: &Alert, is_one_of_many: bool) -> Vec<(&'static str, String)> {
    let signal = &alert.signal;
    let entity = signal.entity.as_ref().map(|entity| {
        let name = entity.path.as_deref().unwrap_or(&entity.name);
        format!("{name} ({})", entity.kind)
    });
    let words = [signal.status_text.as_deref(), signal.severity_text.as_deref()];
    let words = words.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let owner = match &signal.source.owner {
        Patch::Set(owner) => Some(owner.clone()),
        Patch::Unchanged | Patch::Cleared => None,
    };
    let told = counted(alert.signals, "time", "times");
    let told = if alert.cycle > 1 { format!("{told}, fired {} times", alert.cycle) } else { told };
    let known = [
        ("About", entity.filter(|_| is_one_of_many)),
        ("Service", signal.service.clone().filter(|_| is_one_of_many)),
        ("Host", signal.host.clone().filter(|_| is_one_of_many)),
        ("Its source says", Some(words).filter(|words| !words.is_empty())),
        ("Owner at the source", owner),
        ("Heard of", Some(told)),
    ];
    known.into_iter().filter_map(|(name, value)| Some((name, short(&value?)))).collect()
}

/// The first labels or annotations, as they may be shown.
pub(super) fn pairs(labels: &bugle_model::signal::Labels) -> Vec<(String, String)> {
    labels.iter().take(LABELS_MAX).map(|(name, value)| (short(name), short(value))).collect()
}

/// Pages to open, with what they are. The address is the whole one: a cut one leads elsewhere.
pub(super) fn links(links: &[bugle_model::signal::Link]) -> Vec<(String, String)> {
    let fits = |url: &str| url.len() <= 2_048 && (url.starts_with("https://") || url.starts_with("http://"));
    let shown = links.iter().filter(|link| fits(&link.url)).take(8);
    shown.map(|link| (short(&link.label), link.url.clone())).collect()
}

fn short(text: &str) -> String {
    cut(text, TEXT_BYTES_MAX)
}
