//! The events that deliveries were claimed for lately, so that one with many destinations is not read anew for each.
//!
//! An event never changes, so what is remembered is never wrong.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use bugle_model::{Event, EventId};
use rusqlite::Connection;

use crate::{
    codec::{decode, unpacked_bytes},
    rest::Rest,
    sql::deliveries as sql,
};

/// Bytes of the events that are remembered, as JSON and not as packed: what repeats itself takes next to nothing stored, and
/// all of it in memory.
const BYTES_MAX: usize = 2 * 1024 * 1024;

/// The latest of them.
#[derive(Debug, Default)]
pub(crate) struct Events(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    by_id: HashMap<EventId, Arc<Event>>,
    /// With their bytes, the oldest first.
    order: VecDeque<(EventId, usize)>,
    bytes: usize,
}

impl Events {
    /// An event, read if it is not remembered.
    pub(crate) fn one(&self, connection: &Connection, id: EventId) -> rusqlite::Result<Arc<Event>> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().by_id.get(&id) {
            return Ok(Arc::clone(known));
        }
        let (event, bytes) = connection.prepare_cached(sql::EVENT)?.query_row([id.as_i64()], |row| {
            Ok((Arc::new(decode(row, 0)?), unpacked_bytes(row.get_ref(0)?)))
        })?;
        lock().remember(id, Arc::clone(&event), bytes);
        Ok(event)
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
    fn remember(&mut self, id: EventId, event: Arc<Event>, bytes: usize) {
        if self.by_id.insert(id, event).is_some() {
            return;
        }
        self.order.push_back((id, bytes));
        self.bytes += bytes;
        while self.bytes > BYTES_MAX
            && let Some((oldest, bytes)) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
            self.bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use bugle_model::IntegrationId;
    use bugle_store::conformance::sample;

    use super::*;

    #[test]
    fn the_oldest_go_when_they_are_too_large_together() {
        let mut remembered = Remembered::default();
        let mut remember = |id: i64, bytes| {
            let event = Arc::new(sample::event(id, &sample::incident(1, IntegrationId::from_i64(1))));
            remembered.remember(event.id, event, bytes);
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
