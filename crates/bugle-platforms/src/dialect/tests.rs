use std::collections::BTreeMap;

use bugle_model::{
    Actor, Alert, AlertStatus, Event, EventKind, Incident, IncidentStatus, Severity, Signal,
    event::FieldChange,
    id::{AlertId, EventId, IncidentId, IntegrationId, ReceiptId},
    incident::{AlertCounts, DeclaredSeverity, Ticket},
    signal::{Link, Measurement, Raw},
};
use serde_json::json;

use super::*;
use crate::{
    scheme::{Sealer, VerifyContext, verify},
    source::Inbound,
    table,
};

/// `bugle-test-key-of-32-bytes-long!`.
const WHSEC: &str = "whsec_YnVnbGUtdGVzdC1rZXktb2YtMzItYnl0ZXMtbG9uZyE=";
const URL: &str = "https://bugle.example.net/incidents/42";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_772_446_500 + seconds)
}

fn alert() -> Alert {
    let raw = r#"{"quota":0.10,"serial":123456789012345678901234567890}"#;
    Alert {
        id: AlertId::from_i64(41),
        integration_id: IntegrationId::from_i64(7),
        fingerprint: "checkout/latency".into(),
        cycle: 2,
        status: AlertStatus::Firing,
        severity: Severity::High,
        incident_id: Some(IncidentId::from_i64(42)),
        signal: Signal {
            fingerprint: "checkout/latency".into(),
            severity_text: Some("P2".into()),
            title: "Checkout is slow".into(),
            description: Some("p99 above 2 s".into()),
            labels: [("kubernetes.io/name".into(), "checkout".into())].into(),
            links: vec![Link { label: "runbook".into(), url: "https://wiki.example.net/slow".into() }],
            measurements: vec![Measurement {
                metric: "latency.p99".into(),
                value: Some("2.10".into()),
                ..Measurement::default()
            }],
            started_at: Some(at(-60)),
            raw: Some(Raw::new(raw.into())),
            ..Signal::default()
        },
        signals: 3,
        first_seen_at: at(-3600),
        last_seen_at: at(0),
    }
}

fn incident() -> Incident {
    Incident {
        id: IncidentId::from_i64(42),
        revision: 3,
        sequence: 3,
        status: IncidentStatus::Open,
        severity: Severity::High,
        declared_severity: Some(DeclaredSeverity::Sev2),
        title: "Checkout is \"slow\"\r\nX-Evil: {{api_token}}".into(),
        description: None,
        owner: None,
        tickets: vec![Ticket {
            system: "jira".into(),
            key: "OPS-7".into(),
            url: "https://jira.example.net/OPS-7".into(),
        }],
        platform: "datadog".into(),
        integration_id: IntegrationId::from_i64(7),
        grouping_key: "checkout".into(),
        labels: [("kubernetes.io/name".into(), "checkout".into())].into(),
        service: Some("checkout".into()),
        host: None,
        entity: None,
        links: Vec::new(),
        alerts: AlertCounts { total: 1, unresolved: [0, 0, 0, 1, 0] },
        verified: true,
        reopened_count: 0,
        opened_at: at(-60),
        started_at: at(-60),
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: None,
        updated_at: at(0),
    }
}

pub(crate) fn event() -> Event {
    Event {
        id: EventId::from_i64(43),
        incident_id: IncidentId::from_i64(42),
        sequence: 3,
        kind: EventKind::Updated,
        at: at(0),
        actor: Actor::Source {
            integration_id: IntegrationId::from_i64(7),
            receipt_id: ReceiptId::from_i64(40),
        },
        changes: vec![FieldChange { field: "severity".into(), from: "medium".into(), to: "high".into() }],
        comment: None,
        alert_id: Some(AlertId::from_i64(41)),
        alert: Some(Box::new(alert())),
        incident: incident(),
    }
}

/// What a destination asks for.
#[derive(Default)]
struct Asked {
    template: Option<Value>,
    headers: BTreeMap<String, String>,
    settings: Map<String, Value>,
    secret: Option<&'static str>,
}

impl Asked {
    fn template(template: Value) -> Self {
        Self { template: Some(template), ..Self::default() }
    }

