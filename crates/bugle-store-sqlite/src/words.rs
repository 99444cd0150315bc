//! The words an incident is found by, and what a person types turned into a search that no syntax can break.

use bugle_model::{Incident, signal::cut};
use bugle_store::IncidentFilter;
use rusqlite::{Connection, OptionalExtension};

use crate::sql::incidents as sql;

/// Text of one incident that is indexed.
const INDEXED_BYTES_MAX: usize = 8 * 1024;
/// Text of one label's value that is indexed.
const VALUE_BYTES_MAX: usize = 256;
/// Words of a search that count.
const TERMS_MAX: usize = 16;
/// Words that stand for the beginnings of a search. With more, SQLite reads all incidents in which one stands, as each
/// would cost a search of its own; they are in the fewer incidents, the more of them there are.
const SPELLED_OUT_MAX: usize = 32;

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

/// Words that stand one after the other. The last may be no more than a word's beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    text: String,
    is_beginning: bool,
}

impl Term {
    /// None when there is no word in it.
    fn new(text: &str, is_beginning: bool) -> Option<Self> {
        let has_words = text.chars().any(char::is_alphanumeric);
        has_words.then(|| Self { text: text.replace(['"', '\0'], " "), is_beginning })
    }

    /// What stands before the beginning of a word, and that beginning as the index has it. None where it is no beginning,
    /// or where only the index knows its rules for letters beyond ASCII.
    fn beginning(&self) -> Option<(&str, String)> {
        let text = self.text.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let word = text.rsplit(|c: char| !c.is_ascii_alphanumeric()).next()?;
        let before = text.strip_suffix(word)?;
        (self.is_beginning && self.text.is_ascii()).then(|| (before, word.to_ascii_lowercase()))
    }

    /// As it is searched for.
    fn search(&self) -> String {
        let Self { text, is_beginning } = self;
        format!("\"{text}\"{}", if *is_beginning { "*" } else { "" })
    }
}

/// The search that finds all incidents of a filter, and perhaps some more: its words, its service, its labels. Empty where
/// the filter has none of these; none when nothing can match.
///
/// A beginning is spelled out as the words that begin so. SQLite goes through the incidents of a word from the newest on;
/// of a beginning it would first read all incidents there are.
pub(crate) fn search_of(
    connection: &Connection,
    filter: &IncidentFilter,
) -> rusqlite::Result<Option<String>> {
    let Some(terms) = terms_of(filter) else { return Ok(None) };
    let (mut room, mut plain, mut parts) = (SPELLED_OUT_MAX, Vec::new(), Vec::new());
    for term in terms {
        match spelled_out(connection, &term, &mut room)? {
            None => plain.push(term.search()),
            Some(phrases) if phrases.is_empty() => return Ok(None),
            Some(phrases) => parts.push(format!("({})", phrases.join(" OR "))),
        }
    }
    if !plain.is_empty() {
        parts.push(plain.join(" "));
    }
    Ok(Some(parts.join(" AND ")))
}

/// What a beginning stands for, while there is room for it. None where it must be searched for as it is.
fn spelled_out(
    connection: &Connection,
    term: &Term,
    room: &mut usize,
) -> rusqlite::Result<Option<Vec<String>>> {
    let Some((before, beginning)) = term.beginning() else { return Ok(None) };
    let words = words_from(connection, &beginning, *room + 1)?;
    let Some(left) = room.checked_sub(words.len()).filter(|_| words.iter().all(|word| word.is_ascii()))
    else {
        return Ok(None);
    };
    *room = left;
    Ok(Some(words.iter().map(|word| format!("\"{before}{word}\"")).collect()))
}

/// The first indexed words that begin so.
fn words_from(connection: &Connection, beginning: &str, max: usize) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(sql::WORD_FROM)?;
    let (mut from, end) = (beginning.to_owned(), format!("{beginning}{}", char::MAX));
    let mut words = Vec::new();
    while words.len() < max
        && let Some(word) = statement.query_row([&from, &end], |row| row.get::<_, String>(0)).optional()?
    {
        // Nothing that can stand in a word comes between.
        from = format!("{word}\u{1}");
        words.push(word);
    }
    Ok(words)
}

