//! What a signature header holds when it is read with forbearance: other prefixes, separators, encodings and hashes than
//! the scheme asks for.

use std::borrow::Cow;

use super::Finding;
use crate::scheme::{Algorithm, Encoding, Hmac, hmac::Tag, shown_header};

/// Signatures that are looked at in one header; nobody who rotates sends more.
const READINGS_MAX: usize = 3;
/// Longest header value that is searched.
const VALUE_BYTES_MAX: usize = 2048;

/// A signature as it came, and how that differs from how it should have come.
#[derive(Debug)]
pub(super) struct Reading {
    /// The hash alone, hexadecimal or standard base64.
    pub(super) text: String,
    pub(super) algorithm: Algorithm,
    pub(super) encoding: Encoding,
    pub(super) fault: Option<Fault>,
}

/// How the writing of a signature differs from what is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Hash,
    Encoding(&'static str),
    PrefixMissing,
    PrefixDoubled,
    PrefixWrong,
    Separator,
}

impl Fault {
    pub(super) fn finding(self, found: Algorithm, due: &Hmac) -> Finding {
        let header = shown_header(&due.header);
        let prefix = match &*due.prefix {
            "" => "nothing before it".to_owned(),
            prefix => format!("`{prefix}` before it"),
        };
        let (word, advice) = match self {
            Self::Hash => (
                "hash_wrong",
                format!(
                    "the signature in `{header}` has the length of {}, and {} is due: choose it at the sender",
                    found.title(),
                    due.algorithm.title()
                ),
            ),
            Self::Encoding(came) => {
                let wanted = match due.encoding {
                    Encoding::Hex => "hexadecimal digits",
                    Encoding::Base64 => "standard base64",
                };
                let advice = format!(
                    "the signature in `{header}` came as {came}, and {wanted} are due: change how the sender writes it"
                );
                ("encoding_wrong", advice)
            }
            Self::PrefixMissing => (
                "prefix_missing",
                format!("the signature in `{header}` came without a prefix: the sender must write {prefix}"),
            ),
            Self::PrefixDoubled => (
                "prefix_doubled",
                format!(
                    "the signature in `{header}` came with its prefix twice: the sender must write {prefix} once"
                ),
            ),
            Self::PrefixWrong => (
                "prefix_wrong",
                format!(
                    "the signature in `{header}` came with another prefix: the sender must write {prefix}, and nothing else"
                ),
            ),
            Self::Separator => {
                let wanted = match due.separator {
                    None => "one signature alone".to_owned(),
                    Some(' ') => "several signatures with spaces between".to_owned(),
                    Some(separator) => format!("several signatures with `{separator}` between"),
                };
                let advice = format!("`{header}` takes {wanted}, without quotation marks: it came otherwise");
                ("separator_wrong", advice)
            }
        };
        Finding::new(word, advice)
    }
}

/// The signatures in `values`, those first that are written as they should be.
pub(super) fn readings<'a>(values: impl Iterator<Item = &'a str>, due: &Hmac) -> Vec<Reading> {
    let mut found: Vec<Reading> = Vec::new();
    for value in values.filter(|value| value.len() <= VALUE_BYTES_MAX) {
        let items: Vec<&str> = value.split(|character| Some(character) == due.separator).collect();
        let exact = items.iter().filter_map(|item| as_due(item.trim(), due));
        let lenient = value.split([',', ' ', ';', '"', '\'', ':', '\t']).filter_map(|piece| {
            let (reading, prefixed) = piece_of(piece)?;
            let fault = if !due.prefix.is_empty() && value.contains(&*due.prefix) {
                Fault::Separator
            } else if prefixed {
                Fault::PrefixWrong
            } else if due.prefix.is_empty() {
                Fault::Separator
            } else {
                Fault::PrefixMissing
            };
            Some(reading.judged(due, Some(fault)))
        });
        for reading in exact.chain(lenient) {
            if found.len() < READINGS_MAX && found.iter().all(|known| known.text != reading.text) {
                found.push(reading);
            }
        }
    }
    found.sort_by_key(|reading| reading.fault.is_some());
    found
}

/// An item that begins as it should, once or twice.
fn as_due(item: &str, due: &Hmac) -> Option<Reading> {
    let rest = item.strip_prefix(&*due.prefix)?;
    if let Some(reading) = hash(rest) {
        return Some(reading.judged(due, None));
    }
    let again = rest.trim().strip_prefix(&*due.prefix).filter(|_| !due.prefix.is_empty())?;
    Some(hash(again.trim())?.judged(due, Some(Fault::PrefixDoubled)))
}

/// A hash with whatever prefix; whether it had one.
fn piece_of(piece: &str) -> Option<(Reading, bool)> {
    if let Some(reading) = hash(piece) {
        return Some((reading, false));
    }
    let (_, rest) = piece.split_once('=')?;
    Some((hash(rest)?, true))
}

/// The length tells which hash it is: none of them is as long in hexadecimal as another is in base64.
fn hash(text: &str) -> Option<Reading> {
    let url_safe = text.contains(['-', '_']);
    let text: Cow<'_, str> =
        if url_safe { Cow::Owned(text.replace('-', "+").replace('_', "/")) } else { Cow::Borrowed(text) };
    let all = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512];
    let (algorithm, encoding) = all
        .into_iter()
        .flat_map(|algorithm| [(algorithm, Encoding::Hex), (algorithm, Encoding::Base64)])
        .find(|(algorithm, encoding)| Tag::decode(&text, *encoding, algorithm.bytes()).is_some())?;
    let fault = url_safe.then_some(Fault::Encoding("URL-safe base64"));
    Some(Reading { text: text.into_owned(), algorithm, encoding, fault })
}

impl Reading {
    /// Names what is wrong with it, what weighs most first. `else_fault` is what is wrong with how it is wrapped.
    fn judged(mut self, due: &Hmac, else_fault: Option<Fault>) -> Self {
        self.fault = match (self.encoding, due.encoding) {
            _ if self.algorithm != due.algorithm => Some(Fault::Hash),
            (Encoding::Hex, Encoding::Base64) => Some(Fault::Encoding("hexadecimal digits")),
            (Encoding::Base64, Encoding::Hex) => Some(self.fault.unwrap_or(Fault::Encoding("base64"))),
            _ => self.fault.or(else_fault),
        };
        self
    }

    /// The scheme by which this signature, taken out of its header, is written as it should be.
    pub(super) fn scheme(&self, due: &Hmac) -> Hmac {
        Hmac {
            algorithm: self.algorithm,
            encoding: self.encoding,
            prefix: Cow::Borrowed(""),
            separator: None,
            ..due.clone()
        }
    }
}
