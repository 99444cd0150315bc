//! The commands that talk to a running hub: `bugle <noun> <verb>`, with the verbs of the API.
//!
//! A verb becomes a [`Plan`], which is pure: the call to make, and how to show its answer. [`carry_out`] does the rest.

pub mod delivery;
pub mod destination;
pub mod incident;
pub mod integration;
pub mod key;
pub mod receipt;
mod show;
pub mod user;

use std::{io::Read, path::Path};

use anyhow::Context as _;
use bugle_model::{Clock, SystemClock};
use clap::Args;
use http::Method;
use serde_json::{Map, Value};

use crate::{
    Context, NotAsItShouldBe, Usage,
    cli::ClientArgs,
    client::{Client, ClientError, with_query},
};

pub use show::Column;

/// One call of the API, and how to show its answer.
#[derive(Debug)]
pub struct Plan {
    /// The call's method.
    pub method: Method,
    /// Its path and query.
    pub path: String,
    /// Its body.
    pub body: Option<Value>,
    /// How to show the answer.
    pub view: View,
    /// Whether an answer that is no error is still not as it should be: then the exit code says so.
    pub failed: fn(&Value) -> bool,
}

/// How to show an answer.
#[derive(Debug)]
pub enum View {
    /// A page of a list.
    List(&'static [Column]),
    /// One thing, all of it.
    Tree,
    /// One thing, all of it, and a remark below.
    Remarked(&'static str),
    /// Only that it is done.
    Done(String),
}

impl Plan {
    /// Reads one thing or a list.
    pub fn get(path: impl Into<String>, view: View) -> Self {
        Self { method: Method::GET, path: path.into(), body: None, view, failed: never }
    }

    /// Does something and shows what it led to.
    pub fn post(path: impl Into<String>, body: impl Into<Option<Value>>) -> Self {
        Self { method: Method::POST, path: path.into(), body: body.into(), view: View::Tree, failed: never }
    }

    /// Changes something.
    pub fn patch(path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::PATCH, path: path.into(), body: Some(body), view: View::Tree, failed: never }
    }

    /// Deletes something.
    pub fn delete(path: impl Into<String>, done: String) -> Self {
        Self { method: Method::DELETE, path: path.into(), body: None, view: View::Done(done), failed: never }
    }

    /// The same, shown otherwise.
    #[must_use]
    pub fn shown(mut self, view: View) -> Self {
        self.view = view;
        self
    }

    /// The same, with a look at whether the answer is as it should be.
    #[must_use]
    pub fn failed_when(mut self, failed: fn(&Value) -> bool) -> Self {
        self.failed = failed;
        self
    }
}

fn never(_: &Value) -> bool {
    false
}

/// Which page of a list.
#[derive(Debug, Clone, Default, Args)]
pub struct PageArgs {
    /// Rows of a page, 1 to 200
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
    /// Where the page begins: what the page before said
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
}

impl PageArgs {
    /// A list's path with this page and `filters`.
    pub fn path(&self, path: &str, filters: &[(&str, Option<&str>)]) -> String {
        let limit = self.limit.map(|limit| limit.to_string());
        let page = [("limit", limit.as_deref()), ("cursor", self.cursor.as_deref())];
        let parameters: Vec<_> = filters.iter().chain(&page).copied().collect();
        with_query(path, &parameters)
    }
}

/// Makes the call and shows the answer.
pub async fn carry_out(plan: Plan, args: &ClientArgs, context: &Context) -> anyhow::Result<()> {
    let client = Client::of(&args.settings(context)?)?;
    let answer = match client.json(plan.method, &plan.path, plan.body.as_ref()).await {
        Ok(answer) => answer,
        Err(ClientError::Api(error)) if args.json => {
            context.output.note(format!("{:#}", error.body));
            return Err(NotAsItShouldBe.into());
        }
        Err(error) => return Err(error.into()),
    };
    let failed = (plan.failed)(&answer);
    if args.json {
        context.output.json(&if answer.is_null() { Value::Object(Map::new()) } else { answer });
    } else {
        plan.view.show(&answer, context);
    }
    if failed { Err(NotAsItShouldBe.into()) } else { Ok(()) }
}

impl View {
    fn show(self, answer: &Value, context: &Context) {
        let now = SystemClock.now();
        let tree = |answer: &Value| {
            for line in show::tree(answer, now) {
                context.output.line(line);
            }
        };
        match self {
            Self::List(columns) => {
                let rows =
                    answer.get("data").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                if rows.is_empty() {
                    return context.output.note("Nothing here.");
                }
                let cells: Vec<Vec<String>> = rows
                    .iter()
                    .map(|row| columns.iter().map(|column| column.cell(row, now)).collect())
                    .collect();
                let heading: Vec<_> = columns.iter().map(|column| column.title).collect();
                context.output.table(&heading, &cells);
                if let Some(cursor) = answer.get("next_cursor").and_then(Value::as_str) {
                    context.output.note(format!("There are more: add --cursor {cursor}"));
                }
            }
            Self::Tree => tree(answer),
            Self::Remarked(remark) => {
                tree(answer);
                context.output.note(remark);
            }
            Self::Done(done) => context.output.line(done),
        }
    }
}

/// Reads an id. It becomes part of a path, so it may hold nothing else.
pub fn id(text: &str) -> Result<String, String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if !text.is_empty() && text.len() <= 64 && text.chars().all(is_part) {
        Ok(text.to_owned())
    } else {
        Err("an id has letters, digits and `_` only, such as inc_06fjx0b7gm5r2".into())
    }
}

