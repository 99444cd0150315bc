//! Every platform against its fixtures: real-looking calls, read from `fixtures/<slug>/`.
//!
//! A fixture is a file `<kind>.http` or `<kind>_<what>.http`: directives (`# secret: ...`, `# query: ...`,
//! `# settings: {...}`, `# at: <RFC 3339>`), header lines, an empty line, and the body byte for byte. Its kind says what
//! the platform must make of it: `firing`, `update`, `resolved`, `redelivered` (one of the others once more), `malformed`
//! (refused), `rejected` (well-formed, not understood) or `ignored` (nothing about any alert). What was read is kept beside
//! it as a snapshot. The shortest name of each kind tells the story of one alert, which is folded as it would be in earnest.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test tells by panicking; clippy allows it only in functions marked as tests"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
};

use bugle_model::{
    Alert, AlertId, AlertStatus, IncidentId, IntegrationId, Secret, SecretId, Severity, Signal, SignalStatus,
    Timestamp, Verification, alert, alert::Meaning,
};
use bugle_platforms::{
    DecodeError, Decoded, Inbound, Source,
    scheme::{Sealer, VerifyContext, verify},
    table::{self, SOURCES},
};
use serde::Serialize;
use serde_json::{Map, Value};

const KINDS_DUE: [&str; 5] = ["firing", "update", "resolved", "malformed", "redelivered"];
const KINDS_OTHER: [&str; 2] = ["ignored", "rejected"];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// One file.
#[derive(Debug, Clone)]
struct Fixture {
    name: String,
    secrets: Vec<String>,
    query: String,
    at: Timestamp,
    settings: Map<String, Value>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Fixture {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or_else(|| {
            panic!("{}: an empty line must divide headers and body", path.display());
        });
        let mut fixture = Self {
            name,
            secrets: Vec::new(),
            query: String::new(),
            at: Timestamp::from_seconds(0),
            settings: Map::new(),
            headers: Vec::new(),
            body: bytes[end + 2..].to_vec(),
        };
        for line in str::from_utf8(&bytes[..end]).unwrap().lines() {
            let directive = line.strip_prefix("# ");
            let (name, value) = directive.unwrap_or(line).split_once(':').unwrap_or_else(|| {
                panic!("{}: `{line}` is neither a header nor a directive", path.display());
            });
            let value = value.trim();
            match (directive, name) {
                (None, name) => fixture.headers.push((name.trim().to_ascii_lowercase(), value.to_owned())),
                (Some(_), "secret") => fixture.secrets.push(value.to_owned()),
                (Some(_), "query") => value.clone_into(&mut fixture.query),
                (Some(_), "at") => fixture.at = value.parse().unwrap(),
                (Some(_), "settings") => fixture.settings = serde_json::from_str(value).unwrap(),
                (Some(_), other) => panic!("{}: no directive is called `{other}`", path.display()),
            }
        }
        fixture
    }

    fn kind(&self) -> &str {
        self.name.split('_').next().unwrap()
    }

    fn inbound(&self) -> Inbound<'_> {
        Inbound { query: &self.query, headers: &self.headers, body: &self.body }
    }

    fn decode(&self, source: &dyn Source) -> Result<Decoded, DecodeError> {
        source.decode(&self.inbound(), &self.settings)
    }

    fn signals(&self, source: &dyn Source) -> Vec<Signal> {
        self.decode(source).unwrap_or_else(|error| panic!("{}/{}: {error}", source.slug(), self.name)).signals
    }
}

/// Checks every platform, so that what is wrong with one hides nothing of the others.
fn each_platform(check: impl Fn(&dyn Source)) {
    let fails = |source: &&&dyn Source| panic::catch_unwind(AssertUnwindSafe(|| check(**source))).is_err();
    let failed: Vec<&str> = SOURCES.iter().filter(fails).map(|source| source.slug()).collect();
    assert!(failed.is_empty(), "wrong with {failed:?}, as told above");
}

/// A platform's fixtures, sorted by name; none where the folder is missing, which a test of its own tells.
fn of(source: &dyn Source) -> Vec<Fixture> {
    let Ok(entries) = fs::read_dir(fixtures().join(source.slug())) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "http"));
    paths.sort();
    paths.iter().map(|path| Fixture::read(path)).collect()
}

