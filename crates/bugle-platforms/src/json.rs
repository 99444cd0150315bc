//! The one JSON reader: bounded, strict (RFC 8259), and with exact numbers.
//!
//! Every platform reads a body with [`parse`] into a [`Value`] that keeps the order of members and the exact text of
//! numbers, and that borrows from the body whatever stands there as it is meant: names, numbers and texts without escapes. What
//! it accepts beyond what `serde_json` does: a leading byte order mark, lone surrogate escapes (read as U+FFFD, and kept beside
//! the text), numbers of any size, and 128 levels instead of 127.

mod members;
mod read;
#[cfg(test)]
mod tests;
mod time;

use std::{borrow::Cow, fmt};

use bugle_model::signal::Raw;

/// Room for the text of a usual alert, so that writing it does not grow it step by step.
const RAW_BYTES_USUAL: usize = 1_024;

pub use read::{parse, parse_as_python, stream};
pub use time::rfc3339_or_epoch;

/// A JSON value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number's exact text, such as `1.10` or `18446744073709551616`. Read by [`parse_as_python`] also `NaN`,
    /// `Infinity` and `-Infinity`.
    Number(Cow<'a, str>),
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// A string that holds lone surrogate escapes, which no Rust string can.
    IllFormed(Box<IllFormed>),
    /// An array.
    Array(Vec<Self>),
    /// An object, in the order in which its members were written. Of members with the same name the last value wins, at
    /// the place of the first, as in Python and JavaScript. In names, lone surrogates are U+FFFD.
    Object(Vec<Member<'a>>),
    /// An object of which a name holds lone surrogate escapes. Only [`parse_as_python`] makes one.
    IllNamed(Box<IllNamed<'a>>),
}

/// A name and a value in an object.
pub type Member<'a> = (Cow<'a, str>, Value<'a>);

/// A string that holds lone surrogate escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IllFormed {
    /// The string with U+FFFD in place of each lone surrogate.
    pub lossy: Box<str>,
    /// Where in `lossy` (in bytes) which surrogate stood.
    pub surrogates: Box<[(usize, u16)]>,
}

/// An object of which a name holds lone surrogate escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IllNamed<'a> {
    /// The members, with U+FFFD in place of each lone surrogate in a name. Names that differ before are both kept.
    pub members: Vec<Member<'a>>,
    /// For each member, where in its name (in bytes) which surrogate stood.
    pub surrogates: Vec<Box<[(usize, u16)]>>,
}

static NULL: Value<'_> = Value::Null;

impl<'a> Value<'a> {
    /// The member called `name` of an object; `None` when there is none, or this is no object. A member that is `null`
    /// is `Some(Value::Null)`: absent and cleared are two things.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.pairs().iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    /// The value at `path`: a JSON Pointer when it begins with a slash (`/a/b/0`), else names and positions with dots
    /// (`a.b.0.c`, `a.b[0].c`). An empty path is the value itself.
    pub fn at(&self, path: &str) -> Option<&Self> {
        if let Some(pointer) = path.strip_prefix('/') {
            return pointer.split('/').try_fold(self, |value, step| {
                if step.contains('~') {
                    value.step(&step.replace("~1", "/").replace("~0", "~"))
                } else {
                    value.step(step)
                }
            });
        }
        path.split(['.', '[']).map(|step| step.strip_suffix(']').unwrap_or(step)).try_fold(
            self,
            |value, step| {
                if step.is_empty() { Some(value) } else { value.step(step) }
            },
        )
    }

    fn step(&self, step: &str) -> Option<&Self> {
        match self {
            Self::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => self.get(step),
        }
    }

