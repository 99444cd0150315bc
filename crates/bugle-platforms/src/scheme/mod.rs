//! How a request is signed or authenticated, as data. The same value both signs and verifies.
//!
//! - this module: the schemes as data, and how a platform writes its own down.
//! - `hmac`: keys and keyed hashes.
//! - `sign`: the headers that prove a request of ours.
//! - [`verify()`]: whether a request to us is proven, and the most helpful reason when it is not.
//! - [`diagnose`]: why a request is not proven, found by trying what would prove it.
//! - `python`: the form that Monte Carlo signs in place of the body.
//! - `seal`: what is stored in place of a credential, so that it can be verified again and not be read.
//!
//! A platform writes for instance:
//!
//! ```
//! use bugle_platforms::scheme::{Hmac, Scheme};
//!
//! const SIGNATURE: Hmac = Hmac::sha256_hex("X-Example-Signature", "sha256=");
//! let schemes = vec![Scheme::Hmac(SIGNATURE), Scheme::header("x-example-token"), Scheme::Basic];
//! # assert_eq!(schemes.len(), 3);
//! ```

use std::borrow::Cow;

mod doctor;
mod failure;
mod hmac;
mod python;
mod seal;
mod sign;
#[cfg(test)]
mod tests;
mod verify;

pub use doctor::{Finding, diagnose};
pub use hmac::KeyError;
pub(crate) use python::settled;
pub use seal::Sealer;
pub(crate) use seal::is_credential_header;
pub use sign::Proof;
pub use verify::{VerifyContext, verify};

/// One way to prove who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// A keyed hash over what was sent.
    Hmac(Hmac),
    /// The secret itself in a header.
    Header {
        /// The header's name as its vendor writes it; looked up whatever the case.
        name: Cow<'static, str>,
    },
    /// The secret as `Authorization: Bearer`.
    Bearer,
    /// The secret as the password of `Authorization: Basic`; a secret that holds a colon is `user:password`.
    Basic,
    /// The secret as a query parameter.
    Query {
        /// The parameter's name.
        parameter: Cow<'static, str>,
    },
}

/// A keyed hash over what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hmac {
    /// The hash.
    pub algorithm: Algorithm,
    /// The header that carries it, as its vendor writes it; looked up whatever the case.
    pub header: Cow<'static, str>,
    /// What stands before each signature: `sha256=`, `v1=`, `v1,`, or nothing.
    pub prefix: Cow<'static, str>,
    /// How the hash is written.
    pub encoding: Encoding,
    /// What stands between several signatures in one header; `None` where there is only ever one.
    pub separator: Option<char>,
    /// What is hashed.
    pub signed: Signed,
    /// How the secret becomes the key.
    pub key: KeyForm,
}

impl Scheme {
    /// The secret itself in the header `name`.
    pub const fn header(name: &'static str) -> Self {
        Self::Header { name: Cow::Borrowed(name) }
    }

    /// The secret as the query parameter `parameter`.
    pub const fn query(parameter: &'static str) -> Self {
        Self::Query { parameter: Cow::Borrowed(parameter) }
    }

    /// Its name in verdicts: `X-PagerDuty-Signature`, `Authorization: Basic`, ``query parameter `token` ``.
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Hmac(hmac) => shown_header(&hmac.header),
            Self::Header { name } => shown_header(name),
            Self::Bearer => Cow::Borrowed("Authorization: Bearer"),
            Self::Basic => Cow::Borrowed("Authorization: Basic"),
            Self::Query { parameter } => Cow::Owned(format!("query parameter `{parameter}`")),
        }
    }
}

/// A header's name as its vendor writes it, or, when it was written down in lower case, with capitals.
fn shown_header(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    let mut begins = true;
    let shown = name.chars().map(|character| {
        let shown = if begins { character.to_ascii_uppercase() } else { character };
        begins = character == '-';
        shown
    });
    Cow::Owned(shown.collect())
}

impl Hmac {
    /// A hash over the body, one in its header, keyed with the secret's text. Change its fields for anything else.
    pub const fn new(
        algorithm: Algorithm,
        encoding: Encoding,
        header: &'static str,
        prefix: &'static str,
    ) -> Self {
        Self {
            algorithm,
            header: Cow::Borrowed(header),
            prefix: Cow::Borrowed(prefix),
            encoding,
            separator: None,
            signed: Signed::Body,
            key: KeyForm::Text,
        }
    }

    /// SHA-256 over the body in hexadecimal, which is what most senders do.
    pub const fn sha256_hex(header: &'static str, prefix: &'static str) -> Self {
        Self::new(Algorithm::Sha256, Encoding::Hex, header, prefix)
    }

    /// What Standard Webhooks asks for: id, timestamp and body, base64, several signatures divided by spaces, a key
    /// written as `whsec_`, and a timestamp at most five minutes off.
    /// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
    pub const fn standard_webhooks() -> Self {
        Self {
            algorithm: Algorithm::Sha256,
            header: Cow::Borrowed("webhook-signature"),
            prefix: Cow::Borrowed("v1,"),
            encoding: Encoding::Base64,
            separator: Some(' '),
            signed: Signed::IdTimestampAndBody {
                id_header: Cow::Borrowed("webhook-id"),
                timestamp_header: Cow::Borrowed("webhook-timestamp"),
                tolerance_s: 300,
            },
            key: KeyForm::Whsec,
        }
    }

    /// The same with another header, for a vendor that lets people choose it.
    #[must_use]
    pub fn in_header(mut self, header: impl Into<Cow<'static, str>>) -> Self {
        self.header = header.into();
        self
    }

    /// The same with several signatures in the header, `separator` between them.
    #[must_use]
    pub fn separated_by(mut self, separator: char) -> Self {
        self.separator = Some(separator);
        self
    }

    /// The same over something else than the body alone.
    #[must_use]
    pub fn over(mut self, signed: Signed) -> Self {
        self.signed = signed;
        self
    }
}

/// The hash of an HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-1, for senders that know nothing better.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How a hash is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Lower-case hexadecimal; read whatever the case.
    Hex,
    /// Base64 with padding.
    Base64,
}

/// How the secret becomes the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyForm {
    /// Its UTF-8 bytes.
    Text,
    /// `whsec_` and base64 of the key.
    Whsec,
    /// Base64 of the key, of any length.
    Base64,
}

/// What is hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// The body.
    Body,
    /// What Python writes for the body: `urllib.parse.urlencode(json.loads(body))`.
    PythonUrlencode,
    /// The timestamp header's value, a separator, the body.
    TimestampAndBody {
        /// The header that carries unix seconds.
        timestamp_header: Cow<'static, str>,
        /// Between timestamp and body.
        separator: char,
        /// How far the timestamp may be from now, both ways, in seconds.
        tolerance_s: u32,
    },
    /// Id, `.`, timestamp, `.`, body, as Standard Webhooks has it.
    IdTimestampAndBody {
        /// The header that carries the id.
        id_header: Cow<'static, str>,
        /// The header that carries unix seconds.
        timestamp_header: Cow<'static, str>,
        /// How far the timestamp may be from now, both ways, in seconds.
        tolerance_s: u32,
    },
}
