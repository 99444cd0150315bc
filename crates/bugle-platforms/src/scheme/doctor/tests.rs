use bugle_model::{Timestamp, Verification};
use proptest::prelude::*;

use super::*;
use crate::{
    dialect::Stamp,
    scheme::{Algorithm, Encoding, Sealer},
};

const NOW: i64 = 1_772_446_500;
const SEALER: Sealer = Sealer::new([9; 32]);
const TEXT: &str = "six-grey-herons-77";
const OTHER: &str = "two-brown-otters-31";
/// `bugle-test-key-of-32-bytes-long!`.
const WHSEC: &str = "whsec_YnVnbGUtdGVzdC1rZXktb2YtMzItYnl0ZXMtbG9uZyE=";
/// `another-key-of-the-test-32-bytes`.
const OTHER_WHSEC: &str = "whsec_YW5vdGhlci1rZXktb2YtdGhlLXRlc3QtMzItYnl0ZXM=";
const BODY: &str = r#"{"b": "Z\u00fcrich", "a": [1.0, {"url": "https://a.example/x"}]}"#;

/// The styles of signing that vendors have.
fn styles() -> Vec<(&'static str, Hmac)> {
    let timed = Signed::TimestampAndBody {
        timestamp_header: "X-Grafana-Alerting-Timestamp".into(),
        separator: ':',
        tolerance_s: 300,
    };
    vec![
        (
            "montecarlo",
            Hmac::new(Algorithm::Sha512, Encoding::Hex, "x-mcd-signature", "").over(Signed::PythonUrlencode),
        ),
        ("arcgis", Hmac::sha256_hex("x-esriHook-Signature", "sha256=")),
        ("standard", Hmac::standard_webhooks()),
        ("pagerduty", Hmac::sha256_hex("X-PagerDuty-Signature", "v1=").separated_by(',')),
        ("grafana", Hmac::sha256_hex("X-Grafana-Alerting-Signature", "")),
        ("grafana, timed", Hmac::sha256_hex("X-Grafana-Alerting-Signature", "").over(timed)),
    ]
}

fn style(name: &str) -> Hmac {
    styles().into_iter().find(|(known, _)| *known == name).unwrap().1
}

fn secret(id: i64, value: &str) -> Secret {
    Secret {
        id: SecretId::from_i64(id),
        value: value.to_owned().into(),
        created_at: Timestamp::from_seconds(0),
        expires_at: None,
    }
}

/// A request and what its receiver knows, to be spoilt in one way.
#[derive(Clone)]
struct Case {
    due: Vec<Scheme>,
    headers: Vec<(String, String)>,
    query: String,
    body: Vec<u8>,
    secrets: Vec<Secret>,
    others: Vec<Secret>,
}

impl Case {
    fn signed(due: &Hmac, by: &Hmac, secret_by: &str, body_by: &str) -> Self {
        let stamp = Stamp { id: "evt_01", at: Timestamp::from_seconds(NOW) };
        let proof = Scheme::Hmac(by.clone()).sign(&[secret_by], &stamp, body_by.as_bytes()).unwrap();
        Self {
            due: vec![Scheme::Hmac(due.clone())],
            headers: proof.headers,
            query: String::new(),
            body: BODY.into(),
            secrets: vec![secret(1, own(due))],
            others: vec![secret(8, "nobody's secret"), secret(9, other(due))],
        }
    }

    fn right(due: &Hmac) -> Self {
        Self::signed(due, due, own(due), BODY)
    }

