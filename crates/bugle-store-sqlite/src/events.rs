//! The events that deliveries were claimed for lately, so that one with many destinations is neither read nor written anew for
//! each.
//!
//! An event never changes, so what is remembered is never wrong.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use bugle_model::{Event, EventId, event::Documents};
use rusqlite::Connection;

use crate::{
    codec::{decode, unpacked_bytes},
    rest::Rest,
    sql::deliveries as sql,
};

/// Bytes of the events that are remembered, as JSON and not as packed: what repeats itself takes next to nothing stored, and
/// all of it in memory. The documents written of them, which are about as large, come on top.
const BYTES_MAX: usize = 2 * 1024 * 1024;

/// The latest of them.
#[derive(Debug, Default)]
pub(crate) struct Events(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    by_id: HashMap<EventId, Known>,
    /// With their bytes, the oldest first.
    order: VecDeque<(EventId, usize)>,
    bytes: usize,
}

/// An event and what was written of it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) event: Arc<Event>,
    pub(crate) documents: Arc<Documents>,
}

impl Events {
    /// An event, read if it is not remembered.
    pub(crate) fn one(&self, connection: &Connection, id: EventId) -> rusqlite::Result<Known> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().by_id.get(&id) {
            return Ok(known.clone());
        }
        let (event, bytes) = connection.prepare_cached(sql::EVENT)?.query_row([id.as_i64()], |row| {
            Ok((Arc::new(decode(row, 0)?), unpacked_bytes(row.get_ref(0)?)))
        })?;
        Ok(lock().remember(event, bytes))
    }

    /// A rest in which they are forgotten too.
    pub(crate) fn forgotten_in(self: &Arc<Self>, rest: Rest) -> Rest {
        let events = Arc::clone(self);
        let then = rest.then;
        let then = Arc::new(move || {
            *events.0.lock().unwrap_or_else(PoisonError::into_inner) = Remembered::default();
            then();
        });
        Rest { then, ..rest }
    }
}

impl Remembered {
    /// As it is known now: somebody else may have read the same meanwhile.
    fn remember(&mut self, event: Arc<Event>, bytes: usize) -> Known {
        let id = event.id;
        if let Some(known) = self.by_id.get(&id) {
            return known.clone();
        }
        let known = Known { event, documents: Arc::default() };
        self.by_id.insert(id, known.clone());
        self.order.push_back((id, bytes));
        self.bytes += bytes;
        while self.bytes > BYTES_MAX
            && let Some((oldest, bytes)) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
            self.bytes -= bytes;
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use bugle_model::IntegrationId;
    use bugle_store::conformance::sample;

    use super::*;

    #[test]
    fn whoever_read_an_event_first_shares_it_and_what_is_written_of_it() {
        let mut remembered = Remembered::default();
        let read = || Arc::new(sample::event(1, &sample::incident(1, IntegrationId::from_i64(1))));
        let (first, second) = (remembered.remember(read(), 10), remembered.remember(read(), 10));
        assert!(Arc::ptr_eq(&first.event, &second.event));
        first.documents.place(false).set(b"{}".to_vec()).unwrap();
        assert!(second.documents.place(false).get().is_some());
    }

    #[test]
    fn the_oldest_go_when_they_are_too_large_together() {
        let mut remembered = Remembered::default();
        let mut remember = |id: i64, bytes| {
            let event = Arc::new(sample::event(id, &sample::incident(1, IntegrationId::from_i64(1))));
            let known = remembered.remember(event, bytes);
            assert_eq!(known.event.id.as_i64(), id);
            let mut left: Vec<i64> = remembered.by_id.keys().map(|id| id.as_i64()).collect();
            left.sort_unstable();
            (left, remembered.order.len(), remembered.bytes)
        };
        for id in 0..10 {
            remember(id, BYTES_MAX / 4);
        }
        assert_eq!(remember(9, BYTES_MAX / 4), (vec![6, 7, 8, 9], 4, BYTES_MAX), "one twice counts once");
        assert_eq!(remember(10, BYTES_MAX * 2), (vec![], 0, 0));
    }
}
