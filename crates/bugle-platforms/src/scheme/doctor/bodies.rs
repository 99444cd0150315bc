//! What the body may have been before something between the sender and here wrote it anew.

use std::{
    collections::HashSet,
    fmt::Write as _,
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
};

use crate::json::{self, Value};

/// Largest body that is read and written anew.
pub(super) const BODY_BYTES_MAX: usize = 256 * 1024;

/// The byte order mark.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// How JSON is written.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one habit of a writer, and they go together freely"
)]
#[derive(Debug, Clone, Copy)]
struct Style {
    title: &'static str,
    /// Between items.
    comma: &'static str,
    /// Between name and value.
    colon: &'static str,
    /// For each level; `None` for all on one line.
    indent: Option<&'static str>,
    /// Characters beyond ASCII as escapes.
    ascii: bool,
    /// Names in order.
    sorted: bool,
    /// `/` as `\/`.
    slashes: bool,
    /// `<`, `>` and `&` as escapes.
    html: bool,
    /// Whole numbers without a fraction.
    whole_numbers: bool,
}

const COMPACT: Style = Style {
    title: "compactly, without spaces",
    comma: ",",
    colon: ":",
    indent: None,
    ascii: false,
    sorted: false,
    slashes: false,
    html: false,
    whole_numbers: false,
};
const PYTHON: Style = Style {
    title: "as Python does, with a space after commas and colons",
    comma: ", ",
    colon: ": ",
    ascii: true,
    ..COMPACT
};
const PRETTY: Style = Style { title: "indented by two spaces", colon: ": ", indent: Some("  "), ..COMPACT };

const STYLES: [Style; 16] = [
    COMPACT,
    PYTHON,
    Style {
        title: "with a space after commas and colons, and characters beyond ASCII as they are",
        ascii: false,
        ..PYTHON
    },
    PRETTY,
    Style { title: "indented by four spaces", indent: Some("    "), ..PRETTY },
    Style { title: "compactly, with escapes for characters beyond ASCII", ascii: true, ..COMPACT },
    Style { title: "compactly, with names in order", sorted: true, ..COMPACT },
    Style { title: "as Python does, with names in order", sorted: true, ..PYTHON },
    Style {
        title: "compactly, with names in order and escapes for characters beyond ASCII",
        sorted: true,
        ascii: true,
        ..COMPACT
    },
    Style { title: "as Go does, with escapes for `<`, `>` and `&`", html: true, ..COMPACT },
    Style {
        title: "as Go does, with names in order and escapes for `<`, `>` and `&`",
        html: true,
        sorted: true,
        ..COMPACT
    },
    Style { title: "as PHP does, with escaped slashes", slashes: true, ascii: true, ..COMPACT },
    Style {
        title: "compactly, with whole numbers as JavaScript writes them",
        whole_numbers: true,
        ..COMPACT
    },
    Style {
        title: "indented by two spaces, with escapes for characters beyond ASCII",
        ascii: true,
        ..PRETTY
    },
    Style {
        title: "indented by four spaces, with escapes for characters beyond ASCII",
        indent: Some("    "),
        ascii: true,
        ..PRETTY
    },
    Style { title: "indented by tabs", indent: Some("\t"), ..PRETTY },
];

