//! How a request is signed or authenticated, as data. The same value both signs and verifies.

use std::borrow::Cow;

/// One way to prove who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// A keyed hash over what was sent.
    Hmac(Hmac),
    /// The secret itself in a header.
    Header {
        /// The header's name, in lower case.
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
    /// The header that carries it, in lower case for looking up; written as the vendor writes it when sending.
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
}

/// What is hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// The body.
    Body,
    /// The timestamp header's value, a separator, the body.
    TimestampAndBody {
        /// The header that carries unix seconds, in lower case.
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
