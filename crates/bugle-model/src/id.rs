//! Identifiers: 63-bit, time-ordered, shown with a prefix (`inc_01j9...`).
//!
//! An id is one integer so that it can be a table's primary key in both databases without a second index
//! (docs/adr/0002-ids.md). Its text is the prefix and 13 digits of Crockford's base 32, which sorts like the number.

use std::{
    fmt,
    marker::PhantomData,
    str::FromStr,
    sync::atomic::{AtomicI64, Ordering},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{text::parsed, time::Timestamp};

/// Crockford's base 32: no I, L, O or U, so that an id survives being read aloud.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Digits of a printed id: 13 × 5 bits hold 63 bits.
const DIGITS: usize = 13;
/// Longest prefix.
const PREFIX_BYTES_MAX: usize = 6;
/// What each byte stands for as a digit; above 31 it is none.
#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "the compiler runs it, and would tell of either"
)]
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut digit = 0;
    while digit < ALPHABET.len() {
        let byte = ALPHABET[digit];
        values[byte as usize] = digit as u8;
        values[byte.to_ascii_uppercase() as usize] = digit as u8;
        digit += 1;
    }
    values
};
/// Ids made within one millisecond before the generator borrows from the next one.
const SEQUENCE_BITS: u32 = 21;

/// What an id names; gives its prefix.
pub trait Kind: 'static {
    /// The text before the underscore.
    const PREFIX: &'static str;
}

/// The id of one `K`.
pub struct Id<K>(i64, PhantomData<fn() -> K>);

macro_rules! kinds {
    ($($(#[$doc:meta])* $marker:ident $alias:ident $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $marker {}
        impl Kind for $marker { const PREFIX: &'static str = $prefix; }
        $(#[$doc])*
        pub type $alias = Id<$marker>;
    )*};
}

kinds! {
    /// Marks an alert's id.
    AlertKind AlertId "alr";
    /// Marks an API key's id.
    ApiKeyKind ApiKeyId "key";
    /// Marks the id of an entry in the audit log.
    AuditKind AuditId "aud";
    /// Marks a delivery's id.
    DeliveryKind DeliveryId "dlv";
    /// Marks a destination's id.
    DestinationKind DestinationId "dst";
    /// Marks an event's id.
    EventKindId EventId "evt";
    /// Marks an incident's id.
    IncidentKind IncidentId "inc";
    /// Marks an integration's id.
    IntegrationKind IntegrationId "int";
    /// Marks a receipt's id.
    ReceiptKind ReceiptId "rcp";
    /// Marks a secret's id.
    SecretKind SecretId "sec";
    /// Marks a user's id.
    UserKind UserId "usr";
}

impl<K> Id<K> {
    /// Wraps a stored number. Only stores and generators need it.
    pub const fn from_i64(value: i64) -> Self {
        Self(value, PhantomData)
    }

    /// The stored number.
    pub const fn as_i64(self) -> i64 {
        self.0
    }

    /// An id for a configured thing whose id appears in a URL: seconds in the high bits, so that lists stay in
    /// order of creation, and 31 random bits below, so that it is not guessed.
    pub fn from_random(now: Timestamp, random: u32) -> Self {
        let seconds = (now.as_millis() / 1000) & 0xffff_ffff;
        Self((seconds << 31) | i64::from(random >> 1), PhantomData)
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> std::hash::Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// An id as text. Documents are full of them, so they are written without taking memory.
struct Text {
    bytes: [u8; PREFIX_BYTES_MAX + 1 + DIGITS],
    length: usize,
}

impl Text {
    fn of<K: Kind>(id: Id<K>) -> Self {
        const { assert!(K::PREFIX.len() <= PREFIX_BYTES_MAX, "the prefix is too long") };
        let mut text = Self { bytes: [b'_'; _], length: K::PREFIX.len() + 1 + DIGITS };
        for (to, byte) in text.bytes.iter_mut().zip(K::PREFIX.bytes()) {
            *to = byte;
        }
        let mut rest = id.0.cast_unsigned();
        for digit in text.bytes.iter_mut().take(text.length).rev().take(DIGITS) {
            let index = usize::try_from(rest & 31).unwrap_or_default();
            *digit = ALPHABET.get(index).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        text
    }

    fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Text::of(*self).as_str())
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of this kind: expected `{prefix}_` and 13 letters or digits")]
pub struct ParseIdError {
    text: String,
    prefix: &'static str,
}

impl<K: Kind> FromStr for Id<K> {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        parse(text, K::PREFIX)
            .map(Self::from_i64)
            .ok_or_else(|| ParseIdError { text: text.chars().take(64).collect(), prefix: K::PREFIX })
    }
}

fn parse(text: &str, prefix: &str) -> Option<i64> {
    let digits = text.strip_prefix(prefix)?.strip_prefix('_')?;
    if digits.len() != DIGITS {
        return None;
    }
    let mut value: u64 = 0;
    for byte in digits.bytes() {
        let digit = VALUES.get(usize::from(byte)).copied().filter(|value| *value < 32)?;
        value = value.checked_mul(32)?.checked_add(u64::from(digit))?;
    }
    i64::try_from(value).ok()
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Text::of(*self).as_str())
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

/// Makes ids that grow: milliseconds in the high bits, a counter below. It never repeats within one process, even
/// when the clock steps back, and is told at start what the store already holds.
#[derive(Debug)]
pub struct IdGenerator {
    last: AtomicI64,
}

impl IdGenerator {
    /// `floor` is the largest id that any earlier process stored, or 0.
    pub fn new(floor: i64) -> Self {
        Self { last: AtomicI64::new(floor) }
    }

    /// The next id, larger than every one before it.
    pub fn next<K>(&self, now: Timestamp) -> Id<K> {
        let by_clock = now.as_millis() << SEQUENCE_BITS;
        let mut last = self.last.load(Ordering::Relaxed);
        loop {
            let next = by_clock.max(last + 1);
            match self.last.compare_exchange_weak(last, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Id::from_i64(next),
                Err(seen) => last = seen,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_sorts_like_the_number() {
        let generator = IdGenerator::new(0);
        let now = Timestamp::from_millis(1_795_000_000_000);
        let first: IncidentId = generator.next(now);
        let second: IncidentId = generator.next(now);
        assert_eq!(first.to_string().parse::<IncidentId>().unwrap(), first);
        assert!(first < second && first.to_string() < second.to_string());
        assert!(first.to_string().starts_with("inc_"));
    }

    #[test]
    fn a_clock_that_steps_back_repeats_no_id() {
        let generator = IdGenerator::new(0);
        let later: EventId = generator.next(Timestamp::from_millis(2_000_000_000_000));
        let earlier: EventId = generator.next(Timestamp::from_millis(1_000_000_000_000));
        assert!(earlier > later);
    }

    #[test]
    fn another_kind_or_garbage_is_refused() {
        assert!("int_0000000000000".parse::<IncidentId>().is_err());
        assert!("inc_u000000000000".parse::<IncidentId>().is_err());
        assert!("inc_zzzzzzzzzzzzz".parse::<IncidentId>().is_err());
        assert!("inc_1".parse::<IncidentId>().is_err());
    }
}