/// The first fixture of `kind`, which tells this part of the story.
fn first<'a>(fixtures: &'a [Fixture], kind: &str) -> &'a Fixture {
    let of_kind = fixtures.iter().filter(|fixture| fixture.kind() == kind);
    of_kind.min_by_key(|fixture| fixture.name.len()).unwrap_or_else(|| panic!("there is no `{kind}` fixture"))
}

#[test]
fn every_platform_has_its_fixtures_and_every_fixture_its_platform() {
    let slugs: BTreeSet<&str> = SOURCES.iter().map(|source| source.slug()).collect();
    assert!(SOURCES.iter().map(|source| source.slug()).is_sorted(), "the table must be sorted by slug");
    assert_eq!(slugs.len(), SOURCES.len(), "two platforms share a slug");
    for entry in fs::read_dir(fixtures()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let is_platform = entry.file_type().unwrap().is_dir() && name != "vectors";
        assert!(!is_platform || slugs.contains(name.as_str()), "fixtures/{name} belongs to no platform");
    }
    each_platform(|source| {
        let setup = table::setup(source.slug());
        assert!(
            setup.is_some_and(|text| text.starts_with("# ")),
            "fixtures/{}/SETUP.md is not what the table holds",
            source.slug()
        );
        let kinds: BTreeSet<String> = of(source).iter().map(|fixture| fixture.kind().to_owned()).collect();
        for due in KINDS_DUE {
            assert!(kinds.contains(due), "fixtures/{} has no `{due}` fixture", source.slug());
        }
        for kind in &kinds {
            let known = KINDS_DUE.contains(&kind.as_str()) || KINDS_OTHER.contains(&kind.as_str());
            assert!(known, "fixtures/{}: `{kind}` is no kind of fixture", source.slug());
        }
    });
}

/// What is kept of a decoded call.
#[derive(Serialize)]
struct Kept {
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signals: Vec<Signal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    malformed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_understood: Option<String>,
}

fn kept(source: &dyn Source, fixture: &Fixture) -> Kept {
    let (decoded, malformed, not_understood) = match fixture.decode(source) {
        Ok(decoded) => (decoded, None, None),
        Err(DecodeError::Malformed(why)) => (Decoded::default(), Some(why), None),
        Err(DecodeError::NotUnderstood(why)) => (Decoded::default(), None, Some(why)),
    };
    let Decoded { mut signals, ignored, remark, delivery_id } = decoded;
    for signal in &mut signals {
        assert!(
            signal.raw.take().is_some(),
            "{}/{}: the vendor's part is missing",
            source.slug(),
            fixture.name
        );
        assert!(!signal.fingerprint.is_empty(), "{}/{}: no fingerprint", source.slug(), fixture.name);
        let ends = signal.ended_at.is_some();
        assert!(
            !ends || signal.status == SignalStatus::Resolved,
            "{}/{}: an end",
            source.slug(),
            fixture.name
        );
    }
    Kept { delivery_id, signals, ignored, remark, malformed, not_understood }
}

fn is_as_its_kind_says(kind: &str, kept: &Kept) -> bool {
    let any = |status| kept.signals.iter().any(|signal| signal.status == status);
    match kind {
        "firing" => any(SignalStatus::Firing),
        "resolved" => any(SignalStatus::Resolved),
        "update" | "redelivered" => !kept.signals.is_empty(),
        "malformed" => kept.malformed.is_some(),
        "rejected" => kept.not_understood.is_some(),
        _ => kept.signals.is_empty() && kept.ignored.is_some(),
    }
}

#[test]
fn every_fixture_is_read_as_its_snapshot_says() {
    each_platform(|source| {
        let folder = fixtures().join(source.slug());
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&folder);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let all = of(source);
        for fixture in &all {
            let kept = kept(source, fixture);
            let name = &fixture.name;
            assert!(is_as_its_kind_says(fixture.kind(), &kept), "{}/{name} is read as none", source.slug());
            settings.bind(|| insta::assert_yaml_snapshot!(name.as_str(), kept));
        }
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let is_snapshot = path.extension().is_some_and(|extension| extension == "snap");
            let is_known = all.iter().any(|fixture| fixture.name == stem);
            assert!(!is_snapshot || is_known, "{} belongs to no fixture", path.display());
        }
    });
}