/// What must stand in an incident of a filter. None when nothing can match.
fn terms_of(filter: &IncidentFilter) -> Option<Vec<Term>> {
    let mut terms = Vec::new();
    if let Some(text) = filter.query.as_deref().filter(|text| !text.trim().is_empty()) {
        terms = typed(text)?;
    }
    terms.extend(filter.service.as_deref().and_then(|service| Term::new(service, false)));
    terms.extend(filter.labels.iter().filter_map(|(name, value)| {
        let mut value = value.clone();
        cut(&mut value, VALUE_BYTES_MAX);
        Term::new(&format!("{name} {value}"), false)
    }));
    Some(terms)
}

/// All the words of `text`, each as it stands or, with a `*` at its end, as a beginning. None when there is no word in it.
fn typed(text: &str) -> Option<Vec<Term>> {
    let terms: Vec<_> = text
        .split_whitespace()
        .filter_map(|word| {
            word.strip_suffix('*').map_or_else(|| Term::new(word, false), |word| Term::new(word, true))
        })
        .take(TERMS_MAX)
        .collect();
    (!terms.is_empty()).then_some(terms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::incidents;

    fn searches(terms: Option<Vec<Term>>) -> Option<String> {
        Some(terms?.iter().map(Term::search).collect::<Vec<_>>().join(" "))
    }

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
            assert_eq!(searches(typed(text)).as_deref(), expected, "{text}");
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
            assert_eq!(searches(terms_of(&filter)).as_deref(), expected, "{filter:?}");
        }
    }

    #[test]
    fn beginnings_are_spelled_out_while_they_are_few() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::migrate::migrate(&mut connection).unwrap();
        let many = (100..200).map(|number| format!("n{number}")).collect::<Vec<_>>().join(" ");
        for (id, words) in [(1, "Latency late host-17"), (2, "host-170 LÄTT école"), (3, many.as_str())] {
            connection.execute(incidents::WORDS_INSERT, (id, words)).unwrap();
        }
        let find = |search: &str| -> Vec<i64> {
            let text = "SELECT rowid FROM incident_text WHERE words MATCH ?1 ORDER BY rowid DESC";
            let mut statement = connection.prepare(text).unwrap();
            statement.query_map([search], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        for (text, expected, found) in [
            ("late*", Some(r#"("late" OR "latency")"#), vec![1]),
            ("LAT*", Some(r#"("late" OR "latency" OR "latt")"#), vec![2, 1]),
            ("host-17*", Some(r#"("host-17" OR "host-170")"#), vec![2, 1]),
            ("host-* 17", Some(r#"("host") AND "17""#), vec![1]),
            ("n1*", Some(r#""n1"*"#), vec![3]),
            (
                "n10* n1*",
                Some(
                    r#"("n100" OR "n101" OR "n102" OR "n103" OR "n104" OR "n105" OR "n106" OR "n107" OR "n108" OR "n109") AND "n1"*"#,
                ),
                vec![3],
            ),
            ("éc*", Some(r#""éc"*"#), vec![2]),
            ("latencyx*", None, vec![]),
        ] {
            let filter = IncidentFilter { query: Some(text.to_owned()), ..IncidentFilter::default() };
            let search = search_of(&connection, &filter).unwrap();
            assert_eq!(search.as_deref(), expected, "{text}");
            assert_eq!(search.map_or(vec![], |search| find(&search)), found, "{text}");
            assert_eq!(find(&searches(typed(text)).unwrap()), found, "{text}, as SQLite does it");
        }
    }

    #[test]
    fn a_hash_is_the_same_in_every_build() {
        assert_eq!(hash("").cast_unsigned(), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a").cast_unsigned(), 0xaf63_dc4c_8601_ec8c);
    }
}
