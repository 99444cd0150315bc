//! Against what CPython wrote, kept in `fixtures/vectors/montecarlo.json`. `tests/python_oracle.rs` asks a live one.

use bugle_model::{Secret, SecretId, Timestamp, Verification};
use serde_json::Value;

use super::*;
use crate::{
    dialect::Stamp,
    scheme::{Algorithm, Encoding, Hmac, Scheme, Sealer, Signed, VerifyContext, verify},
    source::Inbound,
};

const SECRET: &str = "test-secret";

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../fixtures/vectors/montecarlo.json")).unwrap()
}

fn scheme() -> Scheme {
    Scheme::Hmac(
        Hmac::new(Algorithm::Sha512, Encoding::Hex, "x-mcd-signature", "").over(Signed::PythonUrlencode),
    )
}

fn proven(body: &[u8], signature: &str) -> Verification {
    let secret = Secret {
        id: SecretId::from_i64(1),
        value: SECRET.to_owned().into(),
        created_at: Timestamp::from_seconds(0),
        expires_at: None,
    };
    let headers = [("x-mcd-signature".to_owned(), signature.to_owned())];
    let inbound = Inbound { query: "", headers: &headers, body };
    let sealer = Sealer::new([7; 32]);
    let context = VerifyContext { now: Timestamp::from_seconds(1), sealer: &sealer, stored: false };
    verify(&[scheme()], &[&secret], &inbound, &context)
}

fn is_proven(body: &[u8], signature: &str) -> bool {
    matches!(proven(body, signature), Verification::Verified { .. })
}

fn sign(body: &[u8]) -> Option<String> {
    let stamp = Stamp { id: "e", at: Timestamp::from_seconds(1) };
    let proof = scheme().sign(&[SECRET], &stamp, body).ok()?;
    proof.headers.first().map(|(_, value)| value.clone())
}

fn each(list: &str, check: impl Fn(&Value, &[u8], &str)) {
    let vectors = vectors();
    let all = vectors[list].as_array().unwrap();
    assert!(!all.is_empty());
    for vector in all {
        let body = hex::decode(vector["body_utf8_hex"].as_str().unwrap()).unwrap();
        check(vector, &body, vector["name"].as_str().unwrap());
    }
}

#[test]
fn every_vector_is_written_signed_and_proven_as_by_python() {
    each("vectors", |vector, body, name| {
        let form = forms(body).unwrap().next().unwrap();
        assert_eq!(String::from_utf8(form).unwrap(), vector["urlencoded"], "{name}");
        let signature = vector["hmac_sha512_hex"].as_str().unwrap();
        assert_eq!(sign(body).as_deref(), Some(signature), "{name}");
        assert!(is_proven(body, signature), "{name}");
        assert!(!is_proven(&[b"{\"x\":1,", &body[1..]].concat(), signature), "{name}: a changed body");
    });
}

#[test]
fn what_python_refuses_is_refused() {
    each("must_fail", |_, body, name| {
        assert!(forms(body).is_err(), "{name}");
        assert_eq!(sign(body), None, "{name}");
        let Verification::Failed { reason, advice } = proven(body, &"0".repeat(128)) else {
            panic!("{name} is proven")
        };
        assert_eq!(reason, "body_unsignable", "{name}: {advice}");
    });
}

#[test]
fn what_python_signs_like_an_empty_object_is_refused() {
    each("quirks", |vector, body, name| {
        assert!(!is_proven(body, vector["hmac_sha512_hex"].as_str().unwrap()), "{name}");
    });
}

