//! What happens at each source: its sample's life and its fixtures' life, with people acting in between.

use std::{fs, path::Path};

use bugle_model::{
    Event, IncidentId, IncidentStatus, Timestamp,
    incident::{DeclaredSeverity, Ticket},
    lifecycle::Action,
};
use bugle_platforms::{Source, source::SamplePhase, table::SOURCES};
use serde_json::Map;

use crate::world::{BEGIN, Call, World};

/// The events that a source's calls and people's actions made.
pub(crate) struct Story {
    /// The platform, and whose life it is.
    pub(crate) name: String,
    pub(crate) events: Vec<Event>,
}

/// Two stories of every source.
pub(crate) fn all() -> Vec<Story> {
    let story = |source: &dyn Source, what: &str, world: World| Story {
        name: format!("{} {what}", source.slug()),
        events: world.events,
    };
    SOURCES
        .iter()
        .flat_map(|source| {
            [
                story(*source, "sample", lived(*source, &samples(*source))),
                story(*source, "fixture", lived(*source, &fixtures(*source))),
            ]
        })
        .collect()
}

/// It begins, changes, is handled by people, ends, and a person has second thoughts.
fn lived(source: &'static dyn Source, calls: &[Call; 3]) -> World {
    let [firing, update, resolved] = calls;
    let mut world = World::new(source);
    world.call(firing);
    let id = world.incidents.first().unwrap_or_else(|| panic!("{}: nothing began", source.slug())).id;
    world.call(update);
    for action in while_it_lasts() {
        world.act(id, action);
    }
    world.call(resolved);
    for action in afterwards() {
        world.act(id, action);
    }
    assert!(world.incidents.iter().any(|incident| incident.id == id && incident.is_resolved()));
    world
}

fn while_it_lasts() -> Vec<Action> {
    let ticket = |key: &str| Ticket {
        system: "jira".into(),
        key: key.into(),
        url: format!("https://jira.example.net/browse/{key}"),
    };
    vec![
        Action::SetStatus(IncidentStatus::Open),
        Action::Acknowledge,
        Action::SetStatus(IncidentStatus::WorkInProgress),
        Action::SetOwner(Some("noor@example.net".into())),
        Action::AttachTicket(ticket("OPS-41")),
        Action::DeclareSeverity(DeclaredSeverity::Sev1),
        Action::ClearSeverity,
        Action::DeclareSeverity(DeclaredSeverity::Sev3),
        Action::Comment("Łukasz: \"half\" of it is back 🎺".into()),
        Action::SetOwner(None),
    ]
}

fn afterwards() -> Vec<Action> {
    vec![
        Action::Reopen,
        Action::Resolve { resolution: IncidentStatus::Expected, comment: Some("a drill".into()) },
        Action::SetStatus(IncidentStatus::FalsePositive),
    ]
}

/// A sample's life, one minute a phase.
fn samples(source: &dyn Source) -> [Call; 3] {
    let mut minutes = 0;
    [SamplePhase::Firing, SamplePhase::Update, SamplePhase::Resolved].map(|phase| {
        let at = Timestamp::from_seconds(BEGIN.as_seconds() + 60 * minutes);
        minutes += 1;
        let sample = source.sample(phase, "disk/web-04", at);
        Call { headers: sample.headers, ..Call::json(sample.body) }
    })
}

/// The fixtures that tell one alert's life: the shortest name of each kind.
fn fixtures(source: &dyn Source) -> [Call; 3] {
    ["firing", "update", "resolved"].map(|kind| fixture(source.slug(), kind))
}

/// One fixture of the platforms' rooms, whose format is described there.
pub(crate) fn fixture(slug: &str, name: &str) -> Call {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bugle-platforms/fixtures");
    let path = folder.join(slug).join(format!("{name}.http"));
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap();
    let (head, body) = bytes.split_at(end);
    let mut call =
        Call { headers: Vec::new(), settings: Map::new(), ..Call::json(body.split_at(2).1.to_vec()) };
    for line in str::from_utf8(head).unwrap().lines() {
        let (name, value) = line.split_once(':').unwrap();
        match name {
            "# query" => value.trim().clone_into(&mut call.query),
            "# settings" => call.settings = serde_json::from_str(value).unwrap(),
            name if name.starts_with('#') => {}
            name => call.headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
        }
    }
    call
}

/// The incidents of a story, each with its events in order.
pub(crate) fn by_incident(story: &Story) -> Vec<(IncidentId, Vec<&Event>)> {
    let mut incidents: Vec<(IncidentId, Vec<&Event>)> = Vec::new();
    for event in &story.events {
        match incidents.iter_mut().find(|(id, _)| *id == event.incident_id) {
            Some((_, events)) => events.push(event),
            None => incidents.push((event.incident_id, vec![event])),
        }
    }
    incidents
}
