//! How answers are shown to people: cells of a table, and a tree of everything.

use bugle_model::Timestamp;
use serde_json::Value;

use crate::output::clean;

/// What stands in a column.
#[derive(Debug, Clone, Copy)]
pub enum Show {
    /// The text at this JSON Pointer.
    Text(&'static str),
    /// The moment at this JSON Pointer, exact and relative.
    Time(&'static str),
    /// Whatever this makes of the row.
    Made(fn(&Value) -> String),
}

/// A column of a list.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// What stands in it.
    pub show: Show,
}

impl Column {
    /// A column of texts.
    pub const fn text(title: &'static str, pointer: &'static str) -> Self {
        Self { title, show: Show::Text(pointer) }
    }

    /// A column of moments.
    pub const fn time(title: &'static str, pointer: &'static str) -> Self {
        Self { title, show: Show::Time(pointer) }
    }

    /// A column of whatever `make` makes of the row.
    pub const fn made(title: &'static str, make: fn(&Value) -> String) -> Self {
        Self { title, show: Show::Made(make) }
    }

    /// The cell of a row.
    pub fn cell(&self, row: &Value, now: Timestamp) -> String {
        let shown = match self.show {
            Show::Text(pointer) => row.pointer(pointer).map_or_else(String::new, plain),
            Show::Time(pointer) => time_at(row, pointer).map_or_else(String::new, |at| moment(at, now)),
            Show::Made(make) => make(row),
        };
        if shown.is_empty() { "-".to_owned() } else { shown }
    }
}

fn time_at(row: &Value, pointer: &str) -> Option<Timestamp> {
    row.pointer(pointer)?.as_str()?.parse().ok()
}

/// A value as people write it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A moment, exact to the second and relative to now: `2026-03-02 09:15:00Z (3m ago)`.
pub fn moment(at: Timestamp, now: Timestamp) -> String {
    let text = at.to_string();
    let exact = text.split('.').next().unwrap_or(&text).replace('T', " ");
    let (length, word) = if at <= now { (now.since(at), " ago") } else { (at.since(now), "") };
    let seconds = length.as_secs();
    let relative = match seconds {
        0 => return format!("{exact}Z (now)"),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    };
    let prefix = if word.is_empty() { "in " } else { "" };
    format!("{exact}Z ({prefix}{relative}{word})")
}

/// Deeper than this, a value is written on one line.
const TREE_DEPTH_MAX: usize = 4;

/// Everything in a value, one line a field.
pub fn tree(value: &Value, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    grow(value, now, 0, &mut lines);
    lines
}

fn grow(value: &Value, now: Timestamp, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            let shown = fields.iter().filter(|(_, value)| !value.is_null());
            let width = shown.clone().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
            for (name, value) in shown {
                if is_branch(value) && depth < TREE_DEPTH_MAX {
                    lines.push(format!("{indent}{}", clean(name)));
                    grow(value, now, depth + 1, lines);
                } else {
                    let leaf = leaf(name, value, now);
                    lines.push(format!("{indent}{:<width$}  {leaf}", clean(name)).trim_end().to_owned());
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                if is_branch(item) && depth < TREE_DEPTH_MAX {
                    let start = lines.len();
                    grow(item, now, depth + 1, lines);
                    if let Some(first) = lines.get_mut(start) {
                        *first = format!("{indent}- {}", first.trim_start());
                    }
                } else {
                    lines.push(format!("{indent}- {}", leaf("", item, now)));
                }
            }
        }
        other => lines.push(format!("{indent}{}", leaf("", other, now))),
    }
}

/// Whether a value gets lines of its own.
fn is_branch(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => items.iter().any(|item| item.is_object() || item.is_array()),
        _ => false,
    }
}

fn leaf(name: &str, value: &Value, now: Timestamp) -> String {
    let time =
        value.as_str().filter(|_| name.ends_with("_at") || name == "at").and_then(|text| text.parse().ok());
    match (name, value) {
        _ if time.is_some() => time.map_or_else(String::new, |at| moment(at, now)),
        ("verified", Value::Bool(false)) => UNVERIFIED.to_owned(),
        (_, Value::Array(items)) if items.is_empty() => "(none)".to_owned(),
        ("", Value::Array(pair)) if pair.len() == 2 => {
            clean(&pair.iter().map(plain).collect::<Vec<_>>().join(": "))
        }
        (_, Value::Object(_)) => "(none)".to_owned(),
        (_, value) => clean(&plain(value)),
    }
}

/// What stands where a sender was not proven.
const UNVERIFIED: &str = "no: UNVERIFIED, anybody could have sent this";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moments_are_exact_and_relative() {
        let now: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
        for (at, expected) in [
            ("2026-03-02T12:00:00.400Z", "2026-03-02 12:00:00Z (now)"),
            ("2026-03-02T11:59:18Z", "2026-03-02 11:59:18Z (42s ago)"),
            ("2026-03-02T11:57:00Z", "2026-03-02 11:57:00Z (3m ago)"),
            ("2026-03-02T07:00:00Z", "2026-03-02 07:00:00Z (5h ago)"),
            ("2026-02-27T12:00:00Z", "2026-02-27 12:00:00Z (3d ago)"),
            ("2026-03-02T12:05:00Z", "2026-03-02 12:05:00Z (in 5m)"),
        ] {
            assert_eq!(moment(at.parse().unwrap(), now), expected);
        }
    }

    #[test]
    fn a_tree_shows_everything_that_is_there() {
        let now: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
        let value = json!({
            "id": "inc_1", "verified": false, "owner": null, "opened_at": "2026-03-02T11:59:18.000Z",
            "labels": {"host": "web-01\u{1b}[2J"}, "tickets": [{"system": "jira", "key": "A-1"}], "links": [],
            "headers": [["host", "hub.example.com"]],
        });
        assert_eq!(
            tree(&value, now),
            [
                "id         inc_1",
                "verified   no: UNVERIFIED, anybody could have sent this",
                "opened_at  2026-03-02 11:59:18Z (42s ago)",
                "labels",
                "  host  web-01\u{fffd}[2J",
                "tickets",
                "  - system  jira",
                "    key     A-1",
                "links      (none)",
                "headers",
                "  - host: hub.example.com",
            ]
        );
    }

    #[test]
    fn absent_cells_are_dashes() {
        let now = Timestamp::from_seconds(0);
        assert_eq!(Column::text("A", "/a").cell(&json!({"a": null}), now), "-");
        assert_eq!(Column::text("A", "/a/b").cell(&json!({"a": {"b": ["x", 1]}}), now), "x, 1");
        assert_eq!(Column::time("A", "/a").cell(&json!({}), now), "-");
    }
}