    /// The string's text; `None` for anything else.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::IllFormed(text) => Some(&text.lossy),
            _ => None,
        }
    }

    /// The text of a string, a number (exact) or a boolean; `None` for `null`, arrays and objects.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Bool(value) => Some(if *value { "true" } else { "false" }),
            Self::Number(text) => Some(text),
            _ => self.as_str(),
        }
    }

    /// The trimmed [`text`](Self::text) at `path`, when there is any beside white space.
    pub fn text_at(&self, path: &str) -> Option<String> {
        let trimmed = self.at(path)?.text()?.trim();
        (!trimmed.is_empty()).then(|| trimmed.to_owned())
    }

    /// The exact text of a number; `None` for anything else.
    pub fn number_text(&self) -> Option<&str> {
        match self {
            Self::Number(text) => Some(text),
            _ => None,
        }
    }

    /// A number without fraction or exponent that fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.number_text()?.parse().ok()
    }

    /// A number, rounded to the nearest double.
    pub fn as_f64(&self) -> Option<f64> {
        self.number_text()?.parse().ok()
    }

    /// A boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_) | Self::IllNamed(_))
    }

    /// Whether it is an array.
    pub fn is_array(&self) -> bool {
        matches!(self, Self::Array(_))
    }

    /// An array's items; none of anything else.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }

    /// An object's members in their order; none of anything else.
    pub fn pairs(&self) -> &[Member<'a>] {
        match self {
            Self::Object(members) => members,
            Self::IllNamed(object) => &object.members,
            _ => &[],
        }
    }

    /// The same with a text of its own, for whoever keeps it longer than the body.
    pub fn into_owned(self) -> Value<'static> {
        let owned = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        let own_members = |members: Vec<Member<'a>>| {
            members.into_iter().map(|(name, value)| (owned(name), value.into_owned())).collect()
        };
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Number(text) => Value::Number(owned(text)),
            Self::String(text) => Value::String(owned(text)),
            Self::IllFormed(text) => Value::IllFormed(text),
            Self::Array(items) => Value::Array(items.into_iter().map(Self::into_owned).collect()),
            Self::Object(members) => Value::Object(own_members(members)),
            Self::IllNamed(object) => Value::IllNamed(Box::new(IllNamed {
                members: own_members(object.members),
                surrogates: object.surrogates,
            })),
        }
    }

    /// The same as `serde_json` has it: numbers beyond `u64`/`i64` become doubles, and those beyond a double text.
    pub fn to_serde(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| text.as_ref().into()),
            Self::String(text) => text.as_ref().into(),
            Self::IllFormed(text) => text.lossy.as_ref().into(),
            Self::Array(items) => items.iter().map(Self::to_serde).collect(),
            Self::Object(_) | Self::IllNamed(_) => {
                self.pairs().iter().map(|(name, value)| (name.to_string(), value.to_serde())).collect()
            }
        }
    }

    /// The same as compact JSON text with exact numbers, for [`bugle_model::Signal::raw`]. None where a number is one that
    /// only Python reads.
    pub fn to_raw(&self) -> Option<Raw> {
        let mut text = String::with_capacity(RAW_BYTES_USUAL);
        self.has_no_python().then(|| self.write(&mut text).ok().map(|()| Raw::new(text)))?
    }

    fn has_no_python(&self) -> bool {
        match self {
            Self::Number(text) => text.ends_with(|last: char| last.is_ascii_digit()),
            Self::Array(items) => items.iter().all(Self::has_no_python),
            _ => self.pairs().iter().all(|(_, value)| value.has_no_python()),
        }
    }
}

/// `value["name"]` is the member, or `null` when there is none: chains of lookups need no check in between.
impl std::ops::Index<&str> for Value<'_> {
    type Output = Self;

    fn index(&self, name: &str) -> &Self {
        self.get(name).unwrap_or(&NULL)
    }
}

/// Compact JSON, numbers as they were written.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

impl Value<'_> {
    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(value) => out.write_str(if *value { "true" } else { "false" }),
            Self::Number(text) => out.write_str(text),
            Self::String(text) => write_string(out, text),
            Self::IllFormed(text) => write_string(out, &text.lossy),
            Self::Array(items) => {
                out.write_str("[")?;
                for (position, item) in items.iter().enumerate() {
                    out.write_str(if position == 0 { "" } else { "," })?;
                    item.write(out)?;
                }
                out.write_str("]")
            }
            Self::Object(_) | Self::IllNamed(_) => {
                out.write_str("{")?;
                for (position, (name, value)) in self.pairs().iter().enumerate() {
                    out.write_str(if position == 0 { "" } else { "," })?;
                    write_string(out, name)?;
                    out.write_str(":")?;
                    value.write(out)?;
                }
                out.write_str("}")
            }
        }
    }
}

fn write_string(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    if needs_escape(text.as_bytes()) {
        return out.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?);
    }
    out.write_str("\"")?;
    out.write_str(text)?;
    out.write_str("\"")
}

/// Whether a byte cannot stand in a JSON string as it is.
const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Looks at all of them without a branch for each, which the compiler turns into a few wide instructions.
fn needs_escape(text: &[u8]) -> bool {
    text.iter().fold(false, |found, byte| found | is_special(*byte))
}
