//! How often somebody tried to sign in lately. Bounded in memory, whoever tries however often.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bugle_model::Timestamp;

/// Failed attempts with one name from one address before the next one waits.
const FAILURES_OF_NAME_MAX: u32 = 10;
/// Failed attempts from one address, whatever the names.
const FAILURES_OF_ADDRESS_MAX: u32 = 100;
/// For how long failures count, from the first of them.
const WINDOW: Duration = Duration::from_mins(15);
/// Names and addresses that are remembered at once: about a megabyte. Beyond it the window that ends first is forgotten.
const ENTRIES_MAX: usize = 10_000;

/// Who tried: a name from an address, or an address with whatever name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Who {
    address: IpAddr,
    name: Option<[u8; 32]>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    until: Timestamp,
}

/// The failures that count.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<Who, Failures>>);

impl Attempts {
    /// Counts an attempt as failed, before it is known whether it is, so that many at once are no way around the limit.
    /// `Err` says how long to wait. At a provider there is no `name` yet.
    pub(super) fn begin(&self, name: Option<&str>, address: IpAddr, now: Timestamp) -> Result<(), Duration> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_name = name.map(|name| (of_name(name, address), FAILURES_OF_NAME_MAX));
        let whos: Vec<_> =
            of_name.into_iter().chain([(of_address(address), FAILURES_OF_ADDRESS_MAX)]).collect();
        for (who, most) in &whos {
            if let Some(known) = entries.get(who).filter(|known| known.until > now && known.count >= *most) {
                return Err(known.until.since(now));
            }
        }
        for (who, _) in whos {
            make_room(&mut entries, now);
            let fresh = Failures { count: 0, until: now.plus(WINDOW) };
            let entry = entries.entry(who).or_insert(fresh);
            if entry.until <= now {
                *entry = fresh;
            }
            entry.count += 1;
        }
        Ok(())
    }

    /// The attempt succeeded: what that name did wrong from there counts no more.
    pub(super) fn forgive(&self, name: Option<&str>, address: IpAddr) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = name {
            entries.remove(&of_name(name, address));
        }
        if let Some(entry) = entries.get_mut(&of_address(address)) {
            entry.count = entry.count.saturating_sub(1);
        }
    }
}

/// A name counts as it is looked up: each other way to write it would be ten more guesses.
fn of_name(name: &str, address: IpAddr) -> Who {
    Who { name: Some(super::hash(&as_looked_up(name))), ..of_address(address) }
}

/// A name as users are found by it.
pub(super) fn as_looked_up(name: &str) -> String {
    name.trim().to_lowercase()
}

/// Whoever has one address of IPv6 has the 2^64 beside it.
fn of_address(address: IpAddr) -> Who {
    let address = match address.to_canonical() {
        IpAddr::V6(long) => IpAddr::V6(Ipv6Addr::from_bits(long.to_bits() >> 64 << 64)),
        short @ IpAddr::V4(_) => short,
    };
    Who { address, name: None }
}

fn make_room(entries: &mut HashMap<Who, Failures>, now: Timestamp) {
    if entries.len() < ENTRIES_MAX {
        return;
    }
    entries.retain(|_, failures| failures.until > now);
    if entries.len() >= ENTRIES_MAX {
        let first = entries.iter().min_by_key(|(_, failures)| failures.until).map(|(who, _)| who.clone());
        first.and_then(|who| entries.remove(&who));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_eleventh_failure_waits_and_others_do_not() {
        let (attempts, now) = (Attempts::default(), Timestamp::from_seconds(1_000_000));
        let begin = |name: &str, address: &str, at: Timestamp| attempts.begin(Some(name), ip(address), at);
        for _ in 0..FAILURES_OF_NAME_MAX {
            begin("Ada", "192.0.2.1", now).unwrap();
        }
        for name in ["ADA", " ada", "ada\u{a0}"] {
            assert_eq!(begin(name, "192.0.2.1", now.plus(WINDOW / 3)), Err(WINDOW * 2 / 3), "{name:?}");
        }
        begin("bob", "192.0.2.1", now).unwrap();
        begin("ada", "192.0.2.2", now).unwrap();
        begin("ada", "192.0.2.1", now.plus(WINDOW)).unwrap();
    }

    #[test]
    fn who_has_no_name_yet_counts_by_address() {
        let (attempts, now) = (Attempts::default(), Timestamp::from_seconds(1_000_000));
        for _ in 0..FAILURES_OF_ADDRESS_MAX {
            attempts.begin(None, ip("192.0.2.1"), now).unwrap();
        }
        assert!(attempts.begin(None, ip("192.0.2.1"), now).is_err());
        attempts.forgive(None, ip("192.0.2.1"));
        attempts.begin(None, ip("192.0.2.1"), now).unwrap();
    }

    #[test]
    fn a_success_forgives_the_name_and_not_the_address() {
        let (attempts, now) = (Attempts::default(), Timestamp::from_seconds(1_000_000));
        let from = ip("2001:db8::1");
        for round in 0..FAILURES_OF_ADDRESS_MAX {
            attempts.begin(Some(&format!("name {round}")), from, now).unwrap();
        }
        assert!(attempts.begin(Some("ada"), ip("2001:db8::ffff"), now).is_err(), "the same network");
        attempts.begin(Some("ada"), ip("2001:db8:0:1::1"), now).unwrap();
        attempts.forgive(Some("name 1"), from);
        attempts.begin(Some("ada"), from, now).unwrap();
        assert!(attempts.begin(Some("ada"), from, now).is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let (attempts, now) = (Attempts::default(), Timestamp::from_seconds(1_000_000));
        for number in 0..u32::try_from(ENTRIES_MAX).unwrap() + 50 {
            attempts.begin(Some("ada"), IpAddr::V4(number.into()), now).unwrap();
        }
        assert!(attempts.0.lock().unwrap().len() <= ENTRIES_MAX);
    }
}