    fn with_value(mut self, change: impl Fn(&str) -> String) -> Self {
        let Scheme::Hmac(due) = &self.due[0] else { unreachable!() };
        let header =
            self.headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(&due.header)).unwrap();
        header.1 = change(&header.1);
        self
    }

    fn in_header(mut self, name: &str) -> Self {
        let Scheme::Hmac(due) = &self.due[0] else { unreachable!() };
        self.headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&due.header)).unwrap().0 =
            name.into();
        self
    }

    fn diagnose(&self) -> (String, String, Option<SecretId>) {
        let secrets: Vec<&Secret> = self.secrets.iter().collect();
        let others: Vec<&Secret> = self.others.iter().collect();
        let inbound = Inbound { query: &self.query, headers: &self.headers, body: &self.body };
        let context = VerifyContext { now: Timestamp::from_seconds(NOW), sealer: &SEALER, stored: false };
        let verdict = verify(&self.due, &secrets, &inbound, &context);
        let Verification::Failed { reason, advice } = &verdict else {
            return ("verified".into(), String::new(), None);
        };
        match diagnose(&self.due, &secrets, &others, &inbound, &context, reason) {
            Some(finding) => (finding.reason.to_owned(), finding.advice, finding.belongs_to),
            None => (reason.clone(), advice.clone(), None),
        }
    }

    fn check(&self, expected: &str, says: &str) {
        let (reason, advice, belongs_to) = self.diagnose();
        assert_eq!(reason, expected, "{advice}\n{:?}", self.headers);
        assert!(advice.contains(says), "`{advice}` should say `{says}`");
        assert_eq!(belongs_to.is_some(), expected == "secret_of_another_integration");
        self.check_silence(&advice);
    }

    /// No secret and no signature, neither that which came nor that which was due.
    fn check_silence(&self, advice: &str) {
        let mut hidden: Vec<String> = Vec::new();
        for secret in self.secrets.iter().chain(&self.others) {
            hidden.push(secret.expose().trim().to_owned());
            for scheme in &self.due {
                let stamp = Stamp { id: "evt_01", at: Timestamp::from_seconds(NOW) };
                if let Ok(proof) = scheme.sign(&[secret.expose()], &stamp, &self.body) {
                    hidden.extend(proof.headers.into_iter().map(|(_, value)| value));
                }
            }
        }
        hidden.extend(self.headers.iter().map(|(_, value)| value.clone()));
        for text in hidden {
            for piece in text.split([' ', ',', '=', ':']).filter(|piece| piece.len() >= 12) {
                assert!(!advice.contains(piece), "`{advice}` holds `{piece}`");
            }
        }
    }
}

fn own(due: &Hmac) -> &'static str {
    if due.key == KeyForm::Whsec { WHSEC } else { TEXT }
}

fn other(due: &Hmac) -> &'static str {
    if due.key == KeyForm::Whsec { OTHER_WHSEC } else { OTHER }
}

