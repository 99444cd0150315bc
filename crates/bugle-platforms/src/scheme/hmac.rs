//! Keys and keyed hashes.

use std::borrow::Cow;

use base64::{Engine as _, alphabet, engine};
use hmac::{Hmac as KeyedHash, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;

use super::{Algorithm, Encoding, Hmac, KeyForm, Scheme};

/// Reads base64 whether or not it is padded, as senders and people differ.
pub(super) const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Bytes of the longest hash, SHA-512.
const TAG_BYTES_MAX: usize = 64;
/// Bytes that a Standard Webhooks key may have.
const WHSEC_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The secret, or the body, does not fit the scheme. The messages never hold the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is none.
    #[error("there is no secret to sign with: add one")]
    Missing,
    /// It is empty, which would let everybody in.
    #[error("the secret is empty, which proves nothing: choose one of at least 16 characters")]
    Empty,
    /// It does not begin with `whsec_`.
    #[error(
        "the secret must be `whsec_` followed by base64 of 24 to 64 bytes; it does not begin with `whsec_`"
    )]
    NotWhsec,
    /// What follows `whsec_` is not base64.
    #[error("the secret must be `whsec_` followed by base64 of 24 to 64 bytes; what follows is not base64")]
    NotBase64,
    /// It is not base64 at all.
    #[error("the secret must be base64 of the key")]
    NotPlainBase64,
    /// The key is too short or too long.
    #[error("the secret must be `whsec_` followed by base64 of 24 to 64 bytes; this one holds {0} bytes")]
    Length(usize),
    /// It holds characters that no header can.
    #[error("the secret is sent in a header, and holds a line break or another control character: remove it")]
    ControlCharacter,
    /// The scheme signs JSON objects, and the body is none.
    #[error("the body cannot be signed, because it is no JSON object that Python can write as a form")]
    BodyHasNoForm,
}

impl Scheme {
    /// Whether `secret` can be used with this scheme, for when it is set.
    pub fn check_secret(&self, secret: &str) -> Result<(), KeyError> {
        match self {
            Self::Hmac(hmac) => hmac.key(secret).map(drop),
            Self::Basic if secret.split_once(':').is_some_and(|(_, password)| password.is_empty()) => {
                Err(KeyError::Empty)
            }
            Self::Header { .. } | Self::Bearer if secret.chars().any(char::is_control) => {
                Err(KeyError::ControlCharacter)
            }
            _ if secret.is_empty() => Err(KeyError::Empty),
            _ => Ok(()),
        }
    }
}

impl Hmac {
    /// The key that `secret` stands for.
    pub(super) fn key<'a>(&self, secret: &'a str) -> Result<Cow<'a, [u8]>, KeyError> {
        match self.key {
            KeyForm::Text if secret.is_empty() => Err(KeyError::Empty),
            KeyForm::Text => Ok(Cow::Borrowed(secret.as_bytes())),
            KeyForm::Base64 => match BASE64.decode(secret.trim()) {
                Ok(key) if key.is_empty() => Err(KeyError::Empty),
                Ok(key) => Ok(Cow::Owned(key)),
                Err(_) => Err(KeyError::NotPlainBase64),
            },
            KeyForm::Whsec => {
                let encoded = secret.trim().strip_prefix("whsec_").ok_or(KeyError::NotWhsec)?;
                let key = BASE64.decode(encoded).map_err(|_| KeyError::NotBase64)?;
                if WHSEC_BYTES.contains(&key.len()) {
                    Ok(Cow::Owned(key))
                } else {
                    Err(KeyError::Length(key.len()))
                }
            }
        }
    }

    /// The hash of the pieces one after the other. The body is one of them and is not copied.
    pub(super) fn tag(&self, key: &[u8], pieces: &[&[u8]]) -> Tag {
        match self.algorithm {
            Algorithm::Sha1 => tag::<KeyedHash<Sha1>>(key, pieces),
            Algorithm::Sha256 => tag::<KeyedHash<Sha256>>(key, pieces),
            Algorithm::Sha512 => tag::<KeyedHash<Sha512>>(key, pieces),
        }
    }
}

/// SHA-256 keyed with `key`, for sealing.
pub(super) fn sha256(key: &[u8], pieces: &[&[u8]]) -> Tag {
    tag::<KeyedHash<Sha256>>(key, pieces)
}

fn tag<M: Mac + KeyInit>(key: &[u8], pieces: &[&[u8]]) -> Tag {
    // An HMAC takes a key of any length, so the other arm is never taken; a tag without bytes equals no tag at all.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return Tag::EMPTY };
    for piece in pieces {
        mac.update(piece);
    }
    Tag::new(&mac.finalize().into_bytes())
}

impl Algorithm {
    /// Bytes of its hash.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Its name for people.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha512 => "SHA-512",
        }
    }
}

/// A hash, without an allocation. Has no `PartialEq`: only [`Tag::matches`] may compare.
#[derive(Clone, Copy)]
pub(super) struct Tag {
    bytes: [u8; TAG_BYTES_MAX],
    length: usize,
}

impl Tag {
    const EMPTY: Self = Self { bytes: [0; TAG_BYTES_MAX], length: 0 };

    /// Takes at most 64 bytes.
    pub(super) fn new(found: &[u8]) -> Self {
        let mut tag = Self::EMPTY;
        for (place, byte) in tag.bytes.iter_mut().zip(found) {
            *place = *byte;
            tag.length += 1;
        }
        tag
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Whether both are the same hash, in a time that does not depend on where they differ.
    pub(super) fn matches(&self, other: &Self) -> bool {
        self.length > 0 && bool::from(self.as_bytes().ct_eq(other.as_bytes()))
    }

    /// The hash as `encoding` writes it.
    pub(super) fn encode(&self, encoding: Encoding) -> String {
        match encoding {
            Encoding::Hex => hex::encode(self.as_bytes()),
            Encoding::Base64 => BASE64.encode(self.as_bytes()),
        }
    }

    /// Reads a hash of `bytes` bytes; `None` when the text is not one.
    pub(super) fn decode(text: &str, encoding: Encoding, bytes: usize) -> Option<Self> {
        let mut buffer = [0; TAG_BYTES_MAX];
        match encoding {
            Encoding::Hex => hex::decode_to_slice(text, buffer.get_mut(..bytes)?).ok()?,
            Encoding::Base64 => {
                // The decoder wants room for its estimate, which rounds up.
                let mut room = [0; TAG_BYTES_MAX + 4];
                let length = BASE64.decode_slice(text, &mut room).ok()?;
                if length != bytes {
                    return None;
                }
                return Some(Self::new(room.get(..length)?));
            }
        }
        Some(Self::new(buffer.get(..bytes)?))
    }
}
