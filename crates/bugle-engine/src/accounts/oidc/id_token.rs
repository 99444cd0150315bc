//! Whether an ID token is proven: its signature by a key of the provider, and that it is for us, now, and for this sign-in.
//! <https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation>
//!
//! Signed is what names its algorithm, and the key's kind decides whether that fits: never the token alone.

use std::time::Duration;

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bugle_model::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

/// How far two clocks may differ.
const LEEWAY: Duration = Duration::from_mins(1);
/// Keys of a provider that are looked at; providers have two or three, Microsoft about ten.
const KEYS_MAX: usize = 64;
/// Longest subject, in bytes: OpenID Connect allows no more.
const SUBJECT_BYTES_MAX: usize = 255;

/// Why a token proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// It is none.
    #[error("it is not an ID token")]
    Form,
    /// It is signed in a way that is not taken.
    #[error("it is signed neither by RS256 nor by ES256")]
    Algorithm,
    /// None of the provider's keys is named by it.
    #[error("it is signed by a key that the provider does not show")]
    UnknownKey,
    /// The signature is another's.
    #[error("its signature is wrong")]
    Signature,
    /// Another provider made it.
    #[error("another provider made it")]
    Issuer,
    /// It is for somebody else.
    #[error("it is not for this hub")]
    Audience,
    /// It is over, or is not good yet.
    #[error("it is too old, or the clocks differ")]
    Time,
    /// It is of another sign-in.
    #[error("it is of another sign-in")]
    Nonce,
}

/// What must be so.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: Timestamp,
}

/// What is proven of a person.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) issuer: String,
    pub(super) subject: String,
    all: Map<String, Value>,
}

impl Claims {
    /// A claim that is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// The texts of a claim, which is one or a list: of this name, or at the end of this way of names with dots between.
    pub(super) fn values(&self, claim: &str) -> Vec<&str> {
        let by_way = || {
            let mut names = claim.split('.');
            let first = self.all.get(names.next()?)?;
            names.try_fold(first, |value, name| value.get(name))
        };
        match self.all.get(claim).or_else(by_way) {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn of(all: &Value) -> Self {
        let all = all.as_object().cloned().unwrap_or_default();
        Self { issuer: String::new(), subject: String::new(), all }
    }
}

/// The provider's keys that can sign a token.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys(Vec<Key>);

#[derive(Debug, Clone)]
struct Key {
    id: Option<String>,
    material: Material,
}

#[derive(Debug, Clone)]
enum Material {
    Rsa(PublicKeyComponents<Vec<u8>>),
    /// The point, uncompressed.
    P256(Vec<u8>),
}

/// A key as RFC 7517 and RFC 7518 write it.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keys {
    /// Those of a provider's list that are of a known kind.
    pub(super) fn read(list: Vec<Value>) -> Self {
        let keys = list.into_iter().take(KEYS_MAX).filter_map(|key| serde_json::from_value(key).ok());
        Self(keys.filter_map(Jwk::key).collect())
    }
}

impl Jwk {
    fn key(self) -> Option<Key> {
        if self.purpose.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let bytes = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?.trim_end_matches('=')).ok();
        let material = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Material::Rsa(PublicKeyComponents {
                n: without_zeros(bytes(self.n)?),
                e: without_zeros(bytes(self.e)?),
            }),
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(self.x)?, bytes(self.y)?);
                (x.len() == 32 && y.len() == 32).then(|| Material::P256([&[4], &*x, &*y].concat()))?
            }
            _ => return None,
        };
        Some(Key { id: self.kid, material })
    }
}

fn without_zeros(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().skip_while(|byte| *byte == 0).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Rs256,
    Es256,
}

impl Key {
    fn fits(&self, algorithm: Algorithm) -> bool {
        matches!(
            (&self.material, algorithm),
            (Material::Rsa(_), Algorithm::Rs256) | (Material::P256(_), Algorithm::Es256)
        )
    }

    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Rsa(key) => key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok(),
            Material::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// What must be understood to take the token: nothing is.
    crit: Option<Value>,
}

/// Proves a token, or says why it is none.
pub(super) fn verify(token: &str, keys: &Keys, expected: &Expected<'_>) -> Result<Claims, Unproven> {
    let (message, signature) = token.rsplit_once('.').ok_or(Unproven::Form)?;
    let (header, payload) = message.split_once('.').ok_or(Unproven::Form)?;
    let header: Header = decoded(header)?;
    if header.crit.is_some() {
        return Err(Unproven::Form);
    }
    let algorithm = match header.alg.as_str() {
        "RS256" => Algorithm::Rs256,
        "ES256" => Algorithm::Es256,
        _ => return Err(Unproven::Algorithm),
    };
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Unproven::Form)?;
    let mut named = keys
        .0
        .iter()
        .filter(|key| key.fits(algorithm) && (header.kid.is_none() || key.id == header.kid))
        .peekable();
    named.peek().ok_or(Unproven::UnknownKey)?;
    if !named.any(|key| key.has_signed(message.as_bytes(), &signature)) {
        return Err(Unproven::Signature);
    }
    checked(decoded(payload)?, expected)
}

fn decoded<T: DeserializeOwned>(part: &str) -> Result<T, Unproven> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Unproven::Form)?;
    serde_json::from_slice(&bytes).map_err(|_| Unproven::Form)
}

/// That the claims of a token with a good signature are for us, now, and for this sign-in.
fn checked(all: Map<String, Value>, expected: &Expected<'_>) -> Result<Claims, Unproven> {
    let text = |name: &str| all.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(Unproven::Issuer);
    }
    let (is_ours, are_several) = match all.get("aud") {
        Some(Value::String(one)) => (one == expected.client_id, false),
        Some(Value::Array(all)) => {
            (all.iter().any(|one| one.as_str() == Some(expected.client_id)), all.len() > 1)
        }
        _ => (false, false),
    };
    let is_party = match all.get("azp") {
        None => !are_several,
        Some(party) => party.as_str() == Some(expected.client_id),
    };
    if !is_ours || !is_party {
        return Err(Unproven::Audience);
    }
    let moment = |name: &str| all.get(name).and_then(Value::as_i64).map(Timestamp::from_seconds);
    let is_over = moment("exp").is_none_or(|end| end.plus(LEEWAY) <= expected.now);
    let is_early =
        ["nbf", "iat"].into_iter().filter_map(moment).any(|start| start.minus(LEEWAY) > expected.now);
    if is_over || is_early {
        return Err(Unproven::Time);
    }
    let is_of_this: bool =
        text("nonce").unwrap_or_default().as_bytes().ct_eq(expected.nonce.as_bytes()).into();
    if !is_of_this {
        return Err(Unproven::Nonce);
    }
    let subject = text("sub").filter(|text| (1..=SUBJECT_BYTES_MAX).contains(&text.len()));
    let subject = subject.ok_or(Unproven::Form)?.to_owned();
    Ok(Claims { issuer: expected.issuer.to_owned(), subject, all })
}

#[cfg(test)]
mod tests;
