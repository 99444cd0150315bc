//! The words an incident is found by, and what a person types turned into a search that no syntax can break.
//!
//! A word is a run of letters and digits, in lower case and without diacritics. What has no space in it is a *compound*:
//! `host-17`, `env=prod`. The index has each word, and each two that meet in a compound as one entry, so that `host-17` is
//! as fast to find as any word, however many hosts and however many 17 there are. So is `service=pay-api-eu`: what has a name
//! is one entry more as a whole. Where words stand the index does not keep: three and more are looked up in the incident.

use std::{borrow::Cow, ops::RangeInclusive};

use bugle_model::{Incident, signal::cut};
use bugle_store::IncidentFilter;
use icu_normalizer::properties::{CanonicalDecomposition, Decomposed};
use rusqlite::Connection;

use crate::sql::incidents as sql;

/// Text of one incident that is indexed.
const INDEXED_BYTES_MAX: usize = 8 * 1024;
/// Text of one label's value that is indexed.
const VALUE_BYTES_MAX: usize = 256;
/// Compounds of a search that count.
const COMPOUNDS_MAX: usize = 16;
/// Entries that the index is asked for to find one compound.
const ENTRIES_MAX: usize = 8;
/// Entries that stand for the beginnings of a search. With more, SQLite reads all incidents in which one stands, as each
/// would cost a search of its own; they are in the fewer incidents, the more of them there are.
const SPELLED_OUT_MAX: usize = 32;
/// Incidents of one entry that are gone through to come to the next one. To look for that from the start takes a way through
/// all incidents of the entry before it: 0.7 ms for a million.
const GONE_THROUGH_MAX: u32 = 64;
/// Stands in an entry of two words before each of them, and in no word.
const MEETING: char = '·';

/// Title, host, service and labels, as one text of compounds.
pub(crate) fn text_of(incident: &Incident) -> String {
    let mut text = incident.title.clone();
    if let Some(host) = &incident.host {
        text.push('\n');
        text.push_str(host);
    }
    let service = incident.service.as_deref().map(|service| (SERVICE, service));
    let labels = incident.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in service.into_iter().chain(labels) {
        if text.len() >= INDEXED_BYTES_MAX {
            break;
        }
        text.push('\n');
        text.push_str(&named(name, value));
    }
    cut(&mut text, INDEXED_BYTES_MAX);
    text
}

/// As the service is named among the labels.
const SERVICE: &str = "service";

/// A label's compound, the first one if its value has spaces.
fn named(name: &str, value: &str) -> String {
    let mut value = value.to_owned();
    cut(&mut value, VALUE_BYTES_MAX);
    format!("{name}={value}")
}

/// FNV-1a, 64 bits: tells whether a text changed, and stands for a whole compound. It is stored, so it must not differ from one build to the next.
pub(crate) fn hash(text: &str) -> i64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        .cast_signed()
}

/// What the index gets of a text: its entries, with spaces between.
pub(crate) fn entries(text: &str) -> String {
    let text = folded(text);
    let mut entries = String::with_capacity(3 * text.len());
    for compound in text.split_whitespace() {
        let mut before = None;
        for word in words_of(compound) {
            entries.push_str(word);
            entries.push(' ');
            if let Some(before) = before.replace(word) {
                push_meeting(&mut entries, before, word);
                entries.push(' ');
            }
        }
        if let Some(whole) = whole(compound) {
            entries.push_str(&whole);
            entries.push(' ');
        }
    }
    entries
}

/// The entry of a compound with a name. None where its two words are that already.
fn whole(compound: &str) -> Option<String> {
    let is_more = compound.contains('=') && words_of(compound).nth(2).is_some();
    is_more.then(|| format!("{MEETING}{MEETING}{:016x}", hash(compound)))
}

fn push_meeting(entries: &mut String, one: &str, next: &str) {
    for word in [one, next] {
        entries.push(MEETING);
        entries.push_str(word);
    }
}

fn words_of(compound: &str) -> impl Iterator<Item = &str> {
    compound.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// In lower case and without diacritics.
fn folded(text: &str) -> Cow<'_, str> {
    if !text.is_ascii() {
        return text.chars().filter_map(plain).flat_map(char::to_lowercase).collect();
    }
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return text.to_ascii_lowercase().into();
    }
    text.into()
}

/// A letter without its diacritics. None where it is nothing else.
fn plain(mut letter: char) -> Option<char> {
    const DIACRITICS: RangeInclusive<char> = '\u{300}'..='\u{36f}';
    while !letter.is_ascii() {
        letter = match CanonicalDecomposition::new().decompose(letter) {
            Decomposed::Expansion(base, mark) if DIACRITICS.contains(&mark) => base,
            Decomposed::Singleton(same) => same,
            Decomposed::Expansion(..) | Decomposed::Default => break,
        };
    }
    (!DIACRITICS.contains(&letter)).then_some(letter)
}

/// What is looked for: words that meet. The last may be no more than a word's beginning.
#[derive(Debug)]
struct Compound {
    words: Vec<String>,
    is_beginning: bool,
}

impl Compound {
    /// Of a text that is folded. None when there is no word in it.
    fn new(text: &str, is_beginning: bool) -> Option<Self> {
        let words: Vec<_> = words_of(text).map(str::to_owned).collect();
        (!words.is_empty()).then_some(Self { words, is_beginning })
    }

    /// As a person types it: a beginning where a `*` stands at the end.
    fn typed(text: &str) -> Option<Self> {
        text.strip_suffix('*').map_or_else(|| Self::new(text, false), |text| Self::new(text, true))
    }