/// An integration's alerts, folded as the engine does it.
#[derive(Default)]
struct Alerts(BTreeMap<String, Alert>);

impl Alerts {
    fn take(&mut self, signals: Vec<Signal>) {
        for signal in signals {
            let key = signal.fingerprint.clone();
            let integration = IntegrationId::from_i64(1);
            let at = Timestamp::from_seconds(1);
            let (mut alert, meaning) =
                alert::fold(self.0.remove(&key), signal.bounded(), integration, Severity::Medium, at, || {
                    AlertId::from_i64(2)
                });
            if matches!(meaning, Meaning::Opened | Meaning::OpenedLate) {
                alert.incident_id = Some(IncidentId::from_i64(3));
            }
            self.0.insert(key, alert);
        }
    }
}

#[test]
fn a_life_with_redeliveries_is_one_cycle() {
    each_platform(|source| {
        let all = of(source);
        let redelivered = first(&all, "redelivered");
        let same: Vec<&Fixture> = all
            .iter()
            .filter(|other| other.kind() != "redelivered" && other.body == redelivered.body)
            .collect();
        assert!(!same.is_empty(), "{}: `redelivered` repeats no other fixture", source.slug());
        for original in same {
            let delivery_id = |fixture: &Fixture| fixture.decode(source).unwrap().delivery_id;
            assert_eq!(
                delivery_id(original),
                delivery_id(redelivered),
                "{}: the delivery's id changed",
                source.slug()
            );
        }
        let mut alerts = Alerts::default();
        for kind in ["firing", "update", "redelivered", "resolved", "redelivered"] {
            alerts.take(first(&all, kind).signals(source));
        }
        for signal in first(&all, "resolved").signals(source) {
            if signal.status == SignalStatus::Resolved {
                let alert = &alerts.0[&signal.fingerprint];
                assert_eq!(alert.status, AlertStatus::Resolved, "{}: {}", source.slug(), signal.fingerprint);
            }
        }
        let fired = first(&all, "firing").signals(source);
        let ended = first(&all, "resolved").signals(source);
        let same = fired.iter().any(|one| ended.iter().any(|other| other.fingerprint == one.fingerprint));
        assert!(same, "{}: `firing` and `resolved` are of no same alert", source.slug());
        for (fingerprint, alert) in &alerts.0 {
            assert_eq!(alert.cycle, 1, "{}: {fingerprint}", source.slug());
        }
    });
}

/// Whether `end` is the end of what began with `begin`, and both say when.
fn belong_together(begin: &Signal, end: &Signal) -> bool {
    let from = begin.started_at.or(begin.observed_at);
    let until = end.ended_at.or(end.observed_at);
    let both_seen = begin.observed_at.is_some() && end.observed_at.is_some();
    let both_told = begin.started_at.is_some() && end.ended_at.is_some();
    begin.fingerprint == end.fingerprint
        && end.status == SignalStatus::Resolved
        && (both_seen || both_told)
        && from.zip(until).is_some_and(|(from, until)| from < until)
}

#[test]
fn a_beginning_and_its_end_are_one_cycle_whichever_comes_first() {
    each_platform(|source| {
        let all = of(source);
        let of_kind = |kind: &'static str| {
            all.iter()
                .filter(move |fixture| fixture.kind() == kind)
                .flat_map(|fixture| fixture.signals(source))
        };
        for end in of_kind("resolved") {
            for begin in of_kind("firing").filter(|begin| belong_together(begin, &end)) {
                for order in [vec![begin.clone(), end.clone()], vec![end.clone(), begin.clone()]] {
                    let mut alerts = Alerts::default();
                    alerts.take(order);
                    let alert = alerts.0.values().next().unwrap();
                    assert_eq!(
                        alert.status,
                        AlertStatus::Resolved,
                        "{}: {}",
                        source.slug(),
                        alert.fingerprint
                    );
                    assert_eq!(alert.cycle, 1, "{}: {}", source.slug(), alert.fingerprint);
                }
            }
        }
    });
}

