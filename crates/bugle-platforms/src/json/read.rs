//! The parser: recursive descent with a bound on depth, over text that was checked to be UTF-8 once.

use std::borrow::Cow;

use bugle_model::limits::JSON_DEPTH_MAX;

use super::{
    IllFormed, Value, is_special,
    members::{Surrogates, last_wins, last_wins_exactly},
    needs_escape,
};
use crate::source::DecodeError;

/// Reads a body that holds one JSON value.
///
/// The error says where (line and column, or byte) and what was wrong, for the person who configures the sender.
pub fn parse(body: &[u8]) -> Result<Value<'_>, DecodeError> {
    Reader::new(body)?.whole()
}

/// Reads a body as Python's `json.loads` does, for senders whose signature depends on that: `NaN`, `Infinity` and
/// `-Infinity` are numbers, names keep their lone surrogates, and a leading byte order mark or an integer of more than 4300
/// digits is an error.
/// <https://docs.python.org/3/library/json.html#standard-compliance-and-interoperability>
pub fn parse_as_python(body: &[u8]) -> Result<Value<'_>, DecodeError> {
    let mut reader = Reader::new(body)?;
    if body.starts_with(BYTE_ORDER_MARK) {
        return Err(DecodeError::Malformed(
            "the body begins with a byte order mark: send JSON as UTF-8 without one".into(),
        ));
    }
    reader.as_python = true;
    reader.whole()
}

/// Reads a body that holds JSON values one after the other, with or without white space between them, as some senders
/// write when they batch. There is at least one.
pub fn stream(body: &[u8]) -> Result<Vec<Value<'_>>, DecodeError> {
    let mut reader = Reader::new(body)?;
    let mut values = Vec::new();
    loop {
        values.push(reader.document()?);
        reader.skip_white_space();
        if reader.peek().is_none() {
            return Ok(values);
        }
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Digits of the longest integer that Python reads from text and writes as text.
/// <https://docs.python.org/3/library/stdtypes.html#integer-string-conversion-length-limitation>
const PYTHON_DIGITS_MAX: usize = 4300;

/// Bytes of a long string that are looked at together.
const CHUNK_BYTES: usize = 32;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    as_python: bool,
}

impl<'a> Reader<'a> {
    fn new(body: &'a [u8]) -> Result<Self, DecodeError> {
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        let text = str::from_utf8(body).map_err(|error| {
            DecodeError::Malformed(format!(
                "the body is not UTF-8: byte {} of it begins no character; send JSON as UTF-8",
                error.valid_up_to() + 1
            ))
        })?;
        let reader = Self { text, at: 0, as_python: false };
        if text.bytes().all(is_white_space) {
            return Err(DecodeError::Malformed(
                "the body is empty; send the alert as JSON in the request's body".into(),
            ));
        }
        Ok(reader)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_white_space(&mut self) {
        while self.peek().is_some_and(is_white_space) {
            self.at += 1;
        }
    }

    /// What is wrong at byte `at`, with its line and column counted from 1.
    fn fault(&self, at: usize, what: &str) -> DecodeError {
        let before = self.text.get(..self.text.floor_char_boundary(at)).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        let found = match self.text.get(before.len()..).and_then(|rest| rest.chars().next()) {
            Some(character) if !character.is_control() => format!(", found `{character}`"),
            Some(_) => String::new(),
            None => ", but the body ends there: it was cut short".to_owned(),
        };
        DecodeError::Malformed(format!("the body is not JSON: {what} at line {line}, column {column}{found}"))
    }

    fn document(&mut self) -> Result<Value<'a>, DecodeError> {
        self.value(0)
    }

    /// One value and nothing after it.
    fn whole(&mut self) -> Result<Value<'a>, DecodeError> {
        let value = self.document()?;
        self.skip_white_space();
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(self.fault(self.at, "something follows the JSON value")),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, DecodeError> {
        self.skip_white_space();
        if let Some(name) = self.python_number() {
            self.at += name.len();
            return Ok(Value::Number(name.into()));
        }
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string().map(|(text, surrogates)| string_value(text, surrogates)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(self.fault(self.at, "a value was expected")),
        }
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, DecodeError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.starts_with(word) {
            self.at += word.len();
            return Ok(value);
        }
        if word.starts_with(rest) {
            return Err(self.fault(self.text.len(), &format!("`{word}` was expected")));
        }
        Err(self.fault(self.at, "a value was expected"))
    }