/// Ways to spoil a request, with the word for each; `None` where a style cannot be spoilt so.
fn spoilt(due: &Hmac) -> Vec<(&'static str, Option<Case>)> {
    let prefixed = !due.prefix.is_empty();
    let by = |change: &dyn Fn(&mut Hmac)| {
        let mut by = due.clone();
        change(&mut by);
        Case::signed(due, &by, own(due), BODY)
    };
    let other_encoding = if due.encoding == Encoding::Hex { Encoding::Base64 } else { Encoding::Hex };
    let other_hash = if due.algorithm == Algorithm::Sha512 { Algorithm::Sha256 } else { Algorithm::Sha512 };
    let is_form = due.signed == Signed::PythonUrlencode;
    let was = if is_form {
        r#"{"a":[1.0,{"url":"https://a.example/x"}],"b":"Zürich"}"#
    } else {
        r#"{"b":"Zürich","a":[1.0,{"url":"https://a.example/x"}]}"#
    };
    let mut expired = Case::signed(due, due, other(due), BODY);
    expired
        .secrets
        .push(Secret { expires_at: Some(Timestamp::from_seconds(NOW - 60)), ..expired.others[1].clone() });
    expired.others.clear();
    let spaced = (due.key == KeyForm::Text).then(|| Case::signed(due, due, &format!("{TEXT}\n"), BODY));
    let misspelt = due.header.replace('-', "_").replace("gn", "ng").to_ascii_lowercase();
    vec![
        ("verified", Some(Case::right(due))),
        ("signature_missing", Some(Case { headers: Vec::new(), ..Case::right(due) })),
        ("signature_misspelt_header", Some(Case::right(due).in_header(&misspelt))),
        ("signature_misspelt_header", Some(Case::right(due).in_header(&due.header.replace('-', " ")))),
        ("signature_in_another_header", Some(Case::right(due).in_header("x-hub-signature-256"))),
        (
            "signature_in_another_header",
            Some(Case { headers: vec![("x-shop-hmac".into(), "zzz".into())], ..Case::right(due) }),
        ),
        (
            "prefix_missing",
            prefixed.then(|| Case::right(due).with_value(|value| value.replace(&*due.prefix, ""))),
        ),
        (
            "prefix_doubled",
            prefixed.then(|| Case::right(due).with_value(|value| format!("{}{value}", due.prefix))),
        ),
        ("prefix_wrong", Some(by(&|by| by.prefix = "mac=".into()))),
        ("separator_wrong", Some(Case::right(due).with_value(|value| format!("\"{value}\"")))),
        (
            "separator_wrong",
            prefixed.then(|| Case::right(due).with_value(|value| format!("{value};{value}"))),
        ),
        ("encoding_wrong", Some(by(&|by| by.encoding = other_encoding))),
        ("hash_wrong", Some(by(&|by| by.algorithm = other_hash))),
        ("hash_wrong", Some(by(&|by| by.algorithm = Algorithm::Sha1))),
        ("secret_of_another_integration", Some(Case::signed(due, due, other(due), BODY))),
        ("secret_expired", Some(expired)),
        ("secret_with_whitespace", spaced),
        ("body_reserialised", Some(Case::signed(due, due, own(due), was))),
        ("signed_empty_body", (!is_form).then(|| Case::signed(due, due, own(due), ""))),
        (
            "signature_mismatch",
            Some(Case::signed(
                due,
                due,
                &own(due).replace("herons", "herrings").replace("YnVn", "YnVm"),
                BODY,
            )),
        ),
        ("signature_mismatch", Some(Case { body: BODY.replace("1.0", "2.0").into(), ..Case::right(due) })),
    ]
}

#[test]
fn each_cause_is_named_for_each_style_of_signing() {
    for (name, due) in styles() {
        for (expected, case) in spoilt(&due) {
            if let Some(case) = case {
                println!("{name}: {expected}");
                case.check(expected, "");
            }
        }
    }
}

