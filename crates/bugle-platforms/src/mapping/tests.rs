use serde_json::json;

use super::*;

fn settings(mapping: serde_json::Value) -> Map<String, serde_json::Value> {
    Map::from_iter([("mapping".to_owned(), mapping)])
}

fn decode(mapping: serde_json::Value, body: &str) -> Result<Decoded, DecodeError> {
    Mapping::from_settings(&settings(mapping)).unwrap().decode(&crate::json::parse(body.as_bytes()).unwrap())
}

fn only(mapping: serde_json::Value, body: &str) -> Signal {
    let mut decoded = decode(mapping, body).unwrap();
    assert_eq!(decoded.signals.len(), 1, "{body}");
    decoded.signals.remove(0)
}

#[test]
fn paths_are_pointers_dots_positions_or_lead_from_the_root() {
    let body = r#"{"team": "storage", "list": [{"a": {"b/c": "one", "d": [7, {"e": "two"}], "x.y": "three", "n": 1.50}}]}"#;
    for (path, expected) in [
        ("a.b/c", Some("one")),
        ("/a/b~1c", Some("one")),
        ("a.d.0", Some("7")),
        ("a.d[1].e", Some("two")),
        ("/a/d/1/e", Some("two")),
        ("a.x.y", Some("three")),
        ("a.n", Some("1.50")),
        ("$.team", Some("storage")),
        ("$/team", Some("storage")),
        ("a.nothing", None),
        ("team", None),
    ] {
        let mapping = json!({"items": "list", "fingerprint": {"const": "f"}, "title": {"const": "t"}, "description": path});
        assert_eq!(only(mapping, body).description.as_deref(), expected, "{path}");
    }
}

