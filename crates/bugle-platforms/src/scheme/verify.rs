//! Whether a request to us is proven, and the most helpful reason when it is not.
//!
//! Nothing said here holds a secret or the signature that was expected: a caller who learns that could forge.

use std::borrow::Cow;

use bugle_model::{Secret, Timestamp, Verification, id::SecretId};

use super::{
    Encoding, Hmac, Scheme, Signed,
    failure::{Failure, Reason},
    hmac::{KeyError, Tag},
    seal::{Sealed, Sealer},
    shown_header,
};
use crate::source::Inbound;

/// What verifying depends on beside the request.
#[derive(Debug, Clone, Copy)]
pub struct VerifyContext<'a> {
    /// The moment that timestamps are held against and by which secrets expire: now, or, for a stored receipt, when it
    /// was received.
    pub now: Timestamp,
    /// Compares credentials, and reads those of a stored receipt.
    pub sealer: &'a Sealer,
    /// Whether the request is a stored receipt, whose credentials are sealed. Never set for a live one: whoever can read
    /// a stored seal could send it.
    pub stored: bool,
}

/// Whether any of `schemes` holds with any of `secrets`. Pass every secret that the integration has, the expired ones
/// too: an integration without any takes calls from everybody, and one whose secrets have all expired from nobody.
pub fn verify(
    schemes: &[Scheme],
    secrets: &[&Secret],
    inbound: &Inbound<'_>,
    context: &VerifyContext<'_>,
) -> Verification {
    if secrets.is_empty() {
        return Verification::Unverified;
    }
    let attempt = Attempt { secrets, inbound, context };
    if !secrets.iter().any(|secret| secret.is_active(context.now)) {
        let advice = "every secret of this integration has expired: add a new one, and set it at the sender";
        return Failure::new(Reason::SecretExpired, advice).into();
    }
    let mut worst: Option<Failure> = None;
    for scheme in schemes {
        match attempt.proves(scheme) {
            Ok(secret_id) => {
                return Verification::Verified { scheme: scheme.name().into_owned(), secret_id };
            }
            Err(failure) if worst.as_ref().is_none_or(|known| failure.reason > known.reason) => {
                worst = Some(failure);
            }
            Err(_) => {}
        }
    }
    match worst {
        Some(failure) if failure.reason > Reason::SignatureMissing => failure.into(),
        _ => nothing_arrived(schemes).into(),
    }
}

/// None of the schemes found anything to check: say what would have been taken.
fn nothing_arrived(schemes: &[Scheme]) -> Failure {
    let signed = matches!(schemes.first(), Some(Scheme::Hmac(_)));
    let names: Vec<String> = schemes
        .iter()
        .map(|scheme| match scheme {
            Scheme::Query { .. } => format!("the {}", scheme.name()),
            Scheme::Hmac(_) | Scheme::Header { .. } => format!("the header `{}`", scheme.name()),
            Scheme::Bearer | Scheme::Basic => format!("`{}`", scheme.name()),
        })
        .collect();
    let expected = names.join(", or ");
    if signed {
        let advice = format!(
            "the request is not signed: expected {expected}. Set the integration's secret at the sender, and see that no proxy between drops headers"
        );
        return Failure::new(Reason::SignatureMissing, advice);
    }
    let advice = if schemes.is_empty() {
        "this platform's calls cannot be proven: remove the integration's secrets and restrict its IP addresses"
            .to_owned()
    } else {
        format!(
            "the request holds no credential: expected {expected}. Set the integration's secret at the sender"
        )
    };
    Failure::new(Reason::CredentialMissing, advice)
}

/// A secret's id, and the key that it stands for.
type Key<'a> = (SecretId, Cow<'a, [u8]>);

struct Attempt<'a> {
    secrets: &'a [&'a Secret],
    inbound: &'a Inbound<'a>,
    context: &'a VerifyContext<'a>,
}

impl<'a> Attempt<'a> {
    fn proves(&self, scheme: &Scheme) -> Result<SecretId, Failure> {
        match scheme {
            Scheme::Hmac(hmac) => self.proves_signature(hmac),
            Scheme::Header { .. } | Scheme::Bearer | Scheme::Basic | Scheme::Query { .. } => {
                self.proves_credential(scheme)
            }
        }
    }

