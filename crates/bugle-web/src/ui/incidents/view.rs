//! What was chosen in the list. It is in the address, so that a view can be kept and shared.

use url::form_urlencoded::Serializer;

use crate::input::Query;

/// What a view is made of, besides labels.
const NAMES: [&str; 6] = ["status", "severity", "platform", "service", "owner", "q"];
/// Stands for no owner in the address of a page, as an empty choice in a form means any.
pub(super) const NOBODY: &str = "nobody";

/// What was chosen.
#[derive(Debug, Clone)]
pub(super) struct View(Vec<(&'static str, String)>);

impl View {
    pub(super) fn of(query: &Query) -> Self {
        let pairs = NAMES.into_iter().filter_map(|name| Some((name, query.one(name)?.to_owned())));
        let labels = query.every("label").map(|label| ("label", label.to_owned()));
        Self(pairs.chain(labels).collect())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value that was chosen for `name`.
    pub(super) fn one(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// The labels that were chosen, as `name:value`.
    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(name, _)| *name == "label").map(|(_, label)| label.as_str())
    }

    /// Whether nothing but these was chosen.
    pub(super) fn is_only(&self, names: &[&str]) -> bool {
        self.0.iter().all(|(name, _)| names.contains(name))
    }

    /// Whether this and nothing else was chosen.
    pub(super) fn is(&self, pairs: &[(&'static str, &str)]) -> bool {
        self.0.len() == pairs.len() && pairs.iter().all(|(name, value)| self.one(name) == *value)
    }

    /// The same with a label more.
    pub(super) fn with(&self, label: &str) -> Self {
        let mut pairs = self.0.clone();
        pairs.push(("label", label.to_owned()));
        Self(pairs)
    }

    /// The same without a label.
    pub(super) fn without(&self, label: &str) -> Self {
        let others = self.0.iter().filter(|(name, value)| *name != "label" || value != label);
        Self(others.cloned().collect())
    }

    /// Where it is shown, or its page after `cursor`.
    pub(super) fn address(&self, cursor: Option<&str>) -> String {
        self.written("/incidents", cursor, |_, value| value)
    }

    /// Where the same is told as JSON.
    pub(super) fn twin(&self) -> String {
        let is_nobody = |name: &str, value: &str| name == "owner" && value == NOBODY;
        self.written("/api/v1/incidents", None, |name, value| if is_nobody(name, value) { "" } else { value })
    }

    fn written(
        &self,
        path: &str,
        cursor: Option<&str>,
        value: impl for<'v> Fn(&str, &'v str) -> &'v str,
    ) -> String {
        let mut pairs = Serializer::new(String::new());
        pairs.extend_pairs(self.0.iter().map(|(name, given)| (*name, value(name, given))));
        pairs.extend_pairs(cursor.map(|cursor| ("cursor", cursor)));
        let query = pairs.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}

/// The address of a view of these.
pub(super) fn address_of(pairs: &[(&'static str, &str)]) -> String {
    View(pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()).address(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(uri: &str) -> View {
        View::of(&Query::of(&uri.parse().unwrap()))
    }

    #[test]
    fn a_view_is_its_address() {
        let some = view("/?q=a%26b&severity=&owner=nobody&label=env:a,b&cursor=ff&limit=5");
        assert_eq!(some.address(Some("1a")), "/incidents?owner=nobody&q=a%26b&label=env%3Aa%2Cb&cursor=1a");
        assert_eq!(some.twin(), "/api/v1/incidents?owner=&q=a%26b&label=env%3Aa%2Cb");
        assert_eq!(view("/").address(None), "/incidents");
    }

    #[test]
    fn labels_come_and_go() {
        let some = view("/?status=open&label=a:1").with("b:2");
        assert_eq!(some.labels().collect::<Vec<_>>(), ["a:1", "b:2"]);
        assert_eq!(some.without("a:1").address(None), "/incidents?status=open&label=b%3A2");
        assert!(
            some.without("a:1").without("b:2").is(&[("status", "open")]) && !some.is(&[("status", "open")])
        );
    }
}