#[test]
fn words_are_translated_and_the_vendors_word_without_translation_is_kept() {
    let mapping = json!({
        "fingerprint": "id", "title": {"const": "t"},
        "status": {"path": ["none", "state"], "values": {"ROT": "firing", "GRÜN": "resolved"}},
        "severity": {"path": "prio", "values": {"1": "critical"}, "default": "low"},
    });
    for (body, status, severity) in [
        (r#"{"id": 1, "state": "ROT", "prio": 1}"#, SignalStatus::Firing, Some(Severity::Critical)),
        (r#"{"id": 1, "state": "rot"}"#, SignalStatus::Firing, Some(Severity::Low)),
        (r#"{"id": 1, "state": "GRÜN", "prio": "eilig"}"#, SignalStatus::Resolved, None),
    ] {
        let signal = only(mapping.clone(), body);
        assert_eq!((signal.status, signal.severity), (status, severity), "{body}");
        assert_eq!(signal.status_text.map(|word| word.to_lowercase() == "firing"), Some(false), "{body}");
    }
    assert_eq!(only(mapping, r#"{"id": 1, "prio": "eilig"}"#).severity_text.as_deref(), Some("eilig"));
}

#[test]
fn usual_names_are_found_without_a_mapping() {
    let signal = only(
        json!({}),
        r#"{"alertId": 90071992547409931, "AlertName": "Disk full", "message": "93 % used", "state": "CRITICAL",
            "service": {"id": 4, "name": "billing"}, "hostname": "db-1", "link": "https://example.com/a",
            "startsAt": "2026-04-01T10:00:00Z", "timestamp": 1775037660, "tags": ["env:prod", "canary"]}"#,
    );
    assert_eq!(signal.fingerprint, "90071992547409931");
    assert_eq!(signal.title, "Disk full");
    assert_eq!(signal.description.as_deref(), Some("93 % used"));
    assert_eq!((signal.status, signal.severity), (SignalStatus::Firing, Some(Severity::Critical)));
    assert_eq!((signal.service.as_deref(), signal.host.as_deref()), (Some("billing"), Some("db-1")));
    assert_eq!(signal.links.first().map(|link| link.url.as_str()), Some("https://example.com/a"));
    assert_eq!(signal.started_at.map(|at| at.to_string()).as_deref(), Some("2026-04-01T10:00:00.000Z"));
    assert_eq!(signal.observed_at.map(|at| at.to_string()).as_deref(), Some("2026-04-01T10:01:00.000Z"));
    assert_eq!(
        signal.labels.into_iter().collect::<Vec<_>>(),
        [("canary".to_owned(), String::new()), ("env".to_owned(), "prod".to_owned())]
    );
}

#[test]
fn envelopes_lists_and_bare_texts_are_read() {
    for (body, expected) in [
        (r#"{"alert": {"id": "7", "title": "a", "status": "ok"}}"#, vec![("7", SignalStatus::Resolved)]),
        (
            r#"[{"id": 1, "state": "open"}, {"id": 2, "state": "closed"}]"#,
            vec![("1", SignalStatus::Firing), ("2", SignalStatus::Resolved)],
        ),
        (r#"{"alerts": [{"key": "x"}]}"#, vec![("x", SignalStatus::Firing)]),
        (r#"{"id": "x", "alerts": []}"#, vec![("x", SignalStatus::Firing)]),
    ] {
        let signals = decode(json!({}), body).unwrap().signals;
        let read: Vec<_> =
            signals.iter().map(|signal| (signal.fingerprint.as_str(), signal.status)).collect();
        assert_eq!(read, expected, "{body}");
    }
    assert_eq!(only(json!({}), r#""  The backup failed ""#).title, "The backup failed");
    assert!(decode(json!({}), "[]").unwrap().ignored.is_some());
}

#[test]
fn what_says_nothing_is_refused_with_advice() {
    for body in
        ["{}", "null", "true", "42", r#""  ""#, r#"{"colour": "red"}"#, r"[[1], {}]", r#"{"id": null}"#]
    {
        let Err(DecodeError::NotUnderstood(why)) = decode(json!({}), body) else {
            panic!("{body} was understood")
        };
        assert!(why.contains("map `title` and `fingerprint`"), "{body}: {why}");
    }
    let missing = decode(json!({"items": "hits.list"}), r#"{"id": 1}"#).unwrap_err();
    assert!(missing.to_string().contains("`hits.list`, which this body does not have"), "{missing}");
    let no_list = decode(json!({"items": "id"}), r#"{"id": 1}"#).unwrap_err();
    assert!(no_list.to_string().contains("is no list"), "{no_list}");
}

#[test]
fn an_item_that_cannot_be_read_costs_the_others_nothing() {
    let decoded = decode(json!({}), r#"[{"id": "a"}, 7, {"id": "b"}]"#).unwrap();
    assert_eq!(decoded.signals.len(), 2);
    assert!(decoded.remark.unwrap().contains("item 1 of the list was left out"));
}

#[test]
fn an_unknown_status_fires_and_says_so() {
    let decoded = decode(json!({}), r#"{"id": "a", "status": "wobbly"}"#).unwrap();
    assert_eq!(decoded.signals[0].status, SignalStatus::Firing);
    assert_eq!(decoded.signals[0].status_text.as_deref(), Some("wobbly"));
    assert!(decoded.remark.unwrap().contains("`wobbly` is not known"));
}

#[test]
fn without_an_id_firing_and_resolved_still_meet() {
    let fingerprint = |body| only(json!({}), body).fingerprint;
    let firing = fingerprint(
        r#"{"title": "Disk full", "host": "db-1", "status": "firing", "tags": {"severity": "high"}}"#,
    );
    assert_eq!(
        firing,
        fingerprint(
            r#"{"title": "Disk full", "host": "db-1", "status": "ok", "tags": {"severity": "none"}}"#
        )
    );
    assert_ne!(firing, fingerprint(r#"{"title": "Disk full", "host": "db-2", "status": "firing"}"#));
}

#[test]
fn ends_are_told_only_when_it_is_over() {
    let ended = |body| only(json!({}), body).ended_at.map(Timestamp::as_seconds);
    assert_eq!(ended(r#"{"id": 1, "status": "firing", "ends_at": 1775037660}"#), None);
    assert_eq!(
        ended(r#"{"id": 1, "status": "ok", "ends_at": 1775037660, "time": 1775037999}"#),
        Some(1_775_037_660)
    );
    assert_eq!(
        ended(r#"{"id": 1, "status": "ok", "ends_at": "0001-01-01T00:00:00Z", "time": 1775037999}"#),
        Some(1_775_037_999)
    );
}

#[test]
fn labels_come_whole_or_one_by_one() {
    let mapping = json!({
        "fingerprint": "id", "title": "id", "labels": "dims", "labels.zone": "where.zone", "labels.service.name": {"const": "pay"},
        "annotations.runbook": "doc", "host": null,
    });
    let signal = only(
        mapping,
        r#"{"id": "x", "host": "h", "dims": {"a": 1.0, "b": null, "c": [1]}, "where": {"zone": "eu"}, "doc": "d"}"#,
    );
    let labels: Vec<_> = signal.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(labels, [("a", "1.0"), ("c", "[1]"), ("service.name", "pay"), ("zone", "eu")]);
    assert_eq!(signal.annotations.get("runbook").map(String::as_str), Some("d"));
    assert_eq!(signal.host, None, "null keeps a field empty");
}

#[test]
fn faulty_mappings_are_told_apart() {
    for (mapping, complaint) in [
        (json!({"titel": "x"}), "known are fingerprint, title,"),
        (json!({"labels.": "x"}), "is no field"),
        (json!({"title": 7}), "must be a path"),
        (json!({"title": []}), "1 to 100 paths"),
        (json!({"title": {"paths": "x"}}), "`paths`, which is not known"),
        (json!({"title": {"path": "x", "const": "y"}}), "either `path` or `const`"),
        (json!({"status": {"path": "x", "values": ["a"]}}), "`values` in the mapping of `status`"),
        (json!({"status": {"path": "x", "default": {}}}), "`default` in the mapping of `status`"),
        (json!("title"), "must be an object"),
    ] {
        let error = Mapping::from_settings(&settings(mapping.clone())).unwrap_err();
        assert!(error.contains(complaint), "{mapping}: {error}");
    }
}

#[test]
fn the_check_says_where_each_field_came_from_or_why_not() {
    let mapping = json!({"title": "alert.name", "severity": "alert.prio", "description": ["a", "b"], "url": "alert.page"});
    let report = check(
        &settings(mapping),
        br#"{"id": "x-1", "alert": {"name": "Disk", "prio": "eilig", "page": "javascript:alert(1)"}}"#,
    );
    assert!(report.understood);
    let told: Vec<_> = report
        .fields
        .iter()
        .map(|field| (field.field.as_str(), field.mapped, field.path.as_str(), field.found.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("title", true, "alert.name", Some("Disk")),
            ("description", true, "`a` or `b`", None),
            ("severity", true, "alert.prio", Some("eilig")),
            ("url", true, "alert.page", Some("javascript:alert(1)")),
            ("fingerprint", false, "id", Some("x-1")),
        ]
    );
    let problems: Vec<_> =
        report.fields.iter().filter(|field| field.problem.is_some()).map(|field| &field.field).collect();
    assert_eq!(problems, ["description", "severity", "url"]);
    assert!(report.signals[0].links.is_empty());
}

#[test]
fn the_check_reports_what_is_wrong_with_mapping_or_body() {
    for (mapping, body, complaint) in [
        (json!({"x": "y"}), "{}", "is no field"),
        (json!({}), "{", "line 1"),
        (json!({}), "{}", "an empty object"),
        (json!({}), "[]", "empty"),
    ] {
        let report = check(&settings(mapping), body.as_bytes());
        assert!(!report.understood, "{body}");
        let problem = report.problem.unwrap();
        assert!(problem.contains(complaint), "{body}: {problem}");
    }
}

#[test]
fn the_setup_page_lists_every_usual_name() {
    let page = include_str!("../../fixtures/custom/SETUP.md");
    for field in Field::NAMED {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{}` |", field.name())));
        let names: Vec<String> = row
            .and_then(|row| row.split('|').nth(2))
            .unwrap_or_default()
            .split('(')
            .next()
            .unwrap_or_default()
            .split(',')
            .map(words::plain)
            .collect();
        assert_eq!(names, field.usual_names(), "{}", field.name());
    }
}

#[test]
fn a_sentence_is_no_status() {
    let signal =
        only(json!({}), r#"{"id": 1, "status": "the disk of db-1 has been above 90 % for five minutes"}"#);
    assert_eq!((signal.status, signal.status_text), (SignalStatus::Firing, None));
}