    /// The number that only Python has a name for, if one begins here and may.
    fn python_number(&self) -> Option<&'static str> {
        let rest = self.text.get(self.at..).filter(|_| self.as_python)?;
        ["NaN", "Infinity", "-Infinity"].into_iter().find(|name| rest.starts_with(name))
    }

    fn enter(&mut self, depth: usize) -> Result<(), DecodeError> {
        if depth > JSON_DEPTH_MAX {
            return Err(self.fault(self.at, &format!("nested deeper than {JSON_DEPTH_MAX} levels")));
        }
        self.at += 1;
        self.skip_white_space();
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<Value<'a>, DecodeError> {
        self.enter(depth)?;
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            if self.goes_on(b']', "`,` or `]` was expected")? {
                return Ok(Value::Array(items));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, DecodeError> {
        self.enter(depth)?;
        let mut members = Vec::new();
        let mut ill_named: Vec<(usize, Surrogates)> = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_white_space();
            if self.peek() != Some(b'"') {
                return Err(self.fault(self.at, "a member's name in quotes was expected"));
            }
            let (name, surrogates) = self.string()?;
            if self.as_python && !surrogates.is_empty() {
                ill_named.push((members.len(), surrogates));
            }
            self.skip_white_space();
            if self.peek() != Some(b':') {
                return Err(self.fault(self.at, "`:` was expected"));
            }
            self.at += 1;
            members.push((name, self.value(depth)?));
            if self.goes_on(b'}', "`,` or `}` was expected")? {
                return Ok(if ill_named.is_empty() {
                    Value::Object(last_wins(members))
                } else {
                    Value::IllNamed(Box::new(last_wins_exactly(members, ill_named)))
                });
            }
        }
    }

    /// After an item: whether `end` closed the list, rather than a comma going on.
    fn goes_on(&mut self, end: u8, expected: &str) -> Result<bool, DecodeError> {
        self.skip_white_space();
        match self.peek() {
            Some(byte) if byte == end || byte == b',' => {
                self.at += 1;
                Ok(byte == end)
            }
            _ => Err(self.fault(self.at, expected)),
        }
    }

    fn digits(&mut self) -> Result<(), DecodeError> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.fault(self.at, "a digit was expected"));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Value<'a>, DecodeError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return Err(self.fault(self.at, "a number begins with a superfluous 0"));
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        let digits = text.trim_start_matches('-');
        if self.as_python
            && digits.len() > PYTHON_DIGITS_MAX
            && digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            let what = format!("an integer has more than the {PYTHON_DIGITS_MAX} digits that Python reads");
            return Err(self.fault(start, &what));
        }
        Ok(Value::Number(text.into()))
    }

    /// A string's text, and where in it which lone surrogate was replaced. Nearly every string stands in the body as it is
    /// meant.
    #[inline]
    fn string(&mut self) -> Result<(Cow<'a, str>, Surrogates), DecodeError> {
        self.at += 1;
        let plain = self.plain();
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok((Cow::Borrowed(plain), Vec::new()));
        }
        self.escaped(plain).map(|(text, surrogates)| (Cow::Owned(text), surrogates))
    }

    /// The part of a string that stands for itself, up to whatever does not.
    fn plain(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let plain = rest.get(..plain_length(rest.as_bytes())).unwrap_or_default();
        self.at += plain.len();
        plain
    }

    /// The text of a string that goes on after its `beginning` with something else than its end.
    fn escaped(&mut self, beginning: &str) -> Result<(String, Surrogates), DecodeError> {
        let mut text = beginning.to_owned();
        let mut surrogates = Vec::new();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok((text, surrogates));
                }
                Some(b'\\') => self.escape(&mut text, &mut surrogates)?,
                Some(_) => {
                    return Err(self.fault(self.at, "a control character stands unescaped in a string"));
                }
                None => return Err(self.fault(self.at, "a string's closing quote was expected")),
            }
            text.push_str(self.plain());
        }
    }

    fn escape(&mut self, text: &mut String, surrogates: &mut Surrogates) -> Result<(), DecodeError> {
        self.at += 1;
        let character = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape(text, surrogates);
            }
            _ => return Err(self.fault(self.at, "an escape was expected after the backslash")),
        };
        self.at += 1;
        text.push(character);
        Ok(())
    }

    fn unicode_escape(&mut self, text: &mut String, surrogates: &mut Surrogates) -> Result<(), DecodeError> {
        let unit = self.unit()?;
        let follows = self.text.get(self.at..).is_some_and(|rest| rest.starts_with("\\u"));
        if (0xd800..0xdc00).contains(&unit) && follows {
            let before = self.at;
            self.at += 2;
            let low = self.unit()?;
            if let Some(Ok(character)) = char::decode_utf16([unit, low]).next() {
                text.push(character);
                return Ok(());
            }
            self.at = before;
        }
        if let Some(character) = char::from_u32(u32::from(unit)) {
            text.push(character);
        } else {
            surrogates.push((text.len(), unit));
            text.push(char::REPLACEMENT_CHARACTER);
        }
        Ok(())
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u16, DecodeError> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let digit = digit.and_then(|digit| u16::try_from(digit).ok());
            unit =
                unit << 4 | digit.ok_or_else(|| self.fault(self.at, "a hexadecimal digit was expected"))?;
            self.at += 1;
        }
        Ok(unit)
    }
}

/// How many bytes of a string stand for themselves before something else comes.
fn plain_length(text: &[u8]) -> usize {
    let plain = text.chunks_exact(CHUNK_BYTES).take_while(|chunk| !needs_escape(chunk)).count() * CHUNK_BYTES;
    let rest = text.get(plain..).unwrap_or_default();
    plain + rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len())
}

const fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn string_value(text: Cow<'_, str>, surrogates: Surrogates) -> Value<'_> {
    if surrogates.is_empty() {
        return Value::String(text);
    }
    Value::IllFormed(Box::new(IllFormed { lossy: text.into(), surrogates: surrogates.into_boxed_slice() }))
}
