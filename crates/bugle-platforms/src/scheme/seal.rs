//! What is stored in place of a credential: a keyed hash of it. It can be compared with a secret and not be read, and is
//! only ever believed of a stored receipt: sent by a live caller it is one more wrong password.

use std::fmt;

use base64::Engine as _;
use bugle_model::receipt::RequestHead;

use super::{
    Encoding, Scheme, Signed,
    hmac::{self, BASE64, Tag},
};

/// Header names that hold credentials, whatever the scheme.
const CREDENTIAL_HEADERS: &[&str] = &["authorization", "proxy-authorization", "cookie", "x-api-key"];
/// Header names that most calls have and that hold none.
const USUAL_HEADERS: &[&str] = &[
    "host",
    "accept",
    "connection",
    "user-agent",
    "content-type",
    "content-length",
    "accept-encoding",
    "traceparent",
    "x-request-id",
    "x-forwarded-for",
    "x-forwarded-proto",
];
/// Parts of header and parameter names that tell of a credential.
const CREDENTIAL_WORDS: &[&str] = &["token", "secret", "password", "passwd", "api-key", "api_key", "apikey"];
/// An end of header and parameter names that does.
const CREDENTIAL_END: &str = "auth";
/// Whole parameter names that do. Not of headers: an `Idempotency-Key` is nothing secret.
const CREDENTIAL_PARAMETERS: &[&str] = &["key", "sig", "pass", "pwd", "routing_key", "integration_key"];

/// Replaces credentials by keyed hashes of them.
#[derive(Clone)]
pub struct Sealer {
    key: [u8; 32],
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// `key` must be random, secret, and the same for as long as receipts are kept.
    pub const fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The request line and headers as they may be stored and shown: credentials are sealed, signatures are kept.
    pub fn seal_head(&self, mut head: RequestHead, schemes: &[Scheme]) -> RequestHead {
        for (name, value) in &mut head.headers {
            name.make_ascii_lowercase();
            if holds_credential(name, schemes) || Sealed::parse(value).is_some() {
                *value = self.seal(name, value).to_string();
            }
        }
        head.query = self.seal_query(&head.query, schemes);
        head
    }

    /// What is not a credential stays as it was written, byte for byte.
    fn seal_query(&self, query: &str, schemes: &[Scheme]) -> String {
        let mut sealed = String::with_capacity(query.len());
        for (position, pair) in query.split('&').enumerate() {
            if position > 0 {
                sealed.push('&');
            }
            let decoded = form_urlencoded::parse(pair.as_bytes()).next();
            match (decoded, pair.split_once('=')) {
                (Some((name, value)), Some((written, _)))
                    if is_credential_parameter(&name, schemes) || Sealed::parse(&value).is_some() =>
                {
                    sealed.push_str(written);
                    sealed.push('=');
                    sealed.push_str(&Sealed::Whole(self.tag(&value)).to_string());
                }
                _ => sealed.push_str(pair),
            }
        }
        sealed
    }

    /// The value of a header as it is stored, which is also the form in which it is compared.
    pub(super) fn seal(&self, name: &str, value: &str) -> Sealed {
        let is_authorization =
            name.eq_ignore_ascii_case("authorization") || name.eq_ignore_ascii_case("proxy-authorization");
        let credentials = is_authorization.then(|| value.trim().split_once(' ')).flatten();
        match credentials.map(|(word, rest)| (word.to_ascii_lowercase(), rest.trim())) {
            Some((word, token)) if word == "bearer" => Sealed::Bearer(self.tag(token)),
            Some((word, encoded)) if word == "basic" => {
                let pair = BASE64.decode(encoded).unwrap_or_default();
                let mut halves = pair.splitn(2, |byte| *byte == b':');
                match (halves.next(), halves.next()) {
                    (Some(user), Some(password)) => {
                        Sealed::Basic { user: self.tag_bytes(user), password: self.tag_bytes(password) }
                    }
                    _ => Sealed::Whole(self.tag(value)),
                }
            }
            _ => Sealed::Whole(self.tag(value)),
        }
    }

