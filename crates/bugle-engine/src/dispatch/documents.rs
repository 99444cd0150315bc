//! The documents of events that go to several destinations: written once, and let go when all have had them.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bugle_model::EventId;
use bugle_platforms::dialect::Documents;

/// Events whose documents are kept: 5 MB if all are as large as they may be, some 400 KB as they usually are. A lane that is
/// farther behind the others writes its own.
const EVENTS_MAX: usize = 128;

/// Those of the latest events.
#[derive(Debug, Default)]
pub(super) struct Latest {
    lanes: AtomicUsize,
    events: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    event: EventId,
    documents: Arc<Documents>,
    /// Lanes that may still ask for them.
    lanes: usize,
}

impl Latest {
    /// So many lanes there are now.
    pub(super) fn set_lanes(&self, lanes: usize) {
        self.lanes.store(lanes, Ordering::Relaxed);
    }

    /// The documents of an event, which nobody may have written yet. None when nobody else would want them.
    pub(super) fn of(&self, event: EventId) -> Option<Arc<Documents>> {
        let others = self.lanes.load(Ordering::Relaxed).saturating_sub(1);
        if others == 0 {
            return None;
        }
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = events.iter().rposition(|kept| kept.event == event) {
            let kept = events.get_mut(place)?;
            kept.lanes -= 1;
            let (documents, is_last) = (Arc::clone(&kept.documents), kept.lanes == 0);
            if is_last {
                events.remove(place);
            }
            return Some(documents);
        }
        if events.len() >= EVENTS_MAX {
            events.pop_front();
        }
        let documents = Arc::<Documents>::default();
        events.push_back(Kept { event, documents: Arc::clone(&documents), lanes: others });
        Some(documents)
    }
}

#[cfg(test)]
mod tests {
    use bugle_model::id::Id;

    use super::*;

    fn is_same(one: Option<Arc<Documents>>, other: Option<Arc<Documents>>) -> bool {
        Arc::ptr_eq(&one.unwrap(), &other.unwrap())
    }

    #[test]
    fn they_are_kept_until_each_lane_had_them() {
        let (latest, event) = (Latest::default(), Id::from_i64(1));
        assert!(latest.of(event).is_none());
        latest.set_lanes(1);
        assert!(latest.of(event).is_none(), "nobody else would want them");
        latest.set_lanes(3);
        let first = latest.of(event);
        assert!(is_same(first.clone(), latest.of(event)) && is_same(first, latest.of(event)));
        assert!(latest.events.lock().unwrap().is_empty());
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let latest = Latest::default();
        latest.set_lanes(2);
        let first = latest.of(Id::from_i64(0));
        for id in 1..=i64::try_from(EVENTS_MAX).unwrap() {
            latest.of(Id::from_i64(id));
        }
        assert_eq!(latest.events.lock().unwrap().len(), EVENTS_MAX);
        assert!(!is_same(first, latest.of(Id::from_i64(0))));
    }
}