    fn active(&self) -> impl Iterator<Item = &'a Secret> {
        self.secrets.iter().copied().filter(|secret| secret.is_active(self.context.now))
    }

    fn headers(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.inbound
            .headers
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    // Signatures.

    fn proves_signature(&self, hmac: &Hmac) -> Result<SecretId, Failure> {
        let claimed = self.claimed_tags(hmac)?;
        let (id, timestamp) = self.stamp(hmac)?;
        let keys = self.keys(hmac)?;
        let messages = hmac.messages(self.inbound.body).map_err(|error| {
            Failure::new(Reason::BodyUnsignable, format!("the body cannot have been signed: {error}"))
        })?;
        for message in messages {
            for (secret_id, key) in &keys {
                let due = hmac.tag_of(key, id, timestamp, &message);
                if claimed.iter().any(|tag| tag.matches(&due)) {
                    self.check_age(hmac, timestamp)?;
                    return Ok(*secret_id);
                }
            }
        }
        Err(Failure::new(
            Reason::SignatureMismatch,
            format!(
                "the signature in `{}` was made with another secret or over another body: compare the secret here with the sender's, and see that no proxy between changes the body",
                shown_header(&hmac.header)
            ),
        ))
    }

    /// The keys of the secrets that are active and fit; at least one.
    fn keys(&self, hmac: &Hmac) -> Result<Vec<Key<'a>>, Failure> {
        let mut unusable = None;
        let mut keys = Vec::new();
        for secret in self.active() {
            match hmac.key(secret.expose()) {
                Ok(key) => keys.push((secret.id, key)),
                Err(error) => unusable = Some(error),
            }
        }
        match unusable {
            Some(error) if keys.is_empty() => Err(unusable_secret(error)),
            _ => Ok(keys),
        }
    }

    /// The signatures that the request claims to have.
    fn claimed_tags(&self, hmac: &Hmac) -> Result<Vec<Tag>, Failure> {
        let mut found = None;
        let mut tags = Vec::new();
        for value in self.headers(&hmac.header) {
            for item in split(value, hmac.separator) {
                match read_tag(item, hmac) {
                    Ok(tag) => tags.push(tag),
                    Err(failure)
                        if found.as_ref().is_none_or(|known: &Failure| failure.reason > known.reason) =>
                    {
                        found = Some(failure);
                    }
                    Err(_) => {}
                }
            }
        }
        if tags.is_empty() {
            return Err(found.unwrap_or_else(|| Failure::new(Reason::SignatureMissing, "")));
        }
        Ok(tags)
    }

    /// The id and the timestamp that are signed with the body; empty where they are not.
    fn stamp(&self, hmac: &Hmac) -> Result<(&'a str, &'a str), Failure> {
        let required = |name: &str| {
            self.headers(name).next().filter(|value| !value.is_empty()).ok_or_else(|| {
                Failure::new(
                    Reason::TimestampMissing,
                    format!("the header `{name}` is missing, which is signed together with the body: let the sender add it"),
                )
            })
        };
        match &hmac.signed {
            Signed::Body | Signed::PythonUrlencode => Ok(("", "")),
            Signed::TimestampAndBody { timestamp_header, .. } => {
                let timestamp = required(timestamp_header)?;
                unix_seconds(timestamp_header, timestamp)?;
                Ok(("", timestamp))
            }
            Signed::IdTimestampAndBody { id_header, timestamp_header, .. } => {
                let timestamp = required(timestamp_header)?;
                unix_seconds(timestamp_header, timestamp)?;
                Ok((required(id_header)?, timestamp))
            }
        }
    }

    /// Judged after the signature, so that "stale" means a true call that is old, and a forged one is called forged.
    fn check_age(&self, hmac: &Hmac, timestamp: &str) -> Result<(), Failure> {
        let (Signed::TimestampAndBody { timestamp_header, tolerance_s, .. }
        | Signed::IdTimestampAndBody { timestamp_header, tolerance_s, .. }) = &hmac.signed
        else {
            return Ok(());
        };
        let age_s = self.context.now.as_seconds().saturating_sub(unix_seconds(timestamp_header, timestamp)?);
        if age_s.unsigned_abs() <= u64::from(*tolerance_s) {
            return Ok(());
        }
        let direction = if age_s > 0 { "ago" } else { "in the future" };
        Err(Failure::new(
            Reason::TimestampStale,
            format!(
                "the call was signed {} seconds {direction}, and {tolerance_s} are allowed: set both clocks by NTP, or, if it is a replay, send it anew",
                age_s.unsigned_abs()
            ),
        ))
    }

    // Credentials.

    fn proves_credential(&self, scheme: &Scheme) -> Result<SecretId, Failure> {
        let given = self.given_credentials(scheme);
        if given.is_empty() {
            return Err(Failure::new(Reason::CredentialMissing, ""));
        }
        let mut unusable = None;
        let mut usable = false;
        for secret in self.active() {
            if let Err(error) = scheme.check_secret(secret.expose()) {
                unusable = Some(error);
                continue;
            }
            usable = true;
            if given.iter().any(|sealed| self.is_credential(scheme, secret.expose(), sealed)) {
                return Ok(secret.id);
            }
        }
        match unusable {
            Some(error) if !usable => Err(unusable_secret(error)),
            _ => Err(Failure::new(
                Reason::CredentialMismatch,
                format!(
                    "the credential in {} is not one of this integration's secrets: compare both",
                    scheme.name()
                ),
            )),
        }
    }

    /// What the request offers for this scheme. Live values are sealed here, so that they are compared in one way.
    fn given_credentials(&self, scheme: &Scheme) -> Vec<Sealed> {
        match scheme {
            Scheme::Hmac(_) => Vec::new(),
            Scheme::Header { name } => self.headers(name).map(|value| self.sealed(name, value)).collect(),
            Scheme::Bearer => {
                self.authorization().filter(|sealed| matches!(sealed, Sealed::Bearer(_))).collect()
            }
            Scheme::Basic => {
                self.authorization().filter(|sealed| matches!(sealed, Sealed::Basic { .. })).collect()
            }
            Scheme::Query { parameter } => form_urlencoded::parse(self.inbound.query.as_bytes())
                .filter(|(name, _)| name == parameter)
                .map(|(_, value)| self.sealed("", &value))
                .collect(),
        }
    }

    fn authorization(&self) -> impl Iterator<Item = Sealed> {
        self.headers("authorization").map(|value| self.sealed("authorization", value))
    }

    fn sealed(&self, name: &str, value: &str) -> Sealed {
        let stored = self.context.stored.then(|| Sealed::parse(value)).flatten();
        stored.unwrap_or_else(|| self.context.sealer.seal(name, value))
    }

    fn is_credential(&self, scheme: &Scheme, secret: &str, given: &Sealed) -> bool {
        let sealer = self.context.sealer;
        match (scheme, given) {
            (Scheme::Header { name }, _) => sealer.seal(name, secret).matches(given),
            (Scheme::Bearer, Sealed::Bearer(token)) => sealer.tag(secret).matches(token),
            (Scheme::Query { .. }, Sealed::Whole(value)) => sealer.tag(secret).matches(value),
            (Scheme::Basic, Sealed::Basic { user, password }) => match secret.split_once(':') {
                Some((user_due, password_due)) => {
                    sealer.tag(user_due).matches(user) & sealer.tag(password_due).matches(password)
                }
                None => sealer.tag(secret).matches(password),
            },
            _ => false,
        }
    }
}