#[test]
fn what_stands_between_the_two_ends_is_named() {
    let arcgis = style("arcgis");
    for (was, says) in [
        (BODY.replace(": ", ":").replace(", ", ",").replace(r"\u00fc", "ü"), "compactly"),
        (BODY.replace(": ", ":").replace(", ", ","), "escapes for characters beyond ASCII"),
        (format!("{BODY}\n"), "with a line break at its end"),
        (format!("{BODY}\r\n"), "carriage return and a line break"),
        (BODY.replace(r"\u00fc", "ü"), "characters beyond ASCII as they are"),
        ("{\n  \"b\": \"Zürich\",\n  \"a\": [\n    1.0,\n    {\n      \"url\": \"https://a.example/x\"\n    }\n  ]\n}".into(), "two spaces"),
        (r#"{"a":[1.0,{"url":"https://a.example/x"}],"b":"Zürich"}"#.into(), "names in order"),
        (r#"{"b":"Z\u00fcrich","a":[1.0,{"url":"https:\/\/a.example\/x"}]}"#.into(), "as PHP does"),
    ] {
        Case::signed(&arcgis, &arcgis, TEXT, &was).check("body_reserialised", says);
    }
    let mut spaced = Case::signed(&arcgis, &arcgis, TEXT, "{}");
    spaced.body = b"{}\r\n".to_vec();
    spaced.check("body_reserialised", "without the line break");
}

#[test]
fn what_becomes_of_a_secret_is_named() {
    let grafana = style("grafana");
    let hex_key = "00112233445566778899aabbccddeeff";
    let by_bytes = |base64: &str| {
        let by = Hmac { key: KeyForm::Base64, ..grafana.clone() };
        Case::signed(&grafana, &by, base64, BODY)
    };
    let with = |case: Case, own: &str| Case { secrets: vec![secret(1, own)], ..case };
    let text = |sender: &str| Case::signed(&grafana, &grafana, sender, BODY);
    let standard = style("standard");
    let standard_by = |sender: &str| {
        Case::signed(&standard, &Hmac { key: KeyForm::Text, ..standard.clone() }, sender, BODY)
    };
    for (case, expected, says) in [
        (with(text(TEXT), "six-grey-herons-77\n"), "secret_with_whitespace", "here"),
        (with(text("six-grey-herons-77 "), TEXT), "secret_with_whitespace", "the sender's copy"),
        (with(text("\"six-grey-herons-77\""), TEXT), "secret_with_quotes", "quotation marks"),
        (with(by_bytes("ABEiM0RVZneImaq7zN3u/w=="), hex_key), "secret_encoding_differs", "hexadecimal"),
        (
            with(by_bytes("ABEiM0RVZneImaq7zN3u/w=="), "ABEiM0RVZneImaq7zN3u/w=="),
            "secret_encoding_differs",
            "as base64",
        ),
        (with(by_bytes(WHSEC.trim_start_matches("whsec_")), WHSEC), "secret_encoding_differs", "as base64"),
        (with(text(WHSEC.trim_start_matches("whsec_")), WHSEC), "secret_encoding_differs", "whsec_"),
        (standard_by(WHSEC), "secret_encoding_differs", "let the sender decode"),
        (standard_by(WHSEC.trim_start_matches("whsec_")), "secret_encoding_differs", "let the sender decode"),
    ] {
        case.check(expected, says);
    }
}

#[test]
fn what_was_signed_in_place_of_what_is_due_is_named() {
    let (timed, plain, form, standard) =
        (style("grafana, timed"), style("grafana"), style("montecarlo"), style("standard"));
    let at = |name: &str| (name.to_owned(), NOW.to_string());
    let over = |due: &Hmac, signed: Signed| Case::signed(due, &due.clone().over(signed), own(due), BODY);
    let mut body_only = over(&timed, Signed::Body);
    body_only.headers.push(at("x-grafana-alerting-timestamp"));
    body_only.check("signed_without_timestamp", "the body as it is sent");
    over(&timed, Signed::Body).check("signed_without_timestamp", "`X-Grafana-Alerting-Timestamp`");
    let dotted = Signed::TimestampAndBody {
        timestamp_header: "x-grafana-alerting-timestamp".into(),
        separator: '.',
        tolerance_s: 300,
    };
    over(&timed, dotted.clone()).check("timestamp_separator_wrong", "`:`");
    over(&plain, dotted).check("signed_with_timestamp", "`x-grafana-alerting-timestamp`");
    over(&form, Signed::Body).check("signed_raw_body", "urlencode");
    over(&plain, Signed::PythonUrlencode).check("signed_python_form", "urlencode");
    let mut without_id = over(
        &standard,
        Signed::TimestampAndBody {
            timestamp_header: "webhook-timestamp".into(),
            separator: '.',
            tolerance_s: 9,
        },
    );
    without_id.headers.push(("webhook-id".into(), "evt_01".into()));
    without_id.check("signed_without_id", "`webhook-id`");

    let mut renamed = Case::right(&timed);
    for (name, _) in &mut renamed.headers {
        *name = name.replace("alerting-timestamp", "alerting-time-stamp");
    }
    renamed.check("timestamp_misspelt_header", "`X-Grafana-Alerting-Timestamp`");
}

#[test]
fn milliseconds_are_told_from_a_clock_that_is_off() {
    let timed = style("grafana, timed");
    for (at, expected, says) in [
        (NOW * 1000, "timestamp_in_milliseconds", "1000"),
        (NOW - 301, "timestamp_stale", "301 seconds ago"),
        (NOW + 400, "timestamp_stale", "400 seconds in the future"),
    ] {
        let stamp = Stamp { id: "", at: Timestamp::from_seconds(at) };
        let proof = Scheme::Hmac(timed.clone()).sign(&[TEXT], &stamp, BODY.as_bytes()).unwrap();
        Case { headers: proof.headers, ..Case::right(&timed) }.check(expected, says);
    }
}

#[test]
fn two_faults_at_once_are_both_told() {
    let arcgis = style("arcgis");
    let case = Case::signed(&arcgis, &arcgis, OTHER, BODY).with_value(|value| value.replace("sha256=", ""));
    case.check(
        "secret_of_another_integration",
        "also, the signature in `x-esriHook-Signature` came without a prefix",
    );
    let url_safe =
        Case::right(&style("standard")).with_value(|value| value.replace('+', "-").replace('/', "_"));
    let (reason, ..) = url_safe.diagnose();
    assert!(["encoding_wrong", "verified"].contains(&reason.as_str()), "{reason}");
}

#[test]
fn credentials_that_are_right_in_the_wrong_place_are_told() {
    let case = |due: Scheme, headers: &[(&str, &str)], query: &str| Case {
        due: vec![due],
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        query: query.to_owned(),
        body: b"{}".to_vec(),
        secrets: vec![
            secret(1, TEXT),
            Secret { expires_at: Some(Timestamp::from_seconds(1)), ..secret(2, "a secret of old") },
        ],
        others: vec![secret(9, OTHER)],
    };
    let key = || Scheme::header("X-Api-Key");
    let bearer = format!("Bearer {TEXT}");
    let basic = |pair: &str| {
        use base64::Engine as _;
        format!("Basic {}", super::super::hmac::BASE64.encode(pair))
    };
    let quoted = format!("\"{TEXT}\"");
    for (case, expected, says) in [
        (case(key(), &[("x-api-key", TEXT)], ""), "verified", ""),
        (case(key(), &[("x-api-key", "no such secret")], ""), "credential_mismatch", ""),
        (case(key(), &[], ""), "credential_missing", ""),
        (case(key(), &[("x-api-key", OTHER)], ""), "secret_of_another_integration", "another integration"),
        (case(key(), &[("x-api-key", "a secret of old")], ""), "secret_expired", "the new one"),
        (case(key(), &[("x-api-key", &bearer)], ""), "credential_with_prefix", "`Bearer`"),
        (case(key(), &[("x-api-key", &quoted)], ""), "secret_with_quotes", "quotation marks"),
        (
            case(key(), &[("authorization", &bearer)], ""),
            "credential_in_another_place",
            "`Authorization: Bearer`",
        ),
        (case(key(), &[("x-apikey", "not the secret")], ""), "credential_misspelt_header", "`x-apikey`"),
        (case(key(), &[("x-apikey", TEXT)], ""), "credential_in_another_place", "`x-apikey`"),
        (case(key(), &[], "key=six-grey-herons-77"), "credential_in_another_place", "the query"),
        (
            case(Scheme::Bearer, &[("authorization", TEXT)], ""),
            "credential_in_another_place",
            "`authorization`",
        ),
        (
            case(Scheme::Bearer, &[("authorization", &basic(&format!("x:{TEXT}")))], ""),
            "credential_in_another_place",
            "Basic",
        ),
        (
            case(Scheme::Basic, &[("authorization", &basic(&format!("{TEXT}:")))], ""),
            "credential_mismatch",
            "",
        ),
        (
            case(Scheme::Basic, &[("authorization", &basic(&format!("x:{OTHER}")))], ""),
            "secret_of_another_integration",
            "",
        ),
    ] {
        case.check(expected, says);
    }
}

#[test]
fn a_credential_that_is_stored_with_something_around_it_is_told() {
    let base = Case::right(&style("arcgis"));
    for (stored, expected) in [
        ("six-grey-herons-77 ", "secret_with_whitespace"),
        ("six-grey-herons-77\n", "secret_with_whitespace"),
        ("\"six-grey-herons-77\"", "secret_with_quotes"),
    ] {
        let case = Case {
            due: vec![Scheme::header("X-Api-Key")],
            headers: vec![("x-api-key".into(), TEXT.into())],
            secrets: vec![secret(1, stored)],
            ..base.clone()
        };
        case.check(expected, "here");
    }
}

#[test]
fn of_several_schemes_a_guess_never_hides_a_mismatch() {
    let mut case = Case::right(&style("pagerduty")).in_header("x-hub-signature-256");
    case.due.push(Scheme::header("X-Door"));
    case.headers.push(("x-door".into(), "not the secret".into()));
    case.secrets = vec![secret(1, "yet another secret")];
    case.check("credential_mismatch", "X-Door");
}

#[test]
fn the_work_is_bounded() {
    let arcgis = style("arcgis");
    let mut case = Case::signed(&arcgis, &arcgis, "nobody has this secret", BODY);
    case.others = (10..1000).map(|id| secret(id, &format!("the secret of integration {id}"))).collect();
    let secrets: Vec<&Secret> = case.secrets.iter().collect();
    let others: Vec<&Secret> = case.others.iter().collect();
    let large = format!("{{\"a\": \"{}\"}}", "é".repeat(500_000));
    for (body, bytes_max) in [(BODY.as_bytes(), HASHED_BYTES_MAX), (large.as_bytes(), HASHED_BYTES_MAX)] {
        let inbound = Inbound { query: "", headers: &case.headers, body };
        let context = VerifyContext { now: Timestamp::from_seconds(NOW), sealer: &SEALER, stored: false };
        let mut exam = Exam {
            active: secrets.clone(),
            expired: Vec::new(),
            others: &others,
            inbound: &inbound,
            context: &context,
            tries_left: TRIES_MAX,
            bytes_left: bytes_max,
        };
        let mut proven = 0;
        for _ in 0..200 {
            proven += u32::from(exam.holds(&case.due[0], secrets[0], &case.headers, body));
        }
        assert_eq!(proven, 0);
        assert!(exam.tries_left == 0 || exam.bytes_left < body.len(), "{}", exam.tries_left);
    }
    case.check("signature_mismatch", "");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_advice_ever_holds_a_secret_or_a_signature(
        own in "[!-~]{12,40}",
        other in "[!-~]{12,40}",
        body in "\\PC{0,120}",
        value in "\\PC{0,200}",
        name in "[a-z-]{1,24}",
    ) {
        for (_, due) in styles() {
            for (_, case) in spoilt(&due) {
                let Some(mut case) = case else { continue };
                let (_, advice, _) = case.diagnose();
                case.check_silence(&advice);
                case.body = body.clone().into_bytes();
                case.secrets = vec![secret(1, &own)];
                case.others = vec![secret(2, &other)];
                let (reason, advice, _) = case.diagnose();
                prop_assert_ne!(&reason, "verified");
                case.check_silence(&advice);
                let case = case.with_any_value(&value, &name);
                let (_, advice, _) = case.diagnose();
                case.check_silence(&advice);
            }
        }
    }
}

impl Case {
    fn with_any_value(mut self, value: &str, name: &str) -> Self {
        for header in &mut self.headers {
            value.clone_into(&mut header.1);
        }
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A forged call with the largest body costs no more than a few honest ones.
#[test]
fn a_large_forged_call_is_given_up_early() {
    let body = format!("[{}1]", "\"é\", ".repeat(160_000));
    for (_, due) in styles() {
        let mut case = Case::signed(&due, &due, other(&due), "{}");
        case.others.clear();
        case.body = body.clone().into_bytes();
        case.check(
            if due.signed == Signed::PythonUrlencode { "body_unsignable" } else { "signature_mismatch" },
            "",
        );
        let secrets: Vec<&Secret> = case.secrets.iter().collect();
        let inbound = Inbound { query: "", headers: &case.headers, body: &case.body };
        let context = VerifyContext { now: Timestamp::from_seconds(NOW), sealer: &SEALER, stored: false };
        let mut exam = Exam {
            active: secrets,
            expired: Vec::new(),
            others: &[],
            inbound: &inbound,
            context: &context,
            tries_left: TRIES_MAX,
            bytes_left: HASHED_BYTES_MAX,
        };
        assert!(exam.signature(&due).is_none());
        let hashed = HASHED_BYTES_MAX - exam.bytes_left;
        assert!(hashed <= HASHED_BYTES_MAX && hashed < 3 * case.body.len(), "{hashed} bytes");
    }
}