    fn secret(mut self, secret: &'static str) -> Self {
        self.secret = Some(secret);
        self
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    fn setting(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    fn wishes(&self) -> Wishes<'_> {
        Wishes {
            template: self.template.as_ref(),
            headers: &self.headers,
            settings: &self.settings,
            secret: self.secret,
        }
    }
}

fn render(dialect: &dyn Dialect, event: &Event, asked: &Asked) -> Outbound {
    assert_eq!(dialect.check(&asked.wishes()), Ok(()));
    let notice = Notice { event, incident_url: Some(URL), documents: None };
    dialect.render(&notice, &asked.wishes()).unwrap().unwrap()
}

fn body(outbound: &Outbound) -> Value {
    serde_json::from_slice(&outbound.body).unwrap()
}

/// The body that a template becomes.
fn rendered(template: Value) -> Value {
    body(&render(&Template, &event(), &Asked::template(template)))
}

fn refusal(dialect: &dyn Dialect, asked: &Asked) -> String {
    dialect.check(&asked.wishes()).unwrap_err()
}

#[test]
fn standard_webhooks_tells_the_event_its_incident_and_its_alert() {
    let outbound = render(&StandardWebhooks, &event(), &Asked::default().secret(WHSEC));
    insta::assert_json_snapshot!(body(&outbound));
    assert_eq!(outbound.headers, [("content-type".to_owned(), "application/json".to_owned())]);

    let mut of_a_person = event();
    (of_a_person.kind, of_a_person.alert, of_a_person.alert_id) = (EventKind::Commented, None, None);
    (of_a_person.actor, of_a_person.comment) =
        (Actor::User { email: "ali@example.net".into() }, Some("on it".into()));
    let told = body(&render(&StandardWebhooks, &of_a_person, &Asked::default()));
    assert_eq!((&told["data"]["alert"], &told["data"]["event"]["comment"]), (&Value::Null, &json!("on it")));
}

#[test]
fn a_standard_webhook_is_verified_by_the_scheme_that_signs_it() {
    let asked = Asked::default().secret(WHSEC);
    let mut outbound = render(&StandardWebhooks, &event(), &asked);
    let scheme = StandardWebhooks.signing(&asked.wishes()).unwrap();
    let id = event().id.to_string();
    let proof = scheme.sign(&[WHSEC], &Stamp { id: &id, at: at(5) }, &outbound.body).unwrap();
    outbound.headers.extend(proof.headers);
    assert!(outbound.headers.contains(&("webhook-id".into(), id)));
    let secret = bugle_model::Secret {
        id: bugle_model::SecretId::from_i64(1),
        value: WHSEC.to_owned().into(),
        created_at: at(0),
        expires_at: None,
    };
    let inbound = Inbound { query: "", headers: &outbound.headers, body: &outbound.body };
    let context = VerifyContext { now: at(9), sealer: &Sealer::new([1; 32]), stored: false };
    let verdict = verify(&[scheme], &[&secret], &inbound, &context);
    assert!(matches!(verdict, bugle_model::Verification::Verified { .. }), "{verdict:?}");
}

#[test]
fn what_the_vendor_sent_goes_along_only_when_asked_for_and_exactly() {
    let plain = render(&StandardWebhooks, &event(), &Asked::default());
    assert!(!String::from_utf8(plain.body).unwrap().contains("quota"));
    for dialect in [&StandardWebhooks as &dyn Dialect, &Template] {
        let asked = Asked::default().setting("include_raw", true);
        let text = String::from_utf8(render(dialect, &event(), &asked).body).unwrap();
        assert!(text.contains(r#""raw":{"quota":0.10,"serial":123456789012345678901234567890}"#), "{text}");
    }
}

#[test]
fn a_large_document_is_cut_below_20_kb_and_still_names_everything() {
    let check = |event: &Event, gone: &[&str], kept: &[&str]| {
        let asked = Asked::default().setting("include_raw", true);
        let outbound = render(&StandardWebhooks, event, &asked);
        assert!(outbound.body.len() < 20_000, "{}", outbound.body.len());
        let told = body(&outbound);
        assert_eq!(told["data"]["truncated"], true);
        for pointer in gone {
            assert_eq!(told.pointer(pointer), None, "{pointer}");
        }
        for pointer in kept.iter().chain(&["/data/alert/fingerprint", "/data/incident/url", "/data/event/id"])
        {
            assert!(told.pointer(pointer).is_some(), "{pointer}");
        }
    };
    let alert_of = |event: &mut Event, change: &dyn Fn(&mut Signal)| {
        change(&mut event.alert.as_mut().unwrap().signal);
    };
    let mut large = event();
    alert_of(&mut large, &|signal| {
        signal.raw = Some(Raw::new(format!("\"{}\"", "x".repeat(30_000))));
    });
    check(&large, &["/data/alert/raw"], &["/data/alert/description"]);
    alert_of(&mut large, &|signal| signal.description = Some("é".repeat(15_000)));
    check(&large, &["/data/alert/raw"], &["/data/alert/description", "/data/alert/links"]);
    let many =
        |text: &str| (0..256).map(|n| (format!("{text}{n}"), text.repeat(100))).collect::<BTreeMap<_, _>>();
    alert_of(&mut large, &|signal| signal.annotations = many("note"));
    check(&large, &["/data/alert/annotations"], &["/data/alert/labels", "/data/incident/labels"]);
    alert_of(&mut large, &|signal| signal.labels = many("label"));
    large.incident.labels = many("label");
    check(&large, &["/data/alert/labels", "/data/incident/labels"], &["/data/alert/title"]);
}

#[test]
fn the_documented_configuration_renders() {
    let template = json!({
        "incident_id": "{{incident.id}}",
        "title": "{{incident.title}}",
        "severity": "{{incident.severity}}",
        "status": "{{incident.status}}",
    });
    let asked = Asked::template(template)
        .header("Authorization", "Bearer {{api_token}}")
        .header("Content-Type", "application/json")
        .secret("tok-73");
    let outbound = render(&Template, &event(), &asked);
    insta::assert_json_snapshot!(body(&outbound));
    let expected = [("authorization", "Bearer tok-73"), ("content-type", "application/json")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(outbound.headers, expected);
    assert_eq!(outbound.secret_headers, ["authorization"]);
    assert_eq!(Template.signing(&asked.wishes()), None, "the secret is in the request already");
    let shown = format!("{outbound:?} {:?}", asked.wishes());
    assert!(!shown.contains("tok-73"), "{shown}");
}

#[test]
fn placeholders_become_their_values_in_their_own_types() {
    for (template, expected) in [
        (json!("{{incident.sequence}}"), json!(3)),
        (json!("{{ incident.owner }}"), json!(null)),
        (json!("{{incident.labels}}"), json!({"kubernetes.io/name": "checkout"})),
        (json!("{{incident.labels[\"kubernetes.io/name\"]}}"), json!("checkout")),
        (json!("{{incident.tickets[0].key}}/{{incident.tickets.0.system}}"), json!("OPS-7/jira")),
        (json!("{{incident.tickets[9].key}}"), json!(null)),
        (json!("owner: {{incident.owner}}, seq {{event.sequence}}."), json!("owner: , seq 3.")),
        (
            json!("{{incident.verified}} {{incident.labels}}"),
            json!("true {\"kubernetes.io/name\":\"checkout\"}"),
        ),
        (json!("{{incident.title}}"), json!("Checkout is \"slow\"\r\nX-Evil: {{api_token}}")),
        (json!("{{incident.no.such}}"), json!(null)),
        (json!("{{incident.url}}"), json!(URL)),
        (json!("{{event.type}} {{event.at}}"), json!("incident.updated 2026-03-02T10:15:00.000Z")),
        (json!("{{event.changes[0].to}}"), json!("high")),
        (json!("{{alert.title}} {{alert.cycle}} {{alert.severity_text}}"), json!("Checkout is slow 2 P2")),
        (json!("{{alert.measurements[0].value}}"), json!("2.10")),
        (
            json!([1.5, {"{{incident.id}}": "}} {{event.sequence}}"}, null]),
            json!([1.5, {"{{incident.id}}": "}} 3"}, null]),
        ),
    ] {
        assert_eq!(rendered(template.clone()), expected, "{template}");
    }
    let mut alone = event();
    alone.alert = None;
    let outbound =
        render(&Template, &alone, &Asked::template(json!(["{{alert.title}}", "a{{alert.title}}"])));
    assert_eq!(body(&outbound), json!([null, "a"]));
}

#[test]
fn what_cannot_be_rendered_is_refused_with_the_cure() {
    let deep = (0..40).fold(json!("x"), |inner, _| json!([inner]));
    for (asked, expected) in [
        (
            Asked::template(json!("{{incidents.id}}")),
            "`incidents`, which is not known: placeholders begin with incident, event, alert, api_token, secret",
        ),
        (Asked::template(json!({"a": ["{{incident.id"]})), "without `}}`"),
        (Asked::template(json!("{{}}")), "is not a placeholder"),
        (Asked::template(json!("{{incident..id}}")), "is not a placeholder"),
        (Asked::template(json!("{{incident[}}")), "is not a placeholder"),
        (Asked::template(json!("{{#if incident}}")), "is not a placeholder"),
        (Asked::template(json!("{{secret.x}}")), "has no fields"),
        (Asked::template(json!("{{api_token}}")), "set `secret`"),
        (Asked::default().header("Authorization", "Bearer {{secret}}"), "set `secret`"),
        (Asked::template(json!("{{alert.raw.x}}")), "include_raw"),
        (Asked::template(json!("x".repeat(70_000))), "65536 are allowed"),
        (Asked::template(deep), "deeper than 32"),
        (Asked::default().header("Content-Length", "3"), "belongs to the connection"),
        (Asked::default().header("HOST", "x"), "belongs to the connection"),
        (Asked::default().header("a b", "x"), "is not a header's name"),
        (Asked::default().header("a", "x\r\nb: c"), "line break"),
        (Asked::default().header("a", "{{nope}}"), "the header `a`: `{{nope}}` begins with `nope`"),
        (Asked::default().header("x-bugle-signature", "x").secret("s"), "written by Bugle"),
        (Asked::default().setting("signature", "md5"), "`sha256` or `none`"),
        (Asked::default().setting("signature_header", "a b"), "is not a header's name"),
        (Asked::default().setting("include_raw", "yes"), "`true` or `false`"),
        (Asked::default().header("authorization", "{{secret}}").secret("a\nb"), "line break"),
    ] {
        let message = refusal(&Template, &asked);
        assert!(message.contains(expected), "{message:?} should contain {expected:?}");
    }
    for (asked, expected) in [
        (Asked::template(json!({})), "only for dialect `template`"),
        (Asked::default().secret("short"), "does not begin with `whsec_`"),
        (Asked::default().header("Webhook-Id", "1"), "written by Bugle"),
        (Asked::default().header("x", "{{secret}}"), "set `secret`"),
    ] {
        let message = refusal(&StandardWebhooks, &asked);
        assert!(message.contains(expected), "{message:?} should contain {expected:?}");
    }
}

#[test]
fn no_title_can_add_a_header_or_ask_for_the_secret() {
    let asked = Asked::default().header("X-Title", "{{incident.title}}").secret("tok-73");
    let outbound = render(&Template, &event(), &asked);
    let title = ("x-title".to_owned(), "Checkout is \"slow\"  X-Evil: {{api_token}}".to_owned());
    assert!(outbound.headers.contains(&title), "{:?}", outbound.headers);
}

proptest::proptest! {
    #[test]
    fn a_title_stays_a_title_whatever_it_says(title in "[ -~\\PC{}\"\\\\\n]{0,60}") {
        let mut told = event();
        told.incident.title.clone_from(&title);
        let template = json!({"a": "{{incident.title}}", "b": ["<{{ incident.title }}>"], "c": "{{incident.sequence}}"});
        let outbound = render(&Template, &told, &Asked::template(template).header("x-a", "{{incident.title}}"));
        let expected = json!({"a": title.clone(), "b": [format!("<{title}>")], "c": 3});
        proptest::prop_assert_eq!(body(&outbound), expected);
        proptest::prop_assert!(outbound.headers.iter().all(|(_, value)| !value.contains(['\r', '\n'])));
    }

    #[test]
    fn any_text_in_a_template_is_rendered_or_refused(text in "[a-z.\\[\\]\"{} 0-9]{0,40}") {
        let framed = json!(format!("{{{{{text}}}}}"));
        for template in [json!(text), framed] {
            let asked = Asked::template(template);
            if Template.check(&asked.wishes()).is_ok() {
                render(&Template, &event(), &asked);
            }
        }
    }
}

#[test]
fn templates_are_signed_unless_told_otherwise() {
    let name = |asked: &Asked| Template.signing(&asked.wishes()).map(|scheme| scheme.name().into_owned());
    assert_eq!(name(&Asked::default()), None);
    assert_eq!(name(&Asked::default().secret("s")).as_deref(), Some("X-Bugle-Signature"));
    assert_eq!(name(&Asked::default().secret("s").setting("signature", "none")), None);
    assert_eq!(
        name(&Asked::default().secret("s").setting("signature_header", "X-Ours")).as_deref(),
        Some("X-Ours")
    );
    assert_eq!(name(&Asked::template(json!(["{{ secret }}"])).secret("s")), None);
    let scheme = Template.signing(&Asked::default().secret("s").wishes()).unwrap();
    let proof = scheme.sign(&["s"], &Stamp { id: "evt_1", at: at(0) }, b"{}").unwrap();
    let [(header, value)] = proof.headers.as_slice() else { panic!("{proof:?}") };
    assert_eq!(header, "x-bugle-signature");
    assert!(value.starts_with("sha256=") && value.len() == 7 + 64, "{value}");
}

#[test]
fn a_secret_in_a_body_is_not_shown() {
    let asked =
        Asked::template(json!({"routing_key": "{{secret}}", "note": "key={{api_token}}"})).secret("a\"b");
    let outbound = render(&Template, &event(), &asked);
    assert_eq!(body(&outbound)["routing_key"], "a\"b");
    assert!(outbound.body_holds_secret);
    assert_eq!(outbound.shown_body(asked.secret), r#"{"routing_key":"[hidden]","note":"key=[hidden]"}"#);
}

#[test]
fn a_request_cannot_grow_without_bound() {
    let mut large = event();
    large.incident.description = Some("x".repeat(32_000));
    let asked = Asked::template(json!("{{incident.description}}".repeat(100)));
    let notice = Notice { event: &large, incident_url: None, documents: None };
    let error = Template.render(&notice, &asked.wishes()).unwrap_err();
    assert!(error.to_string().contains("larger than 1 MiB"), "{error}");
}

#[test]
fn a_document_that_was_written_for_one_is_the_same_for_the_next() {
    let (documents, event) = (Documents::default(), event());
    let notice = Notice { event: &event, incident_url: Some(URL), documents: Some(&documents) };
    for _ in 0..2 {
        for include_raw in [false, true] {
            let asked = Asked::default().secret(WHSEC).setting("include_raw", include_raw);
            let kept = StandardWebhooks.render(&notice, &asked.wishes()).unwrap().unwrap();
            assert!(kept == render(&StandardWebhooks, &event, &asked), "{include_raw}");
        }
    }
    let [without, with] = [false, true].map(|has_raw| documents.place(has_raw).get());
    assert!(without.is_some() && without != with);
}

#[test]
fn answers_are_judged_by_their_status() {
    let judge = |status, retry_after| classify_by_status(&Response { status, retry_after, body: b"" });
    let wait = Some(Duration::from_secs(7));
    for (status, after, expected) in [
        (429, None, true),
        (502, None, true),
        (504, wait, true),
        (503, wait, true),
        (503, None, false),
        (500, wait, false),
        (404, None, false),
    ] {
        let reason = Reason::Status(status);
        assert_eq!(judge(status, after), Verdict::Retry { reason, after, throttle: expected }, "{status}");
    }
    assert_eq!((judge(204, None), judge(410, None)), (Verdict::Delivered, Verdict::Gone));
}

/// What a form offers is taken, and nothing else in its place.
#[test]
fn the_choices_of_a_setting_are_all_that_it_takes() {
    let mut offered = 0;
    for dialect in table::DIALECTS {
        for setting in dialect.settings().iter().filter(|setting| !setting.choices.is_empty()) {
            for choice in setting.choices {
                let value = choice.parse::<bool>().map_or_else(|_| Value::from(*choice), Value::from);
                let asked = Asked::default().setting(setting.name, value);
                assert_eq!(dialect.check(&asked.wishes()), Ok(()), "{} {choice}", setting.name);
                offered += 1;
            }
            refusal(*dialect, &Asked::default().setting(setting.name, "something else"));
        }
    }
    assert!(offered > 0);
    for source in table::SOURCES {
        for setting in source.settings() {
            let taken = |value: &str| {
                source.check_settings(&Map::from_iter([(setting.name.to_owned(), value.into())]))
            };
            assert!(setting.choices.iter().all(|choice| taken(choice).is_ok()), "{}", setting.name);
            assert!(setting.choices.is_empty() || taken("something else").is_err(), "{}", setting.name);
        }
    }
}
