use std::collections::BTreeMap;

use bugle_model::{
    EventKind, IncidentStatus, Secret, SecretId, Severity, Signal, SignalStatus, Timestamp, Verification,
    destination::OnOpen, signal::Patch,
};
use serde_json::{Map, Value, json};

use super::{Overwatch, OverwatchDialect};
use crate::{
    Dialect, Inbound, Notice, Outbound, Source,
    dialect::{Stamp, Wishes, tests::event},
    scheme::{Sealer, VerifyContext, verify},
};

#[derive(Default)]
struct Asked {
    template: Option<Value>,
    headers: BTreeMap<String, String>,
    settings: Map<String, Value>,
    secret: Option<&'static str>,
}

impl Asked {
    fn secret() -> Self {
        Self { secret: Some("ow-key-58"), ..Self::default() }
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

    fn check(&self) -> Result<(), String> {
        OverwatchDialect.check(&self.wishes())
    }

    fn render(&self, event: &bugle_model::Event) -> Option<Outbound> {
        assert_eq!(self.check(), Ok(()));
        OverwatchDialect
            .render(&Notice { event, incident_url: None, documents: None }, &self.wishes())
            .unwrap()
    }
}

fn decode(body: &[u8]) -> Signal {
    let inbound = Inbound { query: "", headers: &[], body };
    Overwatch.decode(&inbound, &Map::new()).unwrap().signals.pop().unwrap()
}

fn told(body: &Value) -> Signal {
    decode(body.to_string().as_bytes())
}

#[test]
fn the_body_is_the_documented_one_and_comes_back_as_it_was() {
    use EventKind as E;
    use IncidentStatus as I;
    use SignalStatus as S;
    for (kind, status, word, back) in [
        (E::Created, I::Open, "open", S::Firing),
        (E::Updated, I::Open, "open", S::Firing),
        (E::Acknowledged, I::Acknowledged, "acknowledged", S::Acknowledged),
        (E::StatusChanged, I::WorkInProgress, "acknowledged", S::Acknowledged),
        (E::Resolved, I::Fixed, "resolved", S::Resolved),
        (E::Resolved, I::FalsePositive, "resolved", S::Resolved),
        (E::Reopened, I::Open, "open", S::Firing),
    ] {
        for severity in Severity::ALL {
            let mut event = event();
            event.kind = kind;
            (event.incident.status, event.incident.severity) = (status, severity);
            event.incident.title = "{{api_token}} \"quoted\"".into();
            let outbound = Asked::secret().render(&event).unwrap();
            let id = event.incident.id.to_string();
            let title = &event.incident.title;
            let expected =
                json!({"incident_id": id, "title": title, "severity": severity.as_str(), "status": word});
            assert_eq!(String::from_utf8(outbound.body.clone()).unwrap(), expected.to_string());
            assert_eq!(outbound.headers, [("content-type".to_owned(), "application/json".to_owned())]);
            let signal = decode(&outbound.body);
            assert_eq!((signal.status, signal.severity), (back, Some(severity)), "{kind:?}");
            assert_eq!((&signal.fingerprint, &signal.title), (&id, title));
        }
    }
}

#[test]
fn what_changes_nothing_of_the_four_has_no_word_unless_a_template_tells_more() {
    for kind in [
        EventKind::Commented,
        EventKind::OwnerChanged,
        EventKind::TicketAttached,
        EventKind::SeverityDeclared,
        EventKind::SeverityCleared,
    ] {
        let mut event = event();
        event.kind = kind;
        assert_eq!(Asked::secret().render(&event), None, "{kind:?}");
        let asked = Asked { template: Some(json!({"event": "{{event.type}}"})), ..Asked::secret() };
        let body = asked.render(&event).unwrap().body;
        assert_eq!(body, json!({"event": kind.as_str()}).to_string().into_bytes());
    }
}

#[test]
fn an_incident_of_overwatchs_keeps_its_id() {
    let mut own = event();
    own.incident.platform = "overwatch".into();
    own.incident.grouping_key = format!("{}:ow:7{{{{secret}}}}", own.incident.integration_id);
    let id = |event: &bugle_model::Event| decode(&Asked::secret().render(event).unwrap().body).fingerprint;
    assert_eq!(id(&own), "ow:7{{secret}}", "and nothing in it is taken for a placeholder");
    own.incident.platform = "datadog".into();
    assert_eq!(id(&own), own.incident.id.to_string());
}

#[test]
fn the_secret_is_sent_or_signs_and_the_source_accepts_either() {
    let secret = Secret {
        id: SecretId::from_i64(1),
        value: "ow-key-58".to_owned().into(),
        created_at: Timestamp::from_seconds(0),
        expires_at: None,
    };
    for (asked, header, settings) in [
        (Asked::secret(), "authorization", json!({})),
        (
            Asked::secret().setting("signature_header", "X-Overwatch-Signature"),
            "x-overwatch-signature",
            json!({}),
        ),
        (Asked::secret().setting("signature_header", "x-sig"), "x-sig", json!({"signature_header": "X-Sig"})),
    ] {
        let body = asked.render(&event()).unwrap().body;
        let stamp = Stamp { id: "e", at: Timestamp::from_seconds(9) };
        let proof =
            OverwatchDialect.signing(&asked.wishes()).unwrap().sign(&["ow-key-58"], &stamp, &body).unwrap();
        assert_eq!(proof.headers.len(), 1);
        let (name, value) = &proof.headers[0];
        assert_eq!(name, header);
        if header == "authorization" {
            assert_eq!(value, "Bearer ow-key-58");
        } else {
            assert_eq!((value.len(), value.starts_with("sha256=")), (7 + 64, true), "{value}");
        }
        let schemes = Overwatch.schemes(settings.as_object().unwrap());
        let context =
            VerifyContext { now: Timestamp::from_seconds(9), sealer: &Sealer::new([2; 32]), stored: false };
        let verdict = |body: &[u8]| {
            let inbound = Inbound { query: "", headers: &proof.headers, body };
            verify(&schemes, &[&secret], &inbound, &context)
        };
        assert!(matches!(verdict(&body), Verification::Verified { .. }), "{header}");
        let is_signed = header != "authorization";
        assert_eq!(matches!(verdict(b"{}"), Verification::Failed { .. }), is_signed, "{header}");
    }
}

/// The value was made with Python's `hmac`, as the page's receiver makes it.
#[test]
fn a_signature_is_what_pythons_hmac_makes() {
    let asked = Asked::secret().setting("signature_header", "X-Webhook-Signature");
    let scheme = OverwatchDialect.scheme(&asked.settings).unwrap();
    let stamp = Stamp { id: "e", at: Timestamp::from_seconds(0) };
    let proof = scheme.sign(&["ow-key-58"], &stamp, br#"{"incident_id":"inc_1"}"#).unwrap();
    assert_eq!(
        proof.headers,
        [(
            "x-webhook-signature".to_owned(),
            "sha256=e4ea2f69089bf14b5826873848d03cd81e4011bb9736a95b547f4f332cb3652d".to_owned()
        )]
    );
}

#[test]
fn the_documented_headers_need_no_second_proof() {
    let asked = Asked::secret()
        .header("Authorization", "Bearer {{api_token}}")
        .header("Content-Type", "application/json");
    assert_eq!(OverwatchDialect.signing(&asked.wishes()), None);
    let outbound = asked.render(&event()).unwrap();
    assert!(outbound.headers.contains(&("authorization".into(), "Bearer ow-key-58".into())));
    let both = asked.setting("signature_header", "X-Sig");
    assert!(matches!(OverwatchDialect.signing(&both.wishes()), Some(crate::scheme::Scheme::Hmac(_))));
    assert_eq!(both.check(), Ok(()));
}

#[test]
fn what_cannot_be_served_is_refused_with_the_cure() {
    for (asked, expected) in [
        (Asked::secret().header("authorization", "Basic eA=="), "written by Bugle"),
        (Asked::secret().setting("signature_header", "X-Sig").header("x-sig", "1"), "written by Bugle"),
        (Asked::secret().setting("signature_header", "a b"), "is not a header's name"),
        (Asked::secret().setting("signature_header", "Content-Length"), "belongs to the connection"),
        (Asked { secret: Some("a\nb"), ..Asked::default() }, "control character"),
        (Asked::default().header("authorization", "Bearer {{api_token}}"), "set `secret`"),
        (Asked { template: Some(json!("{{nope.x}}")), ..Asked::default() }, "`nope`"),
    ] {
        let message = asked.check().unwrap_err();
        assert!(message.contains(expected), "{message:?} should contain {expected:?}");
    }
}

#[test]
fn the_presets_are_the_documented_ones() {
    let retry = OverwatchDialect.retry();
    assert_eq!(retry.max_attempts, 3);
    let waits = [1, 2].map(|failed| retry.delay(failed, 0.99).as_millis());
    assert_eq!(waits, [1_000, 2_000]);
    let circuit = OverwatchDialect.circuit();
    assert_eq!((circuit.failure_threshold, circuit.on_open), (10, OnOpen::Disable));
}

#[test]
fn words_of_many_kinds_are_understood() {
    use SignalStatus as S;
    for (body, expected) in [
        (json!({"incident_id": "i", "status": "Triggered"}), S::Firing),
        (json!({"incident_id": "i", "status": "In Progress"}), S::Acknowledged),
        (json!({"incident_id": "i", "status": "no_action_needed"}), S::Resolved),
        (json!({"incident_id": "i", "event": "incident.resolved"}), S::Resolved),
        (json!({"incident_id": "i", "status": "mystery", "event": "incident.acknowledged"}), S::Acknowledged),
        (
            json!({"incident_id": "i", "status": "{{incident.status}}", "event": "incident.created"}),
            S::Firing,
        ),
        (json!({"incident_id": "i", "status": "resolved", "event": "incident.updated"}), S::Resolved),
        (json!({"incident_id": "i", "status": "mystery"}), S::Updated),
        (json!({"incident": {"id": 7, "status": "closed"}}), S::Resolved),
    ] {
        assert_eq!(told(&body).status, expected, "{body}");
    }
    let inbound =
        Inbound { query: "", headers: &[], body: br#"{"incident_id": "{{incident.id}}", "title": "t"}"# };
    let refused = Overwatch.decode(&inbound, &Map::new()).unwrap_err();
    assert!(refused.to_string().contains("names no incident"), "{refused}");
}

#[test]
fn a_status_that_a_person_chose_is_taken_over() {
    for (word, expected) in [
        ("resolved", Patch::Unchanged),
        ("acknowledged", Patch::Unchanged),
        ("false_positive", Patch::Set(IncidentStatus::FalsePositive)),
        ("work_in_progress", Patch::Set(IncidentStatus::WorkInProgress)),
    ] {
        assert_eq!(told(&json!({"incident_id": "i", "status": word})).source.feedback, expected, "{word}");
    }
}

#[test]
fn an_owner_may_be_absent_nobody_or_somebody() {
    for (body, expected) in [
        (json!({"incident_id": "i"}), Patch::Unchanged),
        (json!({"incident_id": "i", "owner": null}), Patch::Cleared),
        (json!({"incident_id": "i", "owner": "{{incident.owner}}"}), Patch::Unchanged),
        (
            json!({"incident_id": "i", "assignee": "noor@example.org"}),
            Patch::Set("noor@example.org".to_owned()),
        ),
    ] {
        assert_eq!(told(&body).source.owner, expected, "{body}");
    }
}

#[test]
fn an_end_is_never_before_its_beginning() {
    let body = json!({
        "incident_id": "i", "status": "resolved",
        "created_at": "2026-09-21T08:00:00Z", "resolved_at": "2026-09-21T07:59:00Z",
    });
    assert_eq!(told(&body).ended_at, Some(Timestamp::from_seconds(1_789_977_600)));
}
