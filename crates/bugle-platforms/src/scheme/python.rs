//! What Python writes for a JSON body: `urllib.parse.urlencode(json.loads(body))`, byte for byte.
//!
//! Only the outermost object becomes a form. What is nested in it becomes Python source text, as `repr` writes it, so
//! that a signature over the form depends on how Python writes floats, chooses quotes, and on which characters the
//! version of Unicode that it was built with calls printable.
//! <https://docs.python.org/3/library/urllib.parse.html#urllib.parse.urlencode>
//!
//! The form forgets types: `null` is written as `"None"` is, and an object as the string that spells it out. Whoever
//! decodes a body that was proven like this must insist on the types.
//!
//! Python 3.6 and older also escape `~`; they are past their end, and not followed.

use std::{borrow::Cow, fmt::Write as _};

use unicode_general_category::{GeneralCategory, get_general_category};

use crate::json::{self, IllNamed, Value};

mod newcomers;
#[cfg(test)]
mod tests;

/// Largest body for which older versions of Unicode are tried. Those that really need it have a few kilobytes; without a
/// bound, a forged call could have megabytes hashed once for each version.
const RETRIED_BODY_BYTES_MAX: usize = 64 * 1024;

/// The versions of Unicode that the versions of Python still met were built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unicode {
    /// Python 3.7.
    V11,
    /// Python 3.8.
    V12_1,
    /// Python 3.9 and 3.10.
    V13,
    /// Python 3.11.
    V14,
    /// Python 3.12.
    V15,
    /// Python 3.13.
    V15_1,
    /// Python 3.14, and the newest that the tables here know.
    V16,
}

impl Unicode {
    const ALL: [Self; 7] = [Self::V11, Self::V12_1, Self::V13, Self::V14, Self::V15, Self::V15_1, Self::V16];

    /// The one before; the oldest is its own.
    fn before(self) -> Self {
        Self::ALL.into_iter().rev().find(|version| *version < self).unwrap_or(Self::V11)
    }
}

/// Python makes no form of the body, so that nobody can have signed one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoForm {
    /// It is not JSON, or not what Python takes for it.
    #[error("{0}")]
    NotJson(#[from] crate::source::DecodeError),
    /// Lists and scalars have no names to write.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// A name or a text of the outermost object holds a lone surrogate, which is no UTF-8.
    #[error("a name or a text of the outermost object holds half of a surrogate pair: send whole characters")]
    LoneSurrogate,
}

/// The forms that Python may have written for `body`, that of the newest version first. The others differ from it and
/// from one another; there are none unless the body holds characters that came after Unicode 11.0.
pub(super) fn forms(body: &[u8]) -> Result<Forms<'_>, NoForm> {
    let document = json::parse_as_python(body)?;
    let (newest, newcomers) = form(&document, Unicode::V16)?;
    let retries = body.len() <= RETRIED_BODY_BYTES_MAX;
    let mut older: Vec<Unicode> = if retries { newcomers } else { Vec::new() };
    older.sort_unstable();
    Ok(Forms { document, newest: Some(newest), older })
}

/// See [`forms`]. Each is written only when it is asked for.
pub(super) struct Forms<'a> {
    document: Value<'a>,
    newest: Option<Vec<u8>>,
    /// The versions that characters in it came with, the newest last.
    older: Vec<Unicode>,
}

impl Iterator for Forms<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        self.newest.take().or_else(|| {
            let version = self.older.pop()?.before();
            form(&self.document, version).ok().map(|(form, _)| form)
        })
    }
}

/// The form, and the versions later than 11.0 that characters in it came with and on which it therefore depends.
fn form(document: &Value, unicode: Unicode) -> Result<(Vec<u8>, Vec<Unicode>), NoForm> {
    let mut writer = Writer { form: Vec::new(), unicode, newcomers: Vec::new() };
    match document {
        Value::IllNamed(_) => return Err(NoForm::LoneSurrogate),
        Value::Object(members) => {
            for (position, (name, value)) in members.iter().enumerate() {
                if position > 0 {
                    writer.form.push(b'&');
                }
                writer.quoted(name);
                writer.form.push(b'=');
                writer.outermost(value)?;
            }
        }
        _ => return Err(NoForm::NotAnObject),
    }
    Ok((writer.form, writer.newcomers))
}

struct Writer {
    form: Vec<u8>,
    unicode: Unicode,
    newcomers: Vec<Unicode>,
}