fn secrets(values: &[String]) -> Vec<Secret> {
    let secret = |(id, value): (usize, &String)| Secret {
        id: SecretId::from_i64(i64::try_from(id).unwrap() + 1),
        value: value.clone().into(),
        created_at: Timestamp::from_seconds(0),
        expires_at: None,
    };
    values.iter().enumerate().map(secret).collect()
}

fn verified(source: &dyn Source, fixture: &Fixture, body: &[u8], values: &[String]) -> Verification {
    let secrets = secrets(values);
    let sealer = Sealer::new([7; 32]);
    let inbound = Inbound { body, ..fixture.inbound() };
    let context = VerifyContext { now: fixture.at, sealer: &sealer, stored: false };
    verify(&source.schemes(&fixture.settings), &secrets.iter().collect::<Vec<_>>(), &inbound, &context)
}

#[test]
fn fixtures_are_proven_and_forgeries_are_not() {
    each_platform(|source| {
        let mut proven = 0;
        for fixture in of(source).iter().filter(|fixture| !fixture.secrets.is_empty()) {
            let name = format!("{}/{}", source.slug(), fixture.name);
            let Verification::Verified { scheme, .. } =
                verified(source, fixture, &fixture.body, &fixture.secrets)
            else {
                panic!(
                    "{name}: not proven: {:?}",
                    verified(source, fixture, &fixture.body, &fixture.secrets)
                );
            };
            proven += 1;
            let other = verified(source, fixture, &fixture.body, &["another-secret-entirely".to_owned()]);
            assert!(matches!(other, Verification::Failed { .. }), "{name}: another secret proves it");
            if scheme.to_ascii_lowercase().contains("signature") {
                let mut body = fixture.body.clone();
                *body.last_mut().unwrap() ^= 1;
                let flipped = verified(source, fixture, &body, &fixture.secrets);
                assert!(matches!(flipped, Verification::Failed { .. }), "{name}: a changed body is proven");
            }
        }
        assert!(proven > 0, "{}: no fixture shows how calls are proven", source.slug());
    });
}

mod samples {
    use bugle_platforms::source::{Sample, SamplePhase};

    use super::*;

    fn signals(source: &dyn Source, sample: &Sample) -> Vec<Signal> {
        let inbound = Inbound { query: "", headers: &sample.headers, body: &sample.body };
        let decoded = source.decode(&inbound, &Map::new());
        decoded.unwrap_or_else(|error| panic!("{}: {error}", source.slug())).signals
    }

    /// Those whose alerts come to be once: what fires again at them is another alert, with another id.
    const ONE_LIFE: [&str; 1] = ["montecarlo"];

    #[test]
    fn samples_run_from_firing_to_resolved_and_again() {
        each_platform(|source| {
            let at = |minutes: i64| Timestamp::from_seconds(1_790_000_000 + 60 * minutes);
            let mut alerts = Alerts::default();
            let phases =
                [SamplePhase::Firing, SamplePhase::Update, SamplePhase::Resolved, SamplePhase::Firing];
            for (minutes, phase) in (0..).zip(phases) {
                let sample = source.sample(phase, "disk/web-04", at(minutes));
                assert_eq!(sample, source.sample(phase, "disk/web-04", at(minutes)), "{}", source.slug());
                let lower = sample.headers.iter().all(|(name, _)| *name == name.to_ascii_lowercase());
                assert!(lower, "{}: header names are in lower case", source.slug());
                alerts.take(signals(source, &sample));
                let over = minutes >= 2 && ONE_LIFE.contains(&source.slug());
                let status = if phase == SamplePhase::Resolved || over {
                    vec![AlertStatus::Resolved]
                } else {
                    vec![AlertStatus::Firing, AlertStatus::Acknowledged]
                };
                let alert = alerts.0.values().next().unwrap();
                assert!(status.contains(&alert.status), "{}: {phase:?}", source.slug());
            }
            assert_eq!(alerts.0.len(), 1, "{}: one key is one alert", source.slug());
            let cycles = if ONE_LIFE.contains(&source.slug()) { 1 } else { 2 };
            assert_eq!(
                alerts.0.values().next().unwrap().cycle,
                cycles,
                "{}: how often it fired",
                source.slug()
            );
            alerts.take(signals(source, &source.sample(SamplePhase::Firing, "disk/web-05", at(9))));
            assert_eq!(alerts.0.len(), 2, "{}: another key is another alert", source.slug());
        });
    }
}