#[test]
fn every_version_of_python_is_followed_from_3_7_on() {
    let unicode = |python: &str| match python {
        "3.6" => None,
        "3.7" => Some(Unicode::V11),
        "3.8" => Some(Unicode::V12_1),
        "3.9" | "3.10" => Some(Unicode::V13),
        "3.11" => Some(Unicode::V14),
        "3.12" => Some(Unicode::V15),
        "3.13" => Some(Unicode::V15_1),
        other => panic!("{other}"),
    };
    each("python_version_dependent", |vector, body, name| {
        let document = json::parse_as_python(body).unwrap();
        for variant in vector["variants"].as_array().unwrap() {
            let pythons = variant["python"].as_array().unwrap().iter();
            let versions: Vec<Unicode> =
                pythons.filter_map(|python| unicode(python.as_str().unwrap())).collect();
            for version in &versions {
                let (form, _) = form(&document, *version).unwrap();
                assert_eq!(String::from_utf8(form).unwrap(), variant["urlencoded"], "{name} {version:?}");
            }
            let signature = variant["hmac_sha512_hex"].as_str().unwrap();
            assert_eq!(is_proven(body, signature), !versions.is_empty(), "{name} {versions:?}");
        }
    });
}

#[test]
fn older_forms_are_made_only_where_they_differ_and_are_worth_it() {
    let all = "{\"p\":[\"\u{c77}\u{8be}\u{870}\u{cf3}\u{2ffc}\u{897}\"]}";
    let large = all.replace("[\"", &format!("[\"{}", "x".repeat(RETRIED_BODY_BYTES_MAX)));
    for (body, expected) in [
        ("{\"p\":[\"caf\u{e9} \u{1f600} \u{378}\"]}", 1),
        ("{\"p\":\"\u{1fae8}\"}", 1),
        ("{\"p\":[\"\u{1fae8}\"]}", 2),
        ("{\"p\":[\"\u{1fae8}\",\"\u{1fae0}\u{1fae8}\"]}", 3),
        (all, 7),
        (&large, 1),
    ] {
        let forms: Vec<Vec<u8>> = forms(body.as_bytes()).unwrap().collect();
        assert_eq!(forms.len(), expected, "{body:.60}");
        let different: std::collections::HashSet<&Vec<u8>> = forms.iter().collect();
        assert_eq!(different.len(), expected, "{body:.60}");
    }
}

#[test]
fn floats_are_laid_out_as_by_repr() {
    for (value, expected) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (100.0, "100.0"),
        (0.1, "0.1"),
        (0.0001, "0.0001"),
        (0.000_123, "0.000123"),
        (0.00001, "1e-05"),
        (1.25e-5, "1.25e-05"),
        (1e15, "1000000000000000.0"),
        (9_999_999_999_999_998.0, "9999999999999998.0"),
        (1e16, "1e+16"),
        (1.5e300, "1.5e+300"),
        (5e-324, "5e-324"),
        (f64::from_bits(0x4310_0000_0000_0001), "1125899906842624.2"),
        (2.980_232_238_769_531_2e-8, "2.9802322387695312e-08"),
        (f64::NAN, "nan"),
        (f64::NEG_INFINITY, "-inf"),
    ] {
        assert_eq!(float(value), expected);
    }
}

#[test]
fn integers_have_a_bound() {
    let body = |digits: usize| format!("{{\"a\":-{}}}", "7".repeat(digits));
    assert!(forms(body(4300).as_bytes()).is_ok());
    for refused in [body(4301), body(4301).replace('}', ",\"a\":1}")] {
        let error = forms(refused.as_bytes()).err().unwrap();
        assert!(error.to_string().contains("4300 digits"), "{error}");
    }
}

#[test]
fn settled_texts_are_signed_the_same_by_every_python() {
    for (text, expected) in [
        ("caf\u{e9} \u{1f600}\u{200d}\u{ffff}\u{e000}", "caf\u{e9} \u{1f600}\u{200d}\u{ffff}\u{e000}"),
        ("\u{1fae8} shakes", "\u{fffd} shakes"),
        ("\u{378}", "\u{fffd}"),
    ] {
        assert_eq!(settled(text), expected);
        let body = serde_json::json!({"p": [settled(text)]}).to_string();
        assert_eq!(forms(body.as_bytes()).unwrap().count(), 1, "{text:?}");
    }
}
