//! `/destinations/new` and `/destinations/{id}/edit`: a form made from the dialect's settings, beside what would be sent.

use std::fmt::{self, Display, Formatter};

use askama::{Template, filters::HtmlSafe};
use axum::extract::State;
use bugle_model::{
    CircuitPolicy, Destination, EventKind, RetryPolicy, Scope, Severity,
    destination::{Filter, OnOpen},
};
use bugle_platforms::{Dialect, dialect::Wishes, table};
use serde_json::{Value, json};

use super::{
    format::{escaped, severity_label},
    page::{Page, Shown, show},
    session::Viewer,
};
use crate::{
    app::App,
    error::ApiError,
    input::{PathOf, Query},
    routes::shown_headers,
};

/// Past events to choose from for the preview.
const EVENTS_OFFERED: u32 = 25;
/// Sources to choose from; a filter by more is made through the API.
const SOURCES_OFFERED: usize = 60;

#[derive(Template)]
#[template(path = "destination_gallery.html")]
struct Gallery {
    page: Page,
    own: Vec<Card>,
    vendors: Vec<Card>,
}

/// A dialect to choose.
struct Card {
    href: String,
    title: &'static str,
    doc: String,
}

#[derive(Template)]
#[template(path = "destination_form.html")]
struct Form {
    page: Page,
    /// Of the one that is changed; empty for a new one.
    id: String,
    dialect: &'static str,
    dialect_doc: String,
    name: String,
    url: String,
    secret_hint: Option<&'static str>,
    settings: Vec<SettingField>,
    /// The body it wants, for the dialect that has one.
    template: Option<String>,
    headers: String,
    events: Vec<Choice>,
    severities: Vec<Choice>,
    platforms: Vec<Choice>,
    sources: Vec<Choice>,
    labels: String,
    methods: Vec<Choice>,
    retry: RetryPolicy,
    circuit: CircuitPolicy,
    on_open: Vec<Choice>,
    concurrency: u16,
    timeout_ms: u32,
    past_events: Vec<Choice>,
}

struct SettingField {
    name: &'static str,
    label: String,
    doc: Doc,
    /// Its values, when there are only a few.
    choices: &'static [&'static str],
    value: String,
}

struct Choice {
    value: String,
    label: String,
    is_chosen: bool,
}

impl Choice {
    fn new(value: impl Into<String>, label: impl Into<String>, is_chosen: bool) -> Self {
        Self { value: value.into(), label: label.into(), is_chosen }
    }
}

/// A setting's sentence; what stands between backticks is code.
struct Doc(&'static str);

impl HtmlSafe for Doc {}
impl Display for Doc {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (place, piece) in self.0.split('`').enumerate() {
            if place % 2 == 0 {
                write!(f, "{}", escaped(piece))?;
            } else {
                write!(f, "<code>{}</code>", escaped(piece))?;
            }
        }
        Ok(())
    }
}

/// `GET /destinations/new`: first the dialect, then the rest.
pub(super) async fn new(State(app): State<App>, viewer: Viewer, query: Query) -> Shown {
    let Some(slug) = query.one("dialect") else {
        let page = viewer.page("Add a destination", "/api/v1/destinations");
        let (own, vendors) = table::DIALECTS.iter().partition::<Vec<_>, _>(|dialect| is_own(dialect.slug()));
        let cards =
            |dialects: Vec<&&'static dyn Dialect>| dialects.into_iter().map(|one| card(*one)).collect();
        return show(&Gallery { page, own: cards(own), vendors: cards(vendors) });
    };
    let dialect = table::dialect(slug).ok_or_else(|| ApiError::not_found("dialect", slug))?;
    let page = viewer.page(format!("Add a destination: {}", dialect.title()), "/api/v1/destinations");
    let mut form = form(&app, page, dialect, &Filter::default()).await?;
    form.secret_hint = Some(secret_hint(dialect));
    form.retry = dialect.retry();
    form.circuit = dialect.circuit();
    form.on_open = on_open(&form.circuit);
    show(&form)
}

/// `GET /destinations/{id}/edit`.
pub(super) async fn edit(State(app): State<App>, viewer: Viewer, PathOf(id): PathOf<String>) -> Shown {
    let (one, _) = app.engine.destination(&id)?;
    let dialect = table::dialect(&one.dialect).ok_or_else(|| ApiError::not_found("dialect", &one.dialect))?;
    let page = viewer.page(format!("Change {}", one.name), format!("/api/v1/destinations/{id}"));
    let mut form = form(&app, page, dialect, &one.filter).await?;
    fill(&mut form, &one);
    show(&form)
}