fn unusable_secret(error: KeyError) -> Failure {
    Failure::new(Reason::SecretInvalid, format!("the integration's secret cannot be used: {error}"))
}

/// The items of a header's value, trimmed, the empty ones left out.
fn split(value: &str, separator: Option<char>) -> impl Iterator<Item = &str> {
    value.split(move |character| Some(character) == separator).map(str::trim).filter(|item| !item.is_empty())
}

fn unix_seconds(header: &str, text: &str) -> Result<i64, Failure> {
    text.trim().parse().map_err(|_| {
        Failure::new(
            Reason::TimestampInvalid,
            format!("the header `{header}` does not hold whole seconds since 1970-01-01: let the sender write unix time"),
        )
    })
}

fn read_tag(item: &str, hmac: &Hmac) -> Result<Tag, Failure> {
    let Some(text) = item.strip_prefix(&*hmac.prefix) else {
        return Err(Failure::new(
            Reason::PrefixMissing,
            format!("a signature must begin with `{}`, and none in the header does", hmac.prefix),
        ));
    };
    let bytes = hmac.algorithm.bytes();
    if let Some(tag) = Tag::decode(text, hmac.encoding, bytes) {
        return Ok(tag);
    }
    let due = match hmac.encoding {
        Encoding::Hex => format!("{} hexadecimal digits", bytes * 2),
        Encoding::Base64 => format!("base64 of {bytes} bytes"),
    };
    let other = match hmac.encoding {
        Encoding::Hex => Encoding::Base64,
        Encoding::Base64 => Encoding::Hex,
    };
    let found = match other {
        _ if Tag::decode(text, other, bytes).is_none() => {
            format!("{} other characters", text.chars().count())
        }
        Encoding::Hex => "hexadecimal digits".to_owned(),
        Encoding::Base64 => "base64".to_owned(),
    };
    Err(Failure::new(
        Reason::EncodingWrong,
        format!("the signature must be {} as {due}, and came as {found}", hmac.algorithm.title()),
    ))
}
