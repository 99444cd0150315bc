//! Out in a platform's dialect, in again as that platform: a second hub that hears only what the first one tells must see
//! the same incident. What a format cannot say is in [`PLATFORMS`], with the reason.

use bugle_model::{Event, Incident, IncidentStatus as S, Severity, Signal, Timestamp};
use bugle_platforms::{
    Dialect,
    table::{self, DIALECTS},
};

use crate::{
    matrix::{INCIDENT_URL, render},
    stories::{self, Story},
    world::{Call, World},
};

/// What comes back of an incident that left in a platform's dialect.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question to the format, with yes or no for an answer"
)]
struct Platform {
    slug: &'static str,
    /// The status that comes back.
    status: fn(S) -> S,
    /// The severity that comes back; `None` where the format has none.
    severity: Option<fn(Severity) -> Severity>,
    /// Whether owners, and severities that people declared, have fields.
    handling: bool,
    /// Whether times have fields.
    times: bool,
    /// Whether a page has a field.
    link: bool,
    /// Whether each event tells all of an incident that came from the platform.
    own_is_whole: bool,
}

const PLATFORMS: &[Platform] = &[
    // Three posts: it begins, it is analysed, it is over. Times are in whole seconds; nothing holds an address.
    Platform {
        slug: "anomify",
        status: resolved_or_open,
        severity: Some(same_severity),
        handling: false,
        times: true,
        link: false,
        own_is_whole: true,
    },
    // An alert is open or closed, and has three severities.
    Platform {
        slug: "arcgis_monitor",
        status: resolved_or_open,
        severity: Some(one_of_three),
        handling: false,
        times: true,
        link: true,
        own_is_whole: true,
    },
    // Opened or resolved; labels say severity and that somebody has it. Declared severities are labels for people. Of its
    // own incidents an event names the monitor that caused it, none where a person acted, and never the others.
    Platform {
        slug: "metaplane",
        status: three_stages,
        severity: Some(same_severity),
        handling: false,
        times: true,
        link: true,
        own_is_whole: false,
    },
    // All that people do has its field; nothing says when, and only declared severities are told.
    Platform {
        slug: "montecarlo",
        status: |status| status,
        severity: None,
        handling: true,
        times: false,
        link: true,
        own_is_whole: true,
    },
    // The documented body has four fields.
    Platform {
        slug: "overwatch",
        status: three_stages,
        severity: Some(same_severity),
        handling: false,
        times: false,
        link: false,
        own_is_whole: true,
    },
];

const fn same_severity(severity: Severity) -> Severity {
    severity
}

const fn one_of_three(severity: Severity) -> Severity {
    match severity {
        Severity::Critical | Severity::High => Severity::Critical,
        Severity::Medium => Severity::Medium,
        Severity::Low | Severity::Info => Severity::Info,
    }
}

const fn resolved_or_open(status: S) -> S {
    if status.is_resolved() { S::Fixed } else { S::Open }
}

const fn three_stages(status: S) -> S {
    match status {
        S::Open => S::Open,
        S::Acknowledged | S::WorkInProgress => S::Acknowledged,
        _ => S::Fixed,
    }
}

#[test]
fn every_platform_that_goes_both_ways_is_listed() {
    let both = DIALECTS.iter().map(|dialect| dialect.slug()).filter(|slug| table::source(slug).is_some());
    assert!(both.eq(PLATFORMS.iter().map(|platform| platform.slug)));
}

#[test]
fn a_hub_that_hears_it_in_any_dialect_sees_the_same_incident() {
    let stories = stories::all();
    for platform in PLATFORMS {
        let dialect = table::dialect(platform.slug).unwrap();
        for story in &stories {
            for (_, events) in stories::by_incident(story) {
                check(platform, dialect, story, &events);
            }
        }
    }
}

fn check(platform: &Platform, dialect: &dyn Dialect, story: &Story, events: &[&Event]) {
    let mut other = World::new(table::source(platform.slug).unwrap());
    let mut told = 0;
    for event in events {
        let is_own = event.incident.platform == platform.slug;
        let is_whole = platform.own_is_whole || !is_own;
        if !is_whole && event.alert.is_none() {
            continue;
        }
        let Some(outbound) = render(dialect, event) else { continue };
        told += 1;
        let what = format!("{} as {} {}: {}", story.name, platform.slug, event.kind.as_str(), event.sequence);
        let decoded = other.call(&Call { headers: outbound.headers, ..Call::json(outbound.body) });
        assert_eq!((decoded.ignored, decoded.remark), (None, None), "{what}");
        assert!(!decoded.signals.is_empty(), "{what}: it says nothing");
        for signal in &decoded.signals {
            check_signal(platform, &what, signal, event);
        }
        // One incident, whatever happens to it: all that is told of it has the same identity.
        let heard = other.only();
        if is_whole {
            check_incident(platform, &what, heard, &event.incident);
        }
    }
    assert!(told > 0, "{} as {}: nothing is told", story.name, platform.slug);
}

fn check_signal(platform: &Platform, what: &str, signal: &Signal, event: &Event) {
    let incident = &event.incident;
    if let (Some(expected), Some(severity)) = (platform.severity, signal.severity) {
        assert_eq!(severity, expected(incident.severity), "{what}");
    }
    let alert = event.alert.as_deref();
    if platform.times {
        let began = [
            Some(incident.started_at),
            alert.and_then(|alert| alert.signal.started_at),
            alert.map(|alert| alert.first_seen_at),
        ];
        assert!(
            signal.started_at.is_none_or(|at| is_one_of(at, &began)),
            "{what}: began {:?}",
            signal.started_at
        );
        // Never before the beginning, whatever the source's clock says.
        let ended = [
            Some(incident.started_at),
            incident.resolved_at,
            alert.and_then(|alert| alert.signal.ended_at),
            Some(event.at),
        ];
        assert!(
            signal.ended_at.is_none_or(|at| is_one_of(at, &ended)),
            "{what}: ended {:?}",
            signal.ended_at
        );
    }
    if platform.link {
        let known = |url: &str| url == INCIDENT_URL || incident.links.iter().any(|link| link.url == url);
        assert!(signal.links.iter().all(|link| known(&link.url)), "{what}: {:?}", signal.links);
    }
}

/// Formats have seconds, or a few milliseconds that keep apart what happened at once.
fn is_one_of(at: Timestamp, moments: &[Option<Timestamp>]) -> bool {
    moments.iter().flatten().any(|moment| moment.as_millis().abs_diff(at.as_millis()) < 1000)
}

fn check_incident(platform: &Platform, what: &str, heard: &Incident, told: &Incident) {
    assert_eq!(heard.status, (platform.status)(told.status), "{what}");
    if let Some(expected) = platform.severity.filter(|_| !told.is_resolved()) {
        assert_eq!(heard.severity, expected(told.severity), "{what}");
    }
    if platform.handling {
        assert_eq!(heard.owner, told.owner, "{what}");
        assert_eq!(heard.declared_severity, told.declared_severity, "{what}");
    }
    if platform.times {
        let alike = heard.started_at.as_millis().abs_diff(told.started_at.as_millis()) < 1000;
        assert!(alike, "{what}: {} instead of {}", heard.started_at, told.started_at);
    }
    if platform.link {
        assert!(!heard.links.is_empty(), "{what}: no page");
    }
}
