use bugle_model::{Secret, Timestamp, Verification, id::SecretId, receipt::RequestHead};
use proptest::prelude::*;

use super::*;
use crate::{dialect::Stamp, source::Inbound};

const NOW: i64 = 1_772_446_500;
const SEALER: Sealer = Sealer::new([7; 32]);
/// `bugle-test-key-of-32-bytes-long!`.
const WHSEC: &str = "whsec_YnVnbGUtdGVzdC1rZXktb2YtMzItYnl0ZXMtbG9uZyE=";

fn secret(id: i64, value: &str) -> Secret {
    Secret {
        id: SecretId::from_i64(id),
        value: value.to_owned().into(),
        created_at: Timestamp::from_seconds(0),
        expires_at: None,
    }
}

fn stamp(at: i64) -> Stamp<'static> {
    Stamp { id: "evt_01", at: Timestamp::from_seconds(at) }
}

fn judge(
    schemes: &[Scheme],
    secrets: &[Secret],
    headers: &[(&str, &str)],
    query: &str,
    body: &[u8],
) -> Verification {
    let headers: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    judge_at(schemes, secrets, &Inbound { query, headers: &headers, body }, NOW, false)
}

fn judge_at(
    schemes: &[Scheme],
    secrets: &[Secret],
    inbound: &Inbound<'_>,
    now: i64,
    stored: bool,
) -> Verification {
    let secrets: Vec<&Secret> = secrets.iter().collect();
    verify(
        schemes,
        &secrets,
        inbound,
        &VerifyContext { now: Timestamp::from_seconds(now), sealer: &SEALER, stored },
    )
}

fn reason(verification: &Verification) -> &str {
    match verification {
        Verification::Failed { reason, .. } => reason,
        Verification::Unverified => "unverified",
        Verification::Verified { .. } => "verified",
    }
}

fn advice(verification: &Verification) -> &str {
    match verification {
        Verification::Failed { advice, .. } => advice,
        _ => "",
    }
}

fn timestamped() -> Hmac {
    Hmac::sha256_hex("X-Example-Signature", "").over(Signed::TimestampAndBody {
        timestamp_header: "X-Example-Time".into(),
        separator: ':',
        tolerance_s: 300,
    })
}

fn every_scheme() -> Vec<(Scheme, &'static str)> {
    vec![
        (Scheme::Hmac(Hmac::sha256_hex("X-Example-Signature", "sha256=")), "correct horse"),
        (Scheme::Hmac(Hmac::sha256_hex("X-Example-Signature", "v1=").separated_by(',')), "correct horse"),
        (Scheme::Hmac(Hmac::new(Algorithm::Sha1, Encoding::Hex, "x-sha1", "")), "correct horse"),
        (Scheme::Hmac(Hmac::new(Algorithm::Sha512, Encoding::Hex, "x-sha512", "")), "correct horse"),
        (Scheme::Hmac(Hmac::new(Algorithm::Sha256, Encoding::Base64, "x-base64", "")), "correct horse"),
        (Scheme::Hmac(Hmac::new(Algorithm::Sha512, Encoding::Base64, "x-base64", "sig=")), "correct horse"),
        (Scheme::Hmac(timestamped()), "correct horse"),
        (Scheme::Hmac(Hmac::standard_webhooks()), WHSEC),
        (Scheme::header("X-Example-Token"), "correct horse"),
        (Scheme::header("Authorization"), "GenieKey correct horse"),
        (Scheme::header("authorization"), "bearer correct horse"),
        (Scheme::Bearer, "correct:horse"),
        (Scheme::Basic, "correct:ho:horse"),
        (Scheme::Basic, "horse"),
        (Scheme::query("token"), "correct & horse"),
    ]
}

/// A signed request, as the receiver sees it.
fn signed(scheme: &Scheme, secrets: &[&str], at: i64, body: &[u8]) -> (Vec<(String, String)>, String) {
    let proof = scheme.sign(secrets, &stamp(at), body).unwrap();
    let query = proof.query.map_or_else(String::new, |(name, value)| {
        form_urlencoded::Serializer::new(String::new()).append_pair(&name, &value).finish()
    });
    (proof.headers, query)
}

fn sealed_head(query: &str, headers: &[(String, String)], schemes: &[Scheme]) -> RequestHead {
    let head = RequestHead { method: "POST".into(), query: query.into(), headers: headers.to_vec() };
    SEALER.seal_head(head, schemes)
}