/// What the body may have been, with how that was written; the likeliest first, none twice, and never the body itself.
/// Each is made only when it is asked for.
pub(super) fn rewritten(body: &[u8]) -> impl Iterator<Item = (&'static str, Vec<u8>)> + '_ {
    let mut seen = HashSet::from([fingerprint(body)]);
    let document = json::parse(body).ok().map(Rc::new);
    // Most bodies have no line break at their end, so that all styles are tried without one before any is with one.
    let json = document.into_iter().flat_map(|document| {
        ["", "\n"].into_iter().flat_map(move |end| {
            let document = document.clone();
            STYLES.iter().map(move |style| (style.title, (style.write(&document) + end).into_bytes()))
        })
    });
    ends(body).chain(json).filter(move |(_, text)| seen.insert(fingerprint(text)))
}

/// The orders of names alone, for a signature over a form that knows no spaces.
pub(super) fn reordered(body: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    let document = json::parse(body).ok()?;
    let style = Style { title: "with names in order", sorted: true, ..COMPACT };
    Some((style.title, style.write(&document).into_bytes()))
}

fn fingerprint(text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The same text with other line breaks or ends.
fn ends(body: &[u8]) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let with = |end: &[u8]| [body, end].concat();
    let unix: Vec<u8> = {
        let mut left = body.to_vec();
        let mut previous = 0;
        left.reverse();
        left.retain(|byte| {
            let keep = !(*byte == b'\r' && previous == b'\n');
            previous = *byte;
            keep
        });
        left.reverse();
        left
    };
    let windows: Vec<u8> =
        unix.iter().flat_map(|byte| if *byte == b'\n' { vec![b'\r', b'\n'] } else { vec![*byte] }).collect();
    let unmarked = body.strip_prefix(MARK).unwrap_or(body).to_vec();
    [
        ("without the line break or spaces at its end", body.trim_ascii_end().to_vec()),
        ("with a line break at its end", with(b"\n")),
        ("with a carriage return and a line break at its end", with(b"\r\n")),
        ("with line breaks without carriage returns", unix),
        ("with carriage returns before its line breaks", windows),
        ("without a byte order mark", unmarked),
        ("with a byte order mark", [MARK, body].concat()),
    ]
    .into_iter()
}

impl Style {
    fn write(&self, value: &Value) -> String {
        let mut text = String::new();
        self.put(&mut text, value, 0);
        text
    }

    fn put(&self, text: &mut String, value: &Value, depth: usize) {
        match value {
            Value::Null => text.push_str("null"),
            Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
            Value::Number(number) => self.put_number(text, number),
            Value::String(_) | Value::IllFormed(_) => {
                self.put_string(text, value.as_str().unwrap_or_default());
            }
            Value::Array(items) => {
                text.push('[');
                for (position, item) in items.iter().enumerate() {
                    self.put_break(text, position > 0, depth + 1);
                    self.put(text, item, depth + 1);
                }
                self.put_end(text, items.is_empty(), depth);
                text.push(']');
            }
            Value::Object(_) | Value::IllNamed(_) => {
                let mut members: Vec<_> = value.pairs().iter().collect();
                if self.sorted {
                    members.sort_by(|(one, _), (two, _)| one.cmp(two));
                }
                text.push('{');
                for (position, (name, member)) in members.iter().enumerate() {
                    self.put_break(text, position > 0, depth + 1);
                    self.put_string(text, name);
                    text.push_str(self.colon);
                    self.put(text, member, depth + 1);
                }
                self.put_end(text, members.is_empty(), depth);
                text.push('}');
            }
        }
    }

    fn put_break(&self, text: &mut String, after_another: bool, depth: usize) {
        if after_another {
            text.push_str(self.comma);
        }
        if let Some(indent) = self.indent {
            text.push('\n');
            text.push_str(&indent.repeat(depth));
        }
    }

    fn put_end(&self, text: &mut String, empty: bool, depth: usize) {
        if let (Some(indent), false) = (self.indent, empty) {
            text.push('\n');
            text.push_str(&indent.repeat(depth));
        }
    }

    fn put_number(&self, text: &mut String, number: &str) {
        let whole = number.split_once('.').filter(|(_, rest)| rest.bytes().all(|digit| digit == b'0'));
        text.push_str(match whole {
            Some((whole, _)) if self.whole_numbers => whole,
            _ => number,
        });
    }

    fn put_string(&self, text: &mut String, string: &str) {
        text.push('"');
        for character in string.chars() {
            match character {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                '\u{8}' => text.push_str("\\b"),
                '\u{c}' => text.push_str("\\f"),
                '/' if self.slashes => text.push_str("\\/"),
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if self.html => put_escape(text, character),
                _ if character < ' ' || (self.ascii && !character.is_ascii()) => put_escape(text, character),
                _ => text.push(character),
            }
        }
        text.push('"');
    }
}

fn put_escape(text: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        // Writing to a string cannot fail.
        write!(text, "\\u{unit:04x}").unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_written_as_others_write_it() {
        let body = r#"{"b":"Zürich/\u0001 <😀>","a":[1.0,1.50,{}, []]}"#;
        let texts: Vec<String> =
            rewritten(body.as_bytes()).map(|(_, text)| String::from_utf8(text).unwrap()).collect();
        for expected in [
            r#"{"b":"Zürich/\u0001 <😀>","a":[1.0,1.50,{},[]]}"#,
            r#"{"b": "Z\u00fcrich/\u0001 <\ud83d\ude00>", "a": [1.0, 1.50, {}, []]}"#,
            r#"{"a":[1.0,1.50,{},[]],"b":"Zürich/\u0001 <😀>"}"#,
            r#"{"b":"Z\u00fcrich\/\u0001 <\ud83d\ude00>","a":[1.0,1.50,{},[]]}"#,
            r#"{"b":"Zürich/\u0001 \u003c😀\u003e","a":[1.0,1.50,{},[]]}"#,
            r#"{"b":"Zürich/\u0001 <😀>","a":[1,1.50,{},[]]}"#,
            "{\n  \"b\": \"Zürich/\\u0001 <😀>\",\n  \"a\": [\n    1.0,\n    1.50,\n    {},\n    []\n  ]\n}",
        ] {
            assert!(texts.iter().any(|text| text == expected), "{expected}\n{texts:#?}");
            assert!(texts.contains(&format!("{expected}\n")), "{expected}");
        }
        let distinct: HashSet<&String> = texts.iter().collect();
        assert_eq!(distinct.len(), texts.len());
        assert!(texts.iter().all(|text| text != body));
    }

    #[test]
    fn line_breaks_are_told_apart_whatever_the_body_is() {
        let texts: Vec<Vec<u8>> = rewritten(b"a\r\nb\r\n").map(|(_, text)| text).collect();
        for expected in [&b"a\r\nb"[..], b"a\nb\n", b"a\r\nb\r\n\n"] {
            assert!(texts.iter().any(|text| text == expected), "{texts:?}");
        }
        let texts: Vec<Vec<u8>> = rewritten(b"\xff\n").map(|(_, text)| text).collect();
        assert!(texts.iter().any(|text| text == b"\xff\r\n"), "{texts:?}");
    }
}