    /// As the index has it, and whether the last entry is no more than the beginning of one.
    fn entries(&self) -> (Vec<String>, bool) {
        if let [word] = self.words.as_slice() {
            return (vec![word.clone()], self.is_beginning);
        }
        let meeting = |(one, next): (&String, &String)| {
            let mut entry = String::new();
            push_meeting(&mut entry, one, next);
            entry
        };
        let mut entries: Vec<_> = self.words.iter().zip(self.words.iter().skip(1)).map(meeting).collect();
        let is_whole = entries.len() <= ENTRIES_MAX;
        entries.truncate(ENTRIES_MAX);
        (entries, is_whole && self.is_beginning)
    }

    /// Whether the index can only tell of its parts.
    const fn is_long(&self) -> bool {
        self.words.len() > 2
    }

    /// Whether it stands so in a text that is folded.
    fn is_in(&self, text: &str) -> bool {
        let is_here = |words: &[&str]| match (words.split_last(), self.words.split_last()) {
            (Some((word, before)), Some((last, first))) => {
                before == first && (word == last || self.is_beginning && word.starts_with(last.as_str()))
            }
            _ => false,
        };
        text.split_whitespace().any(|compound| {
            let words: Vec<_> = words_of(compound).collect();
            words.windows(self.words.len()).any(is_here)
        })
    }
}

/// A filter's words, its service and its labels, as they are looked for.
#[derive(Debug)]
pub(crate) struct Search {
    /// What finds all incidents that match, and perhaps some more.
    asked: String,
    long: Vec<Compound>,
}

impl Search {
    /// None when nothing can match.
    ///
    /// A beginning is spelled out as the entries that begin so. SQLite goes through the incidents of an entry from the
    /// newest on; of a beginning it would first read all incidents there are.
    pub(crate) fn of(connection: &Connection, filter: &IncidentFilter) -> rusqlite::Result<Option<Self>> {
        let Some(typed) = typed(filter) else { return Ok(None) };
        let (mut room, mut asked) = (SPELLED_OUT_MAX, Vec::new());
        for compound in &typed {
            let (mut entries, is_beginning) = compound.entries();
            if let Some(beginning) = entries.pop_if(|_| is_beginning) {
                asked.push(match spelled_out(connection, &beginning, &mut room)? {
                    None => format!("\"{beginning}\"*"),
                    Some(spelled) if spelled.is_empty() => return Ok(None),
                    Some(spelled) => format!("({})", spelled.join(" OR ")),
                });
            }
            asked.extend(entries.iter().map(|entry| quoted(entry)));
        }
        asked.extend(named_in(filter).iter().map(|entry| quoted(entry)));
        let long = typed.into_iter().filter(Compound::is_long).collect();
        Ok(Some(Self { asked: asked.join(" AND "), long }))
    }

    /// What the index is asked. None where the filter has no words.
    pub(crate) fn asked(&self) -> Option<&str> {
        (!self.asked.is_empty()).then_some(&self.asked)
    }

    /// Whether an incident that the index has found has all the words that were typed.
    pub(crate) fn holds(&self, incident: &Incident) -> bool {
        self.long.is_empty() || {
            let text = text_of(incident);
            let text = folded(&text);
            self.long.iter().all(|compound| compound.is_in(&text))
        }
    }
}

/// No entry has a quote.
fn quoted(entry: &str) -> String {
    format!("\"{entry}\"")
}

/// What a beginning stands for, while there is room for it. None where it must be searched for as it is.
fn spelled_out(
    connection: &Connection,
    beginning: &str,
    room: &mut usize,
) -> rusqlite::Result<Option<Vec<String>>> {
    let entries = entries_from(connection, beginning, *room + 1)?;
    let Some(left) = room.checked_sub(entries.len()) else { return Ok(None) };
    *room = left;
    Ok(Some(entries.iter().map(|entry| quoted(entry)).collect()))
}

/// The first entries that begin so.
fn entries_from(connection: &Connection, beginning: &str, max: usize) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(sql::ENTRIES_FROM)?;
    let (mut from, end) = (beginning.to_owned(), format!("{beginning}{}", char::MAX));
    let mut entries: Vec<String> = Vec::new();
    loop {
        let (mut rows, mut incidents) = (statement.query([&from, &end])?, 0);
        loop {
            let Some(row) = rows.next()? else { return Ok(entries) };
            let entry = row.get_ref(0)?.as_str()?;
            if entries.last().is_some_and(|last| last == entry) {
                incidents += 1;
                if incidents == GONE_THROUGH_MAX {
                    break;
                }
                continue;
            }
            if entries.len() == max {
                return Ok(entries);
            }
            entries.push(entry.to_owned());
            incidents = 1;
        }
        // Nothing that can stand in an entry comes between.
        from = entries.last().map(|last| format!("{last}\u{1}")).unwrap_or_default();
    }
}

/// What a person typed. None when there is no word in it.
fn typed(filter: &IncidentFilter) -> Option<Vec<Compound>> {
    let Some(text) = filter.query.as_deref().filter(|text| !text.trim().is_empty()) else {
        return Some(Vec::new());
    };
    let typed: Vec<_> =
        folded(text).split_whitespace().filter_map(Compound::typed).take(COMPOUNDS_MAX).collect();
    (!typed.is_empty()).then_some(typed)
}

/// The entries that an incident of the service and with the labels has.
fn named_in(filter: &IncidentFilter) -> Vec<String> {
    let service = filter.service.as_deref().map(|service| named(SERVICE, service));
    let labels = filter.labels.iter().map(|(name, value)| named(name, value));
    let mut entries = Vec::new();
    for text in service.into_iter().chain(labels) {
        for compound in folded(&text).split_whitespace() {
            let parts = || Compound::new(compound, false).map(|parts| parts.entries().0);
            entries.extend(whole(compound).map(|whole| vec![whole]).or_else(parts).unwrap_or_default());
        }
    }
    entries
}

#[cfg(test)]
mod tests;