#[test]
fn what_is_signed_verifies_live_and_stored_and_not_with_another_secret() {
    let body = "{\"name\": \"Zürich – ☃\", \"nul\": \"\0\"}\r\n".as_bytes();
    for (scheme, key) in every_scheme() {
        let schemes = [scheme.clone()];
        let (headers, query) = signed(&scheme, &[key], NOW - 10, body);
        let inbound = Inbound { query: &query, headers: &headers, body };
        let right = [secret(1, key)];
        let expected =
            Verification::Verified { scheme: scheme.name().into_owned(), secret_id: SecretId::from_i64(1) };
        assert_eq!(judge_at(&schemes, &right, &inbound, NOW, false), expected);

        let head = sealed_head(&query, &headers, &schemes);
        let stored = Inbound { query: &head.query, headers: &head.headers, body };
        assert_eq!(judge_at(&schemes, &right, &stored, NOW, true), expected, "stored {scheme:?}");
        let shown = format!("{head:?}");
        assert!(!shown.contains("horse") && !shown.contains("aG9yc2"), "{shown}");

        let wrong = [secret(2, &key.replace("horse", "house").replace("YnVn", "YnVm"))];
        for (inbound, stored) in [(&inbound, false), (&stored, true)] {
            let verdict = judge_at(&schemes, &wrong, inbound, NOW, stored);
            assert!(reason(&verdict).ends_with("_mismatch"), "{scheme:?}: {verdict:?}");
        }
        if !matches!(scheme, Scheme::Hmac(_)) {
            let verdict = judge_at(&schemes, &right, &stored, NOW, false);
            assert_eq!(reason(&verdict).split('_').next(), Some("credential"), "a live seal: {scheme:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_body_verifies_and_any_other_does_not(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        flip in any::<proptest::sample::Index>(),
        key in "[ -~]{1,40}",
    ) {
        for (scheme, fixed) in every_scheme() {
            let Scheme::Hmac(hmac) = &scheme else { continue };
            let key = if hmac.key == KeyForm::Whsec { fixed } else { key.as_str() };
            let (headers, query) = signed(&scheme, &[key], NOW, &body);
            let secrets = [secret(1, key)];
            let schemes = [scheme.clone()];
            let inbound = Inbound { query: &query, headers: &headers, body: &body };
            let verdict = judge_at(&schemes, &secrets, &inbound, NOW, false);
            prop_assert_eq!(reason(&verdict), "verified");
            let mut other = body.clone();
            if other.is_empty() { other.push(0) } else { let at = flip.index(other.len()); other[at] ^= 1 }
            let inbound = Inbound { query: &query, headers: &headers, body: &other };
            let verdict = judge_at(&schemes, &secrets, &inbound, NOW, false);
            prop_assert_eq!(reason(&verdict), "signature_mismatch");
        }
    }

    #[test]
    fn no_header_or_query_makes_it_panic(name in 0..4usize, value in "\\PC{0,80}", query in "\\PC{0,80}") {
        let name = ["x-example-signature", "authorization", "x-example-token", "webhook-signature"][name];
        let schemes: Vec<Scheme> = every_scheme().into_iter().map(|(scheme, _)| scheme).collect();
        let verdict = judge(&schemes, &[secret(1, "correct horse battery")], &[(name, &value)], &query, b"{}");
        prop_assert_ne!(reason(&verdict), "verified");
        let headers = [(name.to_owned(), value)];
        let head = sealed_head(&query, &headers, &schemes);
        prop_assert_eq!(head.headers.len(), 1);
    }
}

#[test]
fn the_published_example_of_standard_webhooks_verifies() {
    let headers = [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,AAAA v1a,ignored  v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let inbound = Inbound { query: "", headers: &headers, body: br#"{"test": 2432232314}"# };
    let schemes = [Scheme::Hmac(Hmac::standard_webhooks())];
    for padding in ["", "="] {
        let secrets = [secret(1, &format!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw{padding}"))];
        let verdict = judge_at(&schemes, &secrets, &inbound, 1_614_265_300, false);
        let expected = if padding.is_empty() { "verified" } else { "secret_invalid" };
        assert_eq!(reason(&verdict), expected);
    }
}

#[test]
fn fixed_signatures_verify_whatever_their_case_and_place_in_the_list() {
    // HMAC-SHA256 of `{"ping":"é"}` under `quiet-harbour`.
    let tag = "c63a30d363df7bdcabe51ffcc790d0da75050d0120022fb6b809a22bd882f120";
    let schemes = [Scheme::Hmac(Hmac::sha256_hex("X-PagerDuty-Signature", "v1=").separated_by(','))];
    let other = "00".repeat(32);
    for value in [
        format!("v1={tag}"),
        format!("v1={}", tag.to_uppercase()),
        format!("v1={other},v1={tag}"),
        format!(" v1={tag} , v1={other},"),
        format!("v2={other},v1={tag}"),
    ] {
        let headers = [("x-pagerduty-signature", value.as_str())];
        let body = "{\"ping\":\"é\"}".as_bytes();
        let verdict = judge(&schemes, &[secret(3, "quiet-harbour")], &headers, "", body);
        let expected = Verification::Verified {
            scheme: "X-PagerDuty-Signature".into(),
            secret_id: SecretId::from_i64(3),
        };
        assert_eq!(verdict, expected, "{value}");
    }
}

#[test]
fn each_failure_has_its_reason_and_says_nothing_secret() {
    let hex = Scheme::Hmac(Hmac::sha256_hex("X-Example-Signature", "sha256="));
    let base64 = Scheme::Hmac(Hmac::new(Algorithm::Sha256, Encoding::Base64, "X-Example-Signature", ""));
    let time = Scheme::Hmac(timestamped());
    let tag = "ab".repeat(32);
    let prefixed = format!("sha256={tag}");
    let as_base64 = "sha256=q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=";
    let sig = "x-example-signature";
    let cases = [
        (&hex, vec![], "signature_missing", "`X-Example-Signature`"),
        (&hex, vec![(sig, "")], "signature_missing", "`X-Example-Signature`"),
        (&hex, vec![(sig, &tag)], "prefix_missing", "`sha256=`"),
        (&hex, vec![(sig, as_base64)], "encoding_wrong", "came as base64"),
        (&hex, vec![(sig, "sha256=test")], "encoding_wrong", "64 hexadecimal digits, and came as 4"),
        (&base64, vec![(sig, &tag)], "encoding_wrong", "came as hexadecimal"),
        (&hex, vec![(sig, &prefixed)], "signature_mismatch", "another secret"),
        (&time, vec![(sig, &tag)], "timestamp_missing", "`X-Example-Time`"),
        (&time, vec![(sig, &tag), ("x-example-time", "noon")], "timestamp_invalid", "unix time"),
        (&Scheme::Bearer, vec![], "credential_missing", "`Authorization: Bearer`"),
        (&Scheme::Bearer, vec![("authorization", "Basic eDp5")], "credential_missing", "Bearer"),
        (&Scheme::Bearer, vec![("authorization", "Bearer x")], "credential_mismatch", "Bearer"),
        (&Scheme::Basic, vec![("authorization", "Basic eDp5")], "credential_mismatch", "Basic"),
        (&Scheme::Basic, vec![("authorization", "Basic !!!")], "credential_missing", "Basic"),
    ];
    for (scheme, headers, expected, says) in cases {
        let verdict = judge(std::slice::from_ref(scheme), &[secret(1, "correct horse")], &headers, "", b"{}");
        assert_eq!(reason(&verdict), expected, "{headers:?}");
        assert!(advice(&verdict).contains(says), "{verdict:?} should say {says}");
        assert!(!advice(&verdict).contains("horse") && !advice(&verdict).contains(&tag), "{verdict:?}");
    }
}

#[test]
fn a_timestamp_counts_to_the_second_both_ways_and_cannot_be_left_out() {
    let scheme = Scheme::Hmac(timestamped());
    let secrets = [secret(1, "correct horse")];
    for (age, expected) in
        [(0, "verified"), (300, "verified"), (-300, "verified"), (301, "stale"), (-301, "stale")]
    {
        let (headers, _) = signed(&scheme, &["correct horse"], NOW - age, b"{}");
        let inbound = Inbound { query: "", headers: &headers, body: b"{}" };
        let verdict = judge_at(std::slice::from_ref(&scheme), &secrets, &inbound, NOW, false);
        assert_eq!(reason(&verdict).trim_start_matches("timestamp_"), expected, "{age}");
        if expected == "stale" {
            assert!(advice(&verdict).contains("301 seconds"), "{verdict:?}");
        }
    }
    // A signature over the body alone does not stand in for one over both.
    let bare = Scheme::Hmac(Hmac::sha256_hex("X-Example-Signature", ""));
    let (mut headers, _) = signed(&bare, &["correct horse"], NOW, b"{}");
    for extra in [None, Some(("x-example-time".to_owned(), NOW.to_string()))] {
        headers.extend(extra);
        let inbound = Inbound { query: "", headers: &headers, body: b"{}" };
        let verdict = judge_at(std::slice::from_ref(&scheme), &secrets, &inbound, NOW, false);
        assert!(["timestamp_missing", "signature_mismatch"].contains(&reason(&verdict)), "{verdict:?}");
    }
    let absurd = [("x-example-signature", "00".repeat(32)), ("x-example-time", i64::MIN.to_string())];
    let absurd: Vec<(&str, &str)> = absurd.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(reason(&judge(&[scheme], &secrets, &absurd, "", b"{}")), "signature_mismatch");
}

#[test]
fn secrets_rotate_and_expire() {
    let (first, second) = (secret(1, "old secret"), secret(2, "new secret"));
    for (scheme, _) in every_scheme().into_iter().filter(|(_, key)| *key != WHSEC) {
        for (known, id) in [("old secret", 1), ("new secret", 2)] {
            let (headers, query) = signed(&scheme, &[known], NOW, b"{}");
            let inbound = Inbound { query: &query, headers: &headers, body: b"{}" };
            let both = [first.clone(), second.clone()];
            let verdict = judge_at(std::slice::from_ref(&scheme), &both, &inbound, NOW, false);
            assert!(
                matches!(&verdict, Verification::Verified { secret_id, .. } if *secret_id == SecretId::from_i64(id))
            );

            let mut expiring = first.clone();
            expiring.expires_at = Some(Timestamp::from_seconds(NOW));
            let rotated = [expiring.clone(), second.clone()];
            let verdict = judge_at(std::slice::from_ref(&scheme), &rotated, &inbound, NOW, false);
            assert_eq!(reason(&verdict) == "verified", id == 2, "{scheme:?}");
            let verdict = judge_at(std::slice::from_ref(&scheme), &[expiring], &inbound, NOW, false);
            assert_eq!(reason(&verdict), "secret_expired", "all expired is not the same as none");
        }
    }
    assert_eq!(judge(&[Scheme::Basic], &[], &[], "", b""), Verification::Unverified);
}

#[test]
fn all_active_secrets_sign_where_the_scheme_can_say_so() {
    let many = Scheme::Hmac(Hmac::sha256_hex("X-Example-Signature", "v1=").separated_by(','));
    let (headers, _) = signed(&many, &["new secret", "old secret"], NOW, b"{}");
    for key in ["new secret", "old secret"] {
        let inbound = Inbound { query: "", headers: &headers, body: b"{}" };
        let verdict = judge_at(std::slice::from_ref(&many), &[secret(1, key)], &inbound, NOW, false);
        assert_eq!(reason(&verdict), "verified");
    }
    let one = Scheme::Hmac(Hmac::sha256_hex("X-Example-Signature", "v1="));
    let (headers, _) = signed(&one, &["new secret", "old secret"], NOW, b"{}");
    assert_eq!(headers[0].1.matches("v1=").count(), 1);
}

#[test]
fn among_several_schemes_the_one_that_came_closest_is_named() {
    let schemes = [
        Scheme::Hmac(Hmac::sha256_hex("X-Example-Signature", "sha256=")),
        Scheme::header("X-Example-Token"),
        Scheme::Basic,
        Scheme::query("token"),
    ];
    let secrets = [secret(1, "operator:correct horse")];
    let verdict = judge(&schemes, &secrets, &[], "", b"{}");
    assert_eq!(reason(&verdict), "signature_missing");
    for name in ["`X-Example-Signature`", "`X-Example-Token`", "`Authorization: Basic`", "parameter `token`"]
    {
        assert!(advice(&verdict).contains(name), "{verdict:?}");
    }
    let verdict = judge(&schemes, &secrets, &[], "token=wrong", b"{}");
    assert_eq!(reason(&verdict), "credential_mismatch");
    let verdict = judge(&schemes, &secrets, &[], "a=b&token=operator%3Acorrect+horse", b"{}");
    assert_eq!(reason(&verdict), "verified");
}

#[test]
fn basic_takes_any_user_only_when_the_secret_names_none() {
    use base64::Engine as _;
    for (key, pair, expected) in [
        ("opensesame", "anyone:opensesame", true),
        ("opensesame", ":opensesame", true),
        ("ali:opensesame", "ali:opensesame", true),
        ("ali:opensesame", "bob:opensesame", false),
        ("ali:opensesame", "ali:opensesamE", false),
        ("ali:open:sesame", "ali:open:sesame", true),
        ("opensesame", "opensesame", false),
        ("opensesame", "anyone:", false),
        ("ali:", "ali:", false),
    ] {
        let value = format!("bAsIc {}", hmac::BASE64.encode(pair));
        let verdict = judge(&[Scheme::Basic], &[secret(1, key)], &[("authorization", &value)], "", b"");
        assert_eq!(reason(&verdict) == "verified", expected, "{key} {pair}: {verdict:?}");
    }
    // Taken as a header like any other, both halves count.
    let whole = |pair: &str| format!("Basic {}", hmac::BASE64.encode(pair));
    for (pair, expected) in [("ali:sesame", true), ("bob:sesame", false), ("ali:sesamE", false)] {
        let scheme = [Scheme::header("Authorization")];
        let given = whole(pair);
        let verdict =
            judge(&scheme, &[secret(1, &whole("ali:sesame"))], &[("authorization", &given)], "", b"");
        assert_eq!(reason(&verdict) == "verified", expected, "{pair}");
    }
}

#[test]
fn secrets_that_cannot_serve_are_refused_with_the_cure() {
    let standard = Scheme::Hmac(Hmac::standard_webhooks());
    let short = "whsec_c2hvcnQ=";
    for (scheme, key, expected) in [
        (&standard, "YnVnbGU", Err(KeyError::NotWhsec)),
        (&standard, "whsec_%%%", Err(KeyError::NotBase64)),
        (&standard, short, Err(KeyError::Length(5))),
        (&standard, WHSEC, Ok(())),
        (&standard, WHSEC.trim_end_matches('='), Ok(())),
        (&Scheme::Basic, "", Err(KeyError::Empty)),
        (&Scheme::Basic, "ali:", Err(KeyError::Empty)),
        (&Scheme::Bearer, "a\nb", Err(KeyError::ControlCharacter)),
        (&Scheme::Hmac(timestamped()), "", Err(KeyError::Empty)),
    ] {
        assert_eq!(scheme.check_secret(key), expected, "{key}");
        assert_eq!(scheme.sign(&[key], &stamp(NOW), b"").map(drop), expected, "{key}");
    }
    assert_eq!(Scheme::Bearer.sign(&[], &stamp(NOW), b""), Err(KeyError::Missing));
    let (headers, _) = signed(&Scheme::Hmac(timestamped()), &["x"], NOW, b"");
    let inbound = Inbound { query: "", headers: &headers, body: b"" };
    let verdict = judge_at(&[Scheme::Hmac(timestamped())], &[secret(1, "")], &inbound, NOW, false);
    assert_eq!(reason(&verdict), "secret_invalid");
}

#[test]
fn stored_heads_hold_no_credential_and_keep_the_rest() {
    let schemes = [
        Scheme::Hmac(Hmac::sha256_hex("X-Token-Signature", "")),
        Scheme::header("X-Door"),
        Scheme::query("door"),
    ];
    let sealed = [
        ("Authorization", "GenieKey hush"),
        ("proxy-authorization", "Bearer hush"),
        ("cookie", "a=hush"),
        ("x-api-key", "hush"),
        ("x-door", "hush"),
        ("x-gitlab-token", "hush"),
        ("client-secret", "hush"),
        ("dd-api-key", "hush"),
        ("x-elastic-app-auth", "hush"),
        ("x-any", "sealed:6875736868757368687573686875736868757368687573686875736868757368"),
    ];
    let kept = [
        ("x-token-signature", "ab"),
        ("content-type", "application/json"),
        ("idempotency-key", "7"),
        ("user-agent", "x"),
    ];
    let headers: Vec<(String, String)> =
        sealed.iter().chain(&kept).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let query = "door=hush&a=b%20c&Access_Token=hush&&sig=hush&flag&api_key=hush&x=%zz";
    let head = sealed_head(query, &headers, &schemes);
    for ((name, value), stored) in sealed.iter().zip(&head.headers) {
        assert!(stored.1.starts_with("sealed") && stored.1 != *value, "{name}: {}", stored.1);
        assert_eq!(stored.0, name.to_ascii_lowercase());
    }
    for (name, value) in kept {
        assert_eq!(head.header(name), Some(value));
    }
    assert!(!head.query.contains("hush"), "{}", head.query);
    let rest = with_tildes(&head.query);
    assert_eq!(rest, "door=~&a=b%20c&Access_Token=~&&sig=~&flag&api_key=~&x=%zz");
}

/// The query with each seal written as a tilde.
fn with_tildes(query: &str) -> String {
    let pairs = query.split('&').map(|pair| match pair.split_once("=sealed:") {
        Some((name, hex)) if hex.len() == 64 => format!("{name}=~"),
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

#[test]
fn nothing_shows_a_secret() {
    let proof = Scheme::Bearer.sign(&["correct horse"], &stamp(NOW), b"").unwrap();
    assert_eq!(
        format!("{proof:?} {SEALER:?}"),
        r#"Proof { headers: ["authorization"], query: None, .. } Sealer"#
    );
}
