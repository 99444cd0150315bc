//! The words an incident is found by, and what a person types turned into a search that no syntax can break.

use bugle_model::{Incident, signal::cut};

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
    fn a_hash_is_the_same_in_every_build() {
        assert_eq!(hash("").cast_unsigned(), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a").cast_unsigned(), 0xaf63_dc4c_8601_ec8c);
    }
}