mod hostile {
    use proptest::prelude::*;

    use super::*;

    fn decode_everywhere(body: &[u8]) {
        let headers = [("content-type".to_owned(), "application/json".to_owned())];
        let inbound = Inbound { query: "", headers: &headers, body };
        for source in SOURCES {
            read(*source, &inbound, &Map::new());
        }
    }

    /// By a glance a call is called what it is called when it is decoded, if it says anything at all.
    fn read(source: &dyn Source, inbound: &Inbound<'_>, settings: &Map<String, Value>) {
        let decoded = source.decode(inbound, settings);
        if let Some(names) = source.names(inbound, settings) {
            let body = String::from_utf8_lossy(inbound.body);
            assert_eq!(decoded.map(|decoded| decoded.names()), Ok(names), "{}: {body}", source.slug());
        }
    }

    #[test]
    fn a_glance_tells_what_most_calls_are_called() {
        for slug in ["datadog", "grafana", "newrelic", "prometheus", "signoz"] {
            let source = table::source(slug).unwrap();
            let all = of(source);
            for fixture in &all {
                read(source, &fixture.inbound(), &fixture.settings);
            }
            let told = first(&all, "firing");
            assert!(source.names(&told.inbound(), &told.settings).is_some(), "{slug}");
        }
    }

    fn bodies() -> Vec<Vec<u8>> {
        SOURCES.iter().flat_map(|source| of(*source)).map(|fixture| fixture.body).collect()
    }

    /// Every copy of `value` in which one value, however deep, is `other` instead.
    fn with_one_replaced(value: &Value, other: &Value, found: &mut Vec<Value>) {
        found.push(other.clone());
        let mut inner = Vec::new();
        let count = value.as_object().map_or(0, Map::len) + value.as_array().map_or(0, Vec::len);
        for position in 0..count {
            let place = |whole: &mut Value, new: Value| match whole {
                Value::Object(members) => *members.values_mut().nth(position).unwrap() = new,
                Value::Array(items) => items[position] = new,
                _ => unreachable!("it has members"),
            };
            with_one_replaced(member(value, position), other, &mut inner);
            for new in inner.drain(..) {
                let mut whole = value.clone();
                place(&mut whole, new);
                found.push(whole);
            }
        }
    }

    fn member(value: &Value, position: usize) -> &Value {
        match value {
            Value::Object(members) => members.values().nth(position).unwrap(),
            value => &value[position],
        }
    }

    #[test]
    fn no_field_need_be_of_its_type() {
        each_platform(|source| {
            for kind in ["firing", "update", "resolved"] {
                let all = of(source);
                let fixture = first(&all, kind);
                let Ok(document) = serde_json::from_slice::<Value>(&fixture.body) else { continue };
                for other in [
                    Value::Null,
                    Value::from(7),
                    Value::from("x"),
                    Value::Array(vec![]),
                    serde_json::json!({}),
                ] {
                    let mut variants = Vec::new();
                    with_one_replaced(&document, &other, &mut variants);
                    for variant in variants {
                        let body = variant.to_string().into_bytes();
                        let inbound = Inbound { body: &body, ..fixture.inbound() };
                        read(source, &inbound, &fixture.settings);
                    }
                }
            }
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..512)) {
            decode_everywhere(&body);
        }

        #[test]
        fn mutated_fixtures_never_panic(
            which in any::<prop::sample::Index>(),
            edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_usize..40), 1..6),
        ) {
            let bodies = bodies();
            let mut body = bodies[which.index(bodies.len())].clone();
            for (at, byte, cut) in edits {
                if !body.is_empty() {
                    let at = at.index(body.len());
                    body[at] = byte;
                    body.drain(at..(at + cut).min(body.len()));
                }
            }
            decode_everywhere(&body);
        }
    }
}