    pub(super) fn tag(&self, value: &str) -> Tag {
        self.tag_bytes(value.as_bytes())
    }

    fn tag_bytes(&self, value: &[u8]) -> Tag {
        hmac::sha256(&self.key, &[value])
    }
}

/// A credential that was sealed. Comparing seals instead of credentials also hides their lengths.
pub(super) enum Sealed {
    /// Of the whole value.
    Whole(Tag),
    /// Of the token alone.
    Bearer(Tag),
    /// Of both halves, so that a password can be checked for any user.
    Basic { user: Tag, password: Tag },
}

impl Sealed {
    /// Reads what [`fmt::Display`] wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let tag = |hex: &str| Tag::decode(hex, Encoding::Hex, 32);
        if let Some(hex) = text.strip_prefix("sealed:") {
            return tag(hex).map(Self::Whole);
        }
        if let Some(hex) = text.strip_prefix("sealed-bearer:") {
            return tag(hex).map(Self::Bearer);
        }
        let (user, password) = text.strip_prefix("sealed-basic:")?.split_once(':')?;
        Some(Self::Basic { user: tag(user)?, password: tag(password)? })
    }

    pub(super) fn matches(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole(one), Self::Whole(two)) | (Self::Bearer(one), Self::Bearer(two)) => one.matches(two),
            (Self::Basic { user, password }, Self::Basic { user: user_two, password: password_two }) => {
                user.matches(user_two) & password.matches(password_two)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |tag: &Tag| tag.encode(Encoding::Hex);
        match self {
            Self::Whole(tag) => write!(f, "sealed:{}", hex(tag)),
            Self::Bearer(tag) => write!(f, "sealed-bearer:{}", hex(tag)),
            Self::Basic { user, password } => write!(f, "sealed-basic:{}:{}", hex(user), hex(password)),
        }
    }
}

/// Whether the header `name`, in lower case, holds a credential. One that carries a signature does not, whatever it is
/// called, unless the same header is also taken for a credential.
fn holds_credential(name: &str, schemes: &[Scheme]) -> bool {
    let is_named = |scheme: &Scheme| matches!(scheme, Scheme::Header { name: known } if known.eq_ignore_ascii_case(name));
    if schemes.iter().any(is_named) {
        return true;
    }
    if schemes.iter().any(|scheme| is_signed_with(scheme, name)) {
        return false;
    }
    let is_usual = USUAL_HEADERS.contains(&name);
    !is_usual && (CREDENTIAL_HEADERS.contains(&name) || sounds_like_credential(name))
}

/// Whether a header called `name`, whatever its case, sounds as if it held a credential.
pub(crate) fn is_credential_header(name: &str) -> bool {
    holds_credential(&name.to_ascii_lowercase(), &[])
}

fn is_signed_with(scheme: &Scheme, name: &str) -> bool {
    let Scheme::Hmac(hmac) = scheme else { return false };
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    is(&hmac.header)
        || match &hmac.signed {
            Signed::Body | Signed::PythonUrlencode => false,
            Signed::TimestampAndBody { timestamp_header, .. } => is(timestamp_header),
            Signed::IdTimestampAndBody { id_header, timestamp_header, .. } => {
                is(id_header) || is(timestamp_header)
            }
        }
}

fn is_credential_parameter(name: &str, schemes: &[Scheme]) -> bool {
    let lower = name.to_ascii_lowercase();
    schemes.iter().any(|scheme| matches!(scheme, Scheme::Query { parameter } if parameter == name))
        || CREDENTIAL_PARAMETERS.contains(&lower.as_str())
        || sounds_like_credential(&lower)
}

fn sounds_like_credential(name: &str) -> bool {
    name.ends_with(CREDENTIAL_END) || CREDENTIAL_WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_would_not_be_sealed_either_if_it_were_looked_at() {
        for name in USUAL_HEADERS {
            assert!(!CREDENTIAL_HEADERS.contains(name) && !sounds_like_credential(name), "{name}");
        }
    }
}
