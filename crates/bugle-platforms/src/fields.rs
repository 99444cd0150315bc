//! A document in which the same thing may stand under several names, and in which some texts only look like values.

use bugle_model::{Timestamp, signal::Link};

use crate::json::{self, Value};

/// A document, and what its sender writes where it has no value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    document: &'a Value<'a>,
    is_blank: fn(&str) -> bool,
    /// The [`mark`] of each name. Of the many that are asked for most are not there, which this tells at once.
    names: u64,
    /// The [`initial`] of each name under which more is nested: where a path may begin.
    nested: u64,
}

/// A bit that names of this length with this first letter have. As many places as there are letters lie between lengths.
fn mark(name: &str) -> u64 {
    initial(name).rotate_left(u32::try_from(name.len()).unwrap_or_default().wrapping_mul(26))
}

/// A bit that names with this first letter have.
fn initial(name: &str) -> u64 {
    1 << (name.as_bytes().first().copied().unwrap_or_default() % 64)
}

impl<'a> Fields<'a> {
    /// `is_blank` is asked about trimmed texts.
    pub(crate) fn new(document: &'a Value<'a>, is_blank: fn(&str) -> bool) -> Self {
        let (mut names, mut nested) = (0, initial("/") | initial("[") | initial("."));
        for (name, value) in document.pairs() {
            names |= mark(name);
            if value.is_object() || value.is_array() {
                nested |= initial(name);
            }
        }
        Self { document, is_blank, names, nested }
    }

    /// The whole.
    pub(crate) fn document(&self) -> &'a Value<'a> {
        self.document
    }

    /// What stands under `name`, which may also be a path.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Value<'a>> {
        let by_name = || (self.names & mark(name) != 0).then(|| self.document.get(name)).flatten();
        let is_path = || {
            self.nested & initial(name) != 0 && name.bytes().any(|byte| matches!(byte, b'.' | b'[' | b'/'))
        };
        let by_path = || is_path().then(|| self.document.at(name)).flatten();
        by_name().or_else(by_path).filter(|value| !value.is_null())
    }

    /// The first of `names` that holds a text, to keep.
    pub(crate) fn first(&self, names: &[&str]) -> Option<String> {
        self.first_str(names).map(str::to_owned)
    }

    /// The same to look at.
    pub(crate) fn first_str(&self, names: &[&str]) -> Option<&'a str> {
        names.iter().find_map(|name| self.text(self.value(name)?))
    }

    /// The first of `names` that holds a text, or a list of which the texts are joined by commas.
    pub(crate) fn list(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| {
            let value = self.value(name)?;
            let texts: Vec<&str> = value.items().iter().filter_map(|item| self.text(item)).collect();
            if texts.is_empty() { self.text(value).map(str::to_owned) } else { Some(texts.join(", ")) }
        })
    }

    /// The first of `names` that holds a moment.
    pub(crate) fn time(&self, names: &[&str]) -> Option<Timestamp> {
        names.iter().find_map(|name| json::rfc3339_or_epoch(self.value(name)?))
    }

    /// A link for each of the pairs of label and name that holds an address.
    pub(crate) fn links(&self, labelled: &[(&str, &[&str])]) -> Vec<Link> {
        let mut links: Vec<Link> = Vec::new();
        for (label, names) in labelled {
            if let Some(url) = self.first(names)
                && !links.iter().any(|known| known.url == url)
            {
                links.push(Link { label: (*label).to_owned(), url });
            }
        }
        links
    }

    fn text(&self, value: &'a Value<'a>) -> Option<&'a str> {
        let text = value.text()?.trim();
        (!text.is_empty() && !(self.is_blank)(text)).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_passed_over() {
        let document = json::parse(
            br#"{"a": " NA ", "b": null, "c": {"d": 7}, "e.f": "x", "g": ["NA", "y", 1], "": "z"}"#,
        );
        let document = document.unwrap();
        let fields = Fields::new(&document, |text| text == "NA");
        for (names, expected) in [
            (&["a", "b", "c.d"][..], Some("7")),
            (&["e.f"], Some("x")),
            (&["a"], None),
            (&["g"], None),
            (&["none"], None),
            (&["/c/d"], Some("7")),
            (&["g.1"], Some("y")),
            (&["g[2]"], Some("1")),
            (&["c"], None),
            (&[""], Some("z")),
            (&["cc", "ca.d", "c.e", "h.1"], None),
        ] {
            assert_eq!(fields.first_str(names), expected, "{names:?}");
        }
        assert_eq!(fields.list(&["a", "g"]).as_deref(), Some("y, 1"));
        assert_eq!(fields.list(&["e.f"]).as_deref(), Some("x"));
    }
}
