//! Text that others wrote and that may be of any length, shown within a page's bounds.

use std::fmt::{self, Display, Formatter};

use askama::filters::HtmlSafe;

/// How much of such text a page still has room for, in bytes as they are sent: a page stays light whatever it shows.
#[derive(Debug)]
pub(super) struct Room(usize);

impl Room {
    pub(super) const fn of(bytes: usize) -> Self {
        Self(bytes)
    }

    /// The beginning of `text`, at most `bytes_max` of it, with `…` where something is left out.
    pub(super) fn take(&mut self, text: &str, bytes_max: usize) -> String {
        let mut left = self.0.min(bytes_max);
        let mut kept = String::new();
        for char in text.chars() {
            let weight = weight(char);
            if weight > left {
                kept.push('…');
                break;
            }
            left -= weight;
            kept.push(char);
        }
        self.0 = self.0.saturating_sub(kept.chars().map(weight).sum());
        kept
    }
}

/// The beginning of `text`, at most `bytes_max` as they are sent.
pub(super) fn cut(text: &str, bytes_max: usize) -> String {
    Room::of(bytes_max).take(text, bytes_max)
}

/// Bytes of a character in a page: what would be markup is written longer.
pub(super) const fn weight(char: char) -> usize {
    match char {
        '<' | '>' | '&' | '"' | '\'' => 5,
        char => char.len_utf8(),
    }
}

/// JSON as it was sent, indented for people: names, numbers and their order stay, only the space between them is ours.
#[derive(Debug)]
pub(super) struct Json {
    text: String,
    pub(super) is_cut: bool,
}

impl Json {
    /// The first `bytes_max` of `json`, indented.
    pub(super) fn of(json: &str, bytes_max: usize) -> Self {
        let mut indenter = Indenter { text: String::new(), depth: 0 };
        let (mut in_string, mut is_escaped) = (false, false);
        let mut chars = json.chars().peekable();
        while let Some(char) = chars.next() {
            if indenter.text.len() >= bytes_max {
                return Self { text: indenter.text, is_cut: true };
            }
            if in_string {
                indenter.text.push(char);
                in_string = char != '"' || is_escaped;
                is_escaped = char == '\\' && !is_escaped;
            } else if !char.is_ascii_whitespace() {
                in_string = char == '"';
                while !in_string && chars.next_if(char::is_ascii_whitespace).is_some() {}
                indenter.push(char, chars.peek().copied());
            }
        }
        Self { text: indenter.text, is_cut: false }
    }
}

struct Indenter {
    text: String,
    depth: usize,
}

impl Indenter {
    /// Writes a character between strings; `next` is the one that follows.
    fn push(&mut self, char: char, next: Option<char>) {
        if matches!(char, '}' | ']') && !self.text.ends_with(['{', '[']) {
            self.depth = self.depth.saturating_sub(1);
            self.begin_line();
        }
        self.text.push(char);
        match char {
            '{' | '[' if !matches!(next, Some('}' | ']')) => {
                self.depth += 1;
                self.begin_line();
            }
            ',' => self.begin_line(),
            ':' => self.text.push(' '),
            _ => {}
        }
    }

    fn begin_line(&mut self) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n("  ", self.depth));
    }
}

impl HtmlSafe for Json {}
impl Display for Json {
    /// Quotes stay as they are: they mean nothing between tags, and JSON is full of them.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for piece in self.text.split_inclusive(['&', '<', '>']) {
            let (text, markup) = match piece.chars().next_back() {
                Some('&') => (piece.strip_suffix('&'), "&amp;"),
                Some('<') => (piece.strip_suffix('<'), "&lt;"),
                Some('>') => (piece.strip_suffix('>'), "&gt;"),
                _ => (None, ""),
            };
            f.write_str(text.unwrap_or(piece))?;
            f.write_str(markup)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_nothing_else_changes() {
        for (json, expected) in [
            ("{}", "{}"),
            ("[ ]", "[]"),
            (r#"{"b":1.50,"a":[1,{}]}"#, "{\n  \"b\": 1.50,\n  \"a\": [\n    1,\n    {}\n  ]\n}"),
            (r#"{"a" : "  {\",:[\\"}"#, "{\n  \"a\": \"  {\\\",:[\\\\\"\n}"),
            ("\"é\"", "\"é\""),
        ] {
            let shown = Json::of(json, 1_000);
            assert_eq!((shown.text.as_str(), shown.is_cut), (expected, false), "{json}");
        }
    }

    #[test]
    fn json_that_is_long_or_wrong_is_bounded_all_the_same() {
        for json in ["[".repeat(100_000), "}".repeat(100_000), format!("\"{}", "x".repeat(100_000))] {
            let shown = Json::of(&json, 500);
            assert!(shown.is_cut && shown.text.len() < 1_000, "{}", shown.text.len());
        }
    }

    #[test]
    fn hostile_json_stays_text() {
        let shown = Json::of(r#"{"a":"</pre><script>&amp;"}"#, 1_000).to_string();
        assert_eq!(shown, "{\n  \"a\": \"&lt;/pre&gt;&lt;script&gt;&amp;amp;\"\n}");
    }

    #[test]
    fn a_room_is_shared_by_what_is_in_it() {
        let mut room = Room::of(12);
        assert_eq!(room.take("harbour", 4), "harb…");
        assert_eq!(room.take("crane", 100), "crane");
        assert_eq!(room.take("stuck", 100), "…");
        assert_eq!(cut("a<b", 5), "a…");
        assert_eq!(cut("abc", 3), "abc");
    }
}