/// What is there already.
fn fill(form: &mut Form, one: &Destination) {
    form.id = one.id.to_string();
    form.name.clone_from(&one.name);
    form.url = one.shown_url();
    for field in &mut form.settings {
        field.value = match one.settings.get(field.name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
    }
    form.template = form.template.take().map(|_| one.template.as_ref().map_or_else(String::new, pretty));
    let headers = shown_headers(&one.headers);
    form.headers = lines(headers.iter().map(|(name, value)| (*name, *value)));
    form.events = events(&one.events);
    form.labels = lines(one.filter.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    form.methods = methods(&one.method);
    form.retry = one.retry.clone();
    form.circuit = one.circuit_policy.clone();
    form.on_open = on_open(&one.circuit_policy);
    form.concurrency = one.concurrency;
    form.timeout_ms = one.timeout_ms;
}

async fn form(
    app: &App,
    page: Page,
    dialect: &'static dyn Dialect,
    filter: &Filter,
) -> Result<Form, ApiError> {
    let past = app.store().latest_events(EVENTS_OFFERED).await?;
    let past_events = past.into_iter().map(|event| {
        let place = json!({"incident_id": event.incident_id, "sequence": event.sequence});
        let title: String = event.incident.title.chars().take(70).collect();
        Choice::new(place.to_string(), format!("{}: {title}", event.kind.as_str()), false)
    });
    let settings = dialect.settings().iter().map(|setting| SettingField {
        name: setting.name,
        label: label(setting.name),
        doc: Doc(setting.doc),
        choices: setting.choices,
        value: String::new(),
    });
    Ok(Form {
        page,
        id: String::new(),
        dialect: dialect.slug(),
        dialect_doc: dialect_doc(dialect),
        name: String::new(),
        url: String::new(),
        secret_hint: None,
        settings: settings.collect(),
        template: (dialect.slug() == "template").then(|| TEMPLATE_BEGUN.to_owned()),
        headers: String::new(),
        events: events(&[]),
        severities: severities(&filter.severities),
        platforms: platforms(app, filter),
        sources: sources(app, filter),
        labels: String::new(),
        methods: methods("POST"),
        retry: RetryPolicy::default(),
        circuit: CircuitPolicy::default(),
        on_open: Vec::new(),
        concurrency: 16,
        timeout_ms: 15_000,
        past_events: past_events.collect(),
    })
}

/// Where somebody who writes a template begins.
const TEMPLATE_BEGUN: &str = r#"{
  "id": "{{incident.id}}",
  "title": "{{incident.title}}",
  "severity": "{{incident.severity}}",
  "status": "{{incident.status}}"
}"#;

fn is_own(slug: &str) -> bool {
    matches!(slug, "standard-webhooks" | "template")
}

fn card(dialect: &'static dyn Dialect) -> Card {
    Card {
        href: format!("/destinations/new?dialect={}", dialect.slug()),
        title: dialect.title(),
        doc: dialect_doc(dialect),
    }
}

fn dialect_doc(dialect: &dyn Dialect) -> String {
    match dialect.slug() {
        "standard-webhooks" => {
            "Bugle's own document, signed as the Standard Webhooks specification says. Take this \
                                unless the receiver wants another."
                .to_owned()
        }
        "template" => {
            "A JSON body of your own making, with placeholders such as {{incident.title}}.".to_owned()
        }
        _ => format!("Written as {0} writes its own webhooks, for receivers that know {0}.", dialect.title()),
    }
}

fn secret_hint(dialect: &dyn Dialect) -> &'static str {
    let empty = serde_json::Map::new();
    let headers = std::collections::BTreeMap::new();
    let wishes = Wishes { template: None, headers: &headers, settings: &empty, secret: None };
    if dialect.needs_secret(&wishes) {
        "Requests are signed with it. Empty: one is made, and shown once."
    } else if dialect.scheme(&empty).is_some() {
        "Requests are signed with it. Empty: they are not signed, unless a placeholder needs one."
    } else {
        "Only needed where a header says {{api_token}}."
    }
}

/// `signature_header` as people read it: `Signature header`.
fn label(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn lines<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    pairs.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n")
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn events(chosen: &[EventKind]) -> Vec<Choice> {
    let label_of = |kind: EventKind| label(kind.as_str().trim_start_matches("incident."));
    let choice = |kind: &EventKind| Choice::new(kind.as_str(), label_of(*kind), chosen.contains(kind));
    EventKind::ALL.iter().map(choice).collect()
}

fn severities(chosen: &[Severity]) -> Vec<Choice> {
    let choice = |one: Severity| Choice::new(one.as_str(), severity_label(one), chosen.contains(&one));
    Severity::ALL.into_iter().map(choice).collect()
}

fn platforms(app: &App, filter: &Filter) -> Vec<Choice> {
    let used = app.engine.integrations().into_iter().map(|one| one.platform.clone());
    let mut slugs: Vec<_> = used.chain(filter.platforms.iter().cloned()).collect();
    slugs.sort_unstable();
    slugs.dedup();
    let title = |slug: &str| table::source(slug).map_or(slug, |source| source.title()).to_owned();
    let choice = |slug: String| Choice::new(slug.clone(), title(&slug), filter.platforms.contains(&slug));
    slugs.into_iter().map(choice).collect()
}

fn sources(app: &App, filter: &Filter) -> Vec<Choice> {
    let mut choices: Vec<_> = app
        .engine
        .integrations()
        .iter()
        .map(|one| Choice::new(one.id.to_string(), one.name.clone(), filter.integrations.contains(&one.id)))
        .collect();
    // What is chosen must be there, else saving would drop it.
    choices.sort_by_key(|choice| !choice.is_chosen);
    choices.truncate(SOURCES_OFFERED.max(filter.integrations.len()));
    choices
}

fn methods(chosen: &str) -> Vec<Choice> {
    ["POST", "PUT", "PATCH"].map(|method| Choice::new(method, method, method == chosen)).into()
}

fn on_open(policy: &CircuitPolicy) -> Vec<Choice> {
    vec![
        Choice::new("pause", "Wait, and try from time to time", policy.on_open == OnOpen::Pause),
        Choice::new("disable", "Disable it until somebody enables it", policy.on_open == OnOpen::Disable),
    ]
}

/// Who may make and change destinations.
pub(super) const NEEDS: Scope = Scope::Admin;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docs_show_code_and_nothing_else_as_markup() {
        assert_eq!(Doc("`a<b`: x & y").to_string(), "<code>a&#60;b</code>: x &#38; y");
        for dialect in table::DIALECTS {
            for setting in dialect.settings() {
                assert_eq!(setting.doc.matches('`').count() % 2, 0, "{}", setting.doc);
            }
        }
    }

    #[test]
    fn names_are_read_as_words() {
        assert_eq!((label("signature_header").as_str(), label("")), ("Signature header", String::new()));
    }
}
