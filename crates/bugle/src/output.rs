//! Everything that is printed: plain lines, aligned tables, trees, and colours where a person looks at a terminal.
//!
//! What others wrote (titles, names, answers) goes through [`clean`] first, so that an alert cannot move the cursor.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use crate::config::Environment;

/// How a piece of text is to look, where there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// A heading.
    Bold,
    /// Of less weight than the rest.
    Dim,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Not as it should be.
    Bad,
}

/// Where things are printed, and whether in colour.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    colour: bool,
}

#[expect(
    clippy::unused_self,
    reason = "whoever may print is given an `Output`; printing without one is a sign of a library"
)]
impl Output {
    /// Colours only for a terminal that does not say otherwise (<https://no-color.org>).
    pub fn new(environment: &Environment) -> Self {
        let wanted = environment.get("NO_COLOR").is_none() && environment.get("TERM") != Some("dumb");
        Self { colour: wanted && io::stdout().is_terminal() }
    }

    #[cfg(test)]
    pub const fn plain() -> Self {
        Self { colour: false }
    }

    /// A line on standard output.
    pub fn line(self, text: impl AsRef<str>) {
        print(&mut io::stdout().lock(), text.as_ref());
    }

    /// A line on standard error: what is said about the output, and not the output itself.
    pub fn note(self, text: impl AsRef<str>) {
        print(&mut io::stderr().lock(), text.as_ref());
    }

    /// A JSON document on standard output, indented.
    pub fn json(self, value: &Value) {
        self.line(format!("{value:#}"));
    }

    /// `text` with colour, where there is any.
    pub fn paint(self, paint: Paint, text: impl AsRef<str>) -> String {
        let text = text.as_ref();
        if !self.colour {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Bold => "1",
            Paint::Dim => "2",
            Paint::Good => "32",
            Paint::Warn => "33",
            Paint::Bad => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// An aligned table with a heading.
    pub fn table(self, heading: &[&str], rows: &[Vec<String>]) {
        let lines = table(heading, rows);
        for (index, line) in lines.iter().enumerate() {
            self.line(if index == 0 { self.paint(Paint::Bold, line) } else { line.clone() });
        }
    }
}

/// Nobody reads on (`bugle ... | head`): then there is nothing left to do, and no reason to complain.
fn print(to: &mut impl Write, text: &str) {
    if let Err(error) = writeln!(to, "{text}").and_then(|()| to.flush())
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        std::process::exit(0);
    }
}

/// Bytes on standard output as they are: a script that another program reads.
pub fn raw(bytes: &[u8]) {
    print(&mut io::stdout().lock(), String::from_utf8_lossy(bytes).trim_end());
}

/// The longest cell of a table, in characters; what is longer is cut with an ellipsis.
const CELL_CHARS_MAX: usize = 64;

/// The lines of an aligned table.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let heading: Vec<String> = heading.iter().map(|title| (*title).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(&heading)
        .chain(rows)
        .map(|row| row.iter().map(|cell| shorten(&clean(cell), CELL_CHARS_MAX)).collect())
        .collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

/// Text that others wrote, without what moves a cursor or changes a terminal.
pub fn clean(text: &str) -> String {
    let harmless = |character: char| match character {
        '\n' | '\t' => ' ',
        _ if character.is_control() || is_direction(character) => '\u{fffd}',
        _ => character,
    };
    text.chars().map(harmless).collect()
}

/// Characters that turn the direction of the text around them.
const fn is_direction(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// At most `chars_max` characters of `text`, with an ellipsis where it was cut.
pub fn shorten(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_by_characters_and_end_without_spaces() {
        let rows = [
            vec!["a".into(), "größer".into(), "x".into()],
            vec!["long cell".into(), "b".into(), String::new()],
        ];
        assert_eq!(
            table(&["ID", "NAME", "LAST"], &rows),
            ["ID         NAME    LAST", "a          größer  x", "long cell  b"]
        );
    }

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        assert_eq!(clean("a\u{1b}[2Jb\r\nc\u{202e}d"), "a\u{fffd}[2Jb\u{fffd} c\u{fffd}d");
    }

    #[test]
    fn long_cells_are_cut_visibly() {
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(shorten("äöü", 3), "äöü");
    }

    #[test]
    fn there_is_no_colour_without_a_terminal() {
        assert_eq!(Output::plain().paint(Paint::Bad, "x"), "x");
    }
}
