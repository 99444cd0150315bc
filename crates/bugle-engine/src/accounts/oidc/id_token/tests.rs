//! Tokens signed with keys made here, good and bad.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde_json::json;

use super::*;

const NOW: i64 = 1_795_000_000;

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn es256(header: &Value, claims: &Value, key: &EcdsaKeyPair) -> String {
    let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
    let signature = key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    format!("{message}.{}", encoded(signature))
}

fn p256() -> (EcdsaKeyPair, Value) {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = key.public_key().as_ref();
    let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "one", "use": "sig",
        "x": encoded(&point[1..33]), "y": encoded(&point[33..])});
    (key, jwk)
}

fn claims() -> Value {
    json!({"iss": "https://login.example.net", "aud": "bugle", "sub": "42", "nonce": "n",
        "exp": NOW + 300, "iat": NOW})
}

fn proven(token: &str, keys: &Keys) -> Result<String, Unproven> {
    let now = Timestamp::from_seconds(NOW);
    let expected = Expected { issuer: "https://login.example.net", client_id: "bugle", nonce: "n", now };
    verify(token, keys, &expected).map(|claims| claims.subject)
}

#[test]
fn claims_are_for_us_now_and_for_this_sign_in() {
    let (key, jwk) = p256();
    let keys = Keys::read(vec![jwk]);
    let header = json!({"alg": "ES256", "kid": "one"});
    for (change, expected) in [
        (json!({}), Ok("42")),
        (json!({"aud": ["bugle"]}), Ok("42")),
        (json!({"aud": ["other", "bugle"], "azp": "bugle"}), Ok("42")),
        (json!({"exp": NOW - 59}), Ok("42")),
        (json!({"iss": "https://login.example.net/"}), Err(Unproven::Issuer)),
        (json!({"iss": null}), Err(Unproven::Issuer)),
        (json!({"aud": "other"}), Err(Unproven::Audience)),
        (json!({"aud": ["other", "bugle"]}), Err(Unproven::Audience)),
        (json!({"azp": "other"}), Err(Unproven::Audience)),
        (json!({"aud": null}), Err(Unproven::Audience)),
        (json!({"exp": NOW - 60}), Err(Unproven::Time)),
        (json!({"exp": null}), Err(Unproven::Time)),
        (json!({"iat": NOW + 61}), Err(Unproven::Time)),
        (json!({"nbf": NOW + 61}), Err(Unproven::Time)),
        (json!({"nonce": "m"}), Err(Unproven::Nonce)),
        (json!({"nonce": null}), Err(Unproven::Nonce)),
        (json!({"sub": ""}), Err(Unproven::Form)),
        (json!({"sub": "x".repeat(256)}), Err(Unproven::Form)),
    ] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let result = proven(&es256(&header, &claims, &key), &keys);
        assert_eq!(result, expected.map(str::to_owned), "{change}");
    }
}

#[test]
fn a_signature_is_by_a_key_that_fits() {
    let ((key, jwk), (other, _)) = (p256(), p256());
    let keys = Keys::read(vec![jwk]);
    for (header, expected) in [
        (json!({"alg": "ES256"}), Ok("42")),
        (json!({"alg": "ES256", "kid": "two"}), Err(Unproven::UnknownKey)),
        (json!({"alg": "RS256", "kid": "one"}), Err(Unproven::UnknownKey)),
        (json!({"alg": "none"}), Err(Unproven::Algorithm)),
        (json!({"alg": "HS256", "kid": "one"}), Err(Unproven::Algorithm)),
        (json!({"alg": "ES256", "crit": ["b64"]}), Err(Unproven::Form)),
    ] {
        let result = proven(&es256(&header, &claims(), &key), &keys);
        assert_eq!(result, expected.map(str::to_owned), "{header}");
    }
    let good = es256(&json!({"alg": "ES256"}), &claims(), &key);
    let forged = es256(&json!({"alg": "ES256"}), &claims(), &other);
    let (message, _) = good.rsplit_once('.').unwrap();
    for (token, expected) in [
        (forged.clone(), Unproven::Signature),
        (format!("{message}."), Unproven::Signature),
        (message.to_owned(), Unproven::Form),
        (format!("{good}.x"), Unproven::Form),
        ("..".to_owned(), Unproven::Form),
        (String::new(), Unproven::Form),
    ] {
        assert_eq!(proven(&token, &keys), Err(expected), "{token}");
    }
    assert_eq!(proven(&good, &Keys::default()), Err(Unproven::UnknownKey));
}

#[test]
fn rs256_is_taken_beside_keys_of_other_kinds() {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    // The key in DER: nine bytes of frame, the modulus, five of frame, the exponent.
    let der = key.public_key().as_ref();
    let modulus = &der[9..265];
    assert_eq!((der.len(), &der[265..]), (270, &[2, 3, 1, 0, 1][..]));
    let rsa = json!({"kty": "RSA", "kid": "r", "alg": "RS256",
        "n": encoded([&[0], modulus].concat()), "e": "AQAB"});
    let encryption = json!({"kty": "RSA", "kid": "enc", "use": "enc", "n": rsa["n"], "e": rsa["e"]});
    let others = [json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"}), json!({"kid": "r"}), json!(7)];
    let keys = Keys::read([&others[..], &[encryption, rsa]].concat());
    let message = format!(
        "{}.{}",
        encoded(json!({"alg": "RS256", "kid": "r"}).to_string()),
        encoded(claims().to_string())
    );
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    assert_eq!(proven(&format!("{message}.{}", encoded(&signature)), &keys).as_deref(), Ok("42"));
    signature[9] ^= 1;
    assert_eq!(proven(&format!("{message}.{}", encoded(&signature)), &keys), Err(Unproven::Signature));
    let renamed = message.replacen(
        &encoded(json!({"alg": "RS256", "kid": "r"}).to_string()),
        &encoded(json!({"alg": "RS256", "kid": "enc"}).to_string()),
        1,
    );
    assert_eq!(proven(&format!("{renamed}.AA"), &keys), Err(Unproven::UnknownKey));
}