/// Reads `name=value`; a value that is JSON is taken as such, anything else as text.
pub fn setting(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((name.trim().to_owned(), value))
}

/// Reads `Name: value`.
pub fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it as 'Name: value'")?;
    let name = name.trim();
    http::HeaderName::try_from(name).map_err(|_| format!("`{name}` is not the name of a header"))?;
    http::HeaderValue::try_from(value.trim()).map_err(|_| "the value holds what no header can".to_owned())?;
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// An object of those fields that have a value.
pub fn fields<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// A JSON object from a file, or from standard input where the file is `-`.
pub fn read_object(path: &Path) -> anyhow::Result<Map<String, Value>> {
    let bytes = read_input(path)?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Usage(format!("{} must hold one JSON object", path.display())).into()),
        Err(error) => Err(Usage(format!("{} is not JSON: {error}", path.display())).into()),
    }
}

/// The longest file or input that is read, in bytes.
const INPUT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What is in a file, or comes in on standard input where the file is `-`.
pub fn read_input(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin()
            .take(INPUT_BYTES_MAX)
            .read_to_end(&mut bytes)
            .context("could not read standard input")?;
    } else {
        let file = std::fs::File::open(path).with_context(|| format!("could not open {}", path.display()))?;
        file.take(INPUT_BYTES_MAX)
            .read_to_end(&mut bytes)
            .with_context(|| format!("could not read {}", path.display()))?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_cannot_become_another_path() {
        for (text, fine) in
            [("inc_06fjx0b7gm5r2", true), ("", false), ("../keys", false), ("a?b", false), ("a/b", false)]
        {
            assert_eq!(id(text).is_ok(), fine, "{text}");
        }
    }

    #[test]
    fn settings_are_json_where_they_can_be() {
        for (text, expected) in [
            ("reopen_window_seconds=60", json!(60)),
            ("resolve=person", json!("person")),
            (r#"mapping={"title":"/a"}"#, json!({"title": "/a"})),
            ("note=a=b", json!("a=b")),
        ] {
            assert_eq!(setting(text).unwrap().1, expected, "{text}");
        }
        assert!(setting("resolve").is_err());
    }

    #[test]
    fn headers_are_read_as_curl_reads_them() {
        assert_eq!(header("X-Token: a: b ").unwrap(), ("X-Token".to_owned(), "a: b".to_owned()));
        for wrong in ["no colon", "two words: x", "X-A: a\nb", ": x"] {
            assert!(header(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn pages_and_filters_become_a_query() {
        let page = PageArgs { limit: Some(5), cursor: None };
        assert_eq!(page.path("/x", &[("status", Some("open")), ("q", None)]), "/x?status=open&limit=5");
    }
}
