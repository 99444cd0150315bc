//! The words an incident is found by, and what a person types turned into a search that no syntax can break.

use bugle_model::{Incident, signal::cut};
use bugle_store::IncidentFilter;

/// Text of one incident that is indexed.
const INDEXED_BYTES_MAX: usize = 8 * 1024;
/// Text of one label's value that is indexed.
const VALUE_BYTES_MAX: usize = 256;
/// Words of a search that count.
const TERMS_MAX: usize = 16;

/// Title, host, service and labels, as one text.
pub(crate) fn words(incident: &Incident) -> String {
    let mut words = incident.title.clone();
    for text in [&incident.host, &incident.service].into_iter().flatten() {
        words.push('\n');
        words.push_str(text);
    }
    for (name, value) in &incident.labels {
        if words.len() >= INDEXED_BYTES_MAX {
            break;
        }
        let mut value = value.clone();
        cut(&mut value, VALUE_BYTES_MAX);
        words.push('\n');
        words.push_str(name);
        words.push(' ');
        words.push_str(&value);
    }
    cut(&mut words, INDEXED_BYTES_MAX);
    words
}

/// FNV-1a, 64 bits: tells whether the words changed. It is stored, so it must not differ from one build to the next.
pub(crate) fn hash(words: &str) -> i64 {
    words
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        .cast_signed()
}

/// The search that finds all incidents of a filter, and perhaps some more: its words, its service, its labels. Empty where
/// the filter has none of these; none when nothing can match.
pub(crate) fn search_of(filter: &IncidentFilter) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(text) = filter.query.as_deref().filter(|text| !text.trim().is_empty()) {
        parts.push(search(text)?);
    }
    parts.extend(filter.service.as_deref().and_then(phrase));
    parts.extend(filter.labels.iter().filter_map(|(name, value)| {
        let mut value = value.clone();
        cut(&mut value, VALUE_BYTES_MAX);
        phrase(&format!("{name} {value}"))
    }));
    Some(parts.join(" "))
}

/// A search for incidents in which this text stands. None when there is no word in it.
fn phrase(text: &str) -> Option<String> {
    let has_words = text.chars().any(char::is_alphanumeric);
    has_words.then(|| format!("\"{}\"", text.replace(['"', '\0'], " ")))
}

/// A search for incidents that hold all the words of `text`, each as it stands or, with a `*` at its end, as a beginning.
/// None when there is no word in it.
pub(crate) fn search(text: &str) -> Option<String> {
    let terms: Vec<String> = text
        .split_whitespace()
        .filter(|term| term.chars().any(char::is_alphanumeric))
        .take(TERMS_MAX)
        .map(|term| {
            let (term, star) = term.strip_suffix('*').map_or((term, ""), |term| (term, "*"));
            format!("\"{}\"{star}", term.replace(['"', '\0'], " "))
        })
        .collect();
    (!terms.is_empty()).then(|| terms.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_is_quoted() {
        for (text, expected) in [
            ("disk full", Some(r#""disk" "full""#)),
            ("db-7.example.com", Some(r#""db-7.example.com""#)),
            ("pay*", Some(r#""pay"*"#)),
            (r#"a"b OR NEAR(c"#, Some(r#""a b" "OR" "NEAR(c""#)),
            ("a\0b", Some(r#""a b""#)),
            ("   ", None),
            ("- * \"", None),
            ("", None),
        ] {
            assert_eq!(search(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn services_and_labels_are_searched_for_as_they_stand() {
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for (query, service, labels, expected) in [
            (None, None, vec![], Some("")),
            (Some("disk full"), Some("pay \"api\""), vec![], Some(r#""disk" "full" "pay  api ""#)),
            (None, None, vec![label("env", "prod"), label("a", "b")], Some(r#""env prod" "a b""#)),
            (None, Some("-"), vec![label("-", "*")], Some("")),
            (Some("*"), Some("pay"), vec![], None),
        ] {
            let filter = IncidentFilter {
                query: query.map(str::to_owned),
                service: service.map(str::to_owned),
                labels,
                ..IncidentFilter::default()
            };
            assert_eq!(search_of(&filter).as_deref(), expected, "{filter:?}");
        }
    }

    #[test]
    fn a_hash_is_the_same_in_every_build() {
        assert_eq!(hash("").cast_unsigned(), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a").cast_unsigned(), 0xaf63_dc4c_8601_ec8c);
    }
}