impl Writer {
    /// `quote_plus`.
    fn quoted(&mut self, text: &str) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
        for byte in text.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => self.form.push(byte),
                b' ' => self.form.push(b'+'),
                _ => self.form.extend([b'%', digit(byte >> 4), digit(byte & 15)]),
            }
        }
    }

    /// A value of the outermost object: texts as they are, anything else by `str`.
    fn outermost(&mut self, value: &Value) -> Result<(), NoForm> {
        match value {
            Value::String(text) => self.quoted(text),
            Value::IllFormed(_) => return Err(NoForm::LoneSurrogate),
            _ => self.nested(value),
        }
        Ok(())
    }

    /// `repr`.
    fn nested(&mut self, value: &Value) {
        match value {
            Value::Null => self.quoted("None"),
            Value::Bool(value) => self.quoted(if *value { "True" } else { "False" }),
            Value::Number(text) => self.quoted(&number(text)),
            Value::String(text) => self.text(text, &[]),
            Value::IllFormed(text) => self.text(&text.lossy, &text.surrogates),
            Value::Array(items) => {
                self.quoted("[");
                for (position, item) in items.iter().enumerate() {
                    self.quoted(if position > 0 { ", " } else { "" });
                    self.nested(item);
                }
                self.quoted("]");
            }
            Value::Object(members) => self.members(members.iter().map(|member| (member, &[][..]))),
            Value::IllNamed(object) => {
                let IllNamed { members, surrogates } = &**object;
                self.members(members.iter().zip(surrogates.iter().map(AsRef::as_ref)));
            }
        }
    }

    fn members<'a>(&mut self, members: impl Iterator<Item = (&'a json::Member<'a>, &'a [(usize, u16)])>) {
        self.quoted("{");
        for (position, ((name, value), surrogates)) in members.enumerate() {
            self.quoted(if position > 0 { ", " } else { "" });
            self.text(name, surrogates);
            self.quoted(": ");
            self.nested(value);
        }
        self.quoted("}");
    }

    /// A string literal. At each of the places in `surrogates` stands that lone surrogate.
    fn text(&mut self, text: &str, surrogates: &[(usize, u16)]) {
        let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
        let mut surrogates = surrogates.iter().peekable();
        let mut literal = String::with_capacity(text.len() + 2);
        literal.push(quote);
        for (at, character) in text.char_indices() {
            let written = match (surrogates.next_if(|(place, _)| *place == at), character) {
                (Some((_, surrogate)), _) => write!(literal, "\\u{surrogate:04x}"),
                (None, '\\') => write!(literal, "\\\\"),
                (None, '\n') => write!(literal, "\\n"),
                (None, '\r') => write!(literal, "\\r"),
                (None, '\t') => write!(literal, "\\t"),
                (None, _) if character == quote => write!(literal, "\\{quote}"),
                (None, _) if self.is_printable(character) => literal.write_char(character),
                (None, _) => escape(&mut literal, u32::from(character)),
            };
            debug_assert!(written.is_ok(), "a String takes everything");
        }
        literal.push(quote);
        self.quoted(&literal);
    }

    fn is_printable(&mut self, character: char) -> bool {
        if character.is_ascii() {
            return matches!(character, ' '..='~');
        }
        if !is_printable(character) {
            return false;
        }
        let since = newcomers::printable_since(character);
        if since > Unicode::V11 && !self.newcomers.contains(&since) {
            self.newcomers.push(since);
        }
        since <= self.unicode
    }
}

/// Whether the newest version of Unicode that is known here has `character`, and `str.isprintable` is true of it.
fn is_printable(character: char) -> bool {
    use GeneralCategory as G;
    character == ' '
        || !matches!(
            get_general_category(character),
            G::Control
                | G::Format
                | G::Surrogate
                | G::PrivateUse
                | G::Unassigned
                | G::LineSeparator
                | G::ParagraphSeparator
                | G::SpaceSeparator
        )
}

fn escape(literal: &mut String, code: u32) -> std::fmt::Result {
    match code {
        ..=0xff => write!(literal, "\\x{code:02x}"),
        0x100..=0xffff => write!(literal, "\\u{code:04x}"),
        _ => write!(literal, "\\U{code:08x}"),
    }
}

/// The text with U+FFFD in place of each character of which some versions of Python think otherwise than others, or may
/// one day: a nested text without any is signed the same whatever the receiver runs.
pub(crate) fn settled(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_settled) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(|character| if is_settled(character) { character } else { char::REPLACEMENT_CHARACTER })
            .collect(),
    )
}

fn is_settled(character: char) -> bool {
    if character.is_ascii() {
        return true;
    }
    match get_general_category(character) {
        // Unicode promises never to assign the noncharacters.
        GeneralCategory::Unassigned => {
            let code = u32::from(character);
            (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
        }
        _ => !is_printable(character) || newcomers::printable_since(character) == Unicode::V11,
    }
}

/// A number as Python writes it. JSON's integers stay as they are, but for `-0`; all else is a double.
fn number(text: &str) -> Cow<'_, str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits == "0" {
        return Cow::Borrowed("0");
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Cow::Borrowed(text);
    }
    // Rust reads a double as Python does: correctly rounded, what is too great as infinite.
    text.parse().map_or(Cow::Borrowed(text), |value| Cow::Owned(float(value)))
}

/// A double as Python's `repr` writes it. The shortest digits that read back as the same are `zmij`'s, which on a tie
/// takes the even one as Python does; Rust's own formatting takes the upper one.
fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(value.abs());
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let padded = format!("{whole}{fraction}");
    let digits = padded.trim_start_matches('0');
    let shift = i64::try_from(whole.len() + digits.len()).unwrap_or_default();
    let length = i64::try_from(padded.len()).unwrap_or_default();
    // The value is 0.digits times ten to the `point`.
    let point = exponent.parse::<i64>().unwrap_or_default() + shift - length;
    let sign = if value.is_sign_negative() { "-" } else { "" };
    format!("{sign}{}", lay_out(digits.trim_end_matches('0'), point))
}

/// Positional from 0.0001 up to below 1e16, scientific beyond.
fn lay_out(digits: &str, point: i64) -> String {
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or_default());
    let length = i64::try_from(digits.len()).unwrap_or_default();
    if digits.is_empty() {
        return "0.0".into();
    }
    match point {
        -3..=0 => format!("0.{}{digits}", zeros(-point)),
        1..=16 if point >= length => format!("{digits}{}.0", zeros(point - length)),
        1..=16 => {
            let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or_default());
            format!("{whole}.{fraction}")
        }
        _ => {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            let exponent = point - 1;
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{first}{dot}{rest}e{sign}{:02}", exponent.abs())
        }
    }
}
