//! Everything as it happens, for who listens: the events of all timelines, in the order of their commits and without a
//! gap, and passing notices of receipts, deliveries and circuits.
//!
//! One task reads new events from the store, once for all listeners; each listener knows how far it is. When it was too
//! slow, or has just come back, it reads what it lacks from the store by itself: what passes through memory is bounded,
//! and nobody waits for a listener. While nobody listens nothing is read, and a notice costs one look at a counter.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bugle_model::{
    Cursor, Delivery, DeliveryId, DeliveryState, DestinationId, EventId, IncidentId, IntegrationId,
    ReceiptId, ReceiptState, destination::CircuitPhase, limits,
};
use bugle_store::{Committed, StoreError};
use serde::Serialize;
use tokio::sync::{
    Notify,
    broadcast::{self, error::RecvError},
};

use crate::Engine;

/// News kept for listeners that are a little slow. Past it they go on from the store.
const KEPT_MAX: usize = 1_024;
/// Events read from the store at once.
const PAGE: u32 = 100;
/// How often new events are looked for while somebody listens, told or not: another process may have made them.
const POLL: Duration = Duration::from_secs(2);
/// How long to wait after the store failed.
const PAUSE: Duration = Duration::from_secs(1);

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum News {
    /// An event is on a timeline. None is missed and none comes twice.
    Event(Arc<Committed>),
    /// A call was kept.
    Receipt(ReceiptNews),
    /// A delivery was tried or given up on.
    Delivery(DeliveryNews),
    /// A destination's circuit changed.
    Circuit(CircuitNews),
    /// The listener was too slow, or came back with a position that is not known here. Notices are lost; events follow.
    Gap {
        /// News passed over, events included.
        missed: u64,
    },
}

/// A call was kept.
#[derive(Debug, Clone, Serialize)]
pub struct ReceiptNews {
    /// The receipt.
    pub id: ReceiptId,
    /// The integration it was sent to.
    pub integration_id: IntegrationId,
    /// The integration's platform.
    pub platform: &'static str,
    /// `pending`, `duplicate`, `rejected` or `undecodable`.
    pub state: ReceiptState,
}

/// A delivery was tried or given up on, and that is stored.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryNews {
    /// The delivery.
    pub id: DeliveryId,
    /// Where it goes.
    pub destination_id: DestinationId,
    /// The incident whose event it carries.
    pub incident_id: IncidentId,
    /// The event it carries.
    pub event_id: EventId,
    /// Where it stands; `pending` when it is tried again later.
    pub state: DeliveryState,
    /// Tries so far.
    pub attempts: u32,
}

impl DeliveryNews {
    /// `delivery` as it is after its last attempt.
    pub(crate) fn of(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id,
            destination_id: delivery.destination_id,
            incident_id: delivery.incident_id,
            event_id: delivery.event_id,
            state: delivery.state,
            attempts: delivery.attempts,
        }
    }
}

/// A destination's circuit changed.
#[derive(Debug, Clone, Serialize)]
pub struct CircuitNews {
    /// The destination.
    pub destination_id: DestinationId,
    /// The phase it is in now.
    pub phase: CircuitPhase,
}

/// Why nobody more can listen now.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// There are too many.
    #[error(
        "{} clients follow the stream already: close one, or try again later",
        limits::STREAM_LISTENERS_MAX
    )]
    Full,
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is sent to all listeners.
#[derive(Debug, Clone)]
enum Sent {
    /// This event comes right after that position.
    Event {
        after: Cursor,
        committed: Arc<Committed>,
    },
    /// Events above this position will be sent.
    Begin(Cursor),
    Notice(News),
}

/// The way to all listeners.
#[derive(Debug)]
pub(crate) struct Feed {
    sender: broadcast::Sender<Sent>,
    listeners: AtomicUsize,
    /// There may be new events, or a first listener.
    wake: Notify,
}

impl Default for Feed {
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(KEPT_MAX), listeners: AtomicUsize::new(0), wake: Notify::new() }
    }
}

impl Feed {
    fn is_heard(&self) -> bool {
        self.listeners.load(Ordering::SeqCst) > 0
    }

    /// Says that events were committed.
    pub(crate) fn committed(&self) {
        if self.is_heard() {
            self.wake.notify_one();
        }
    }

    /// Tells who listens now; the notice is only made if somebody does.
    pub(crate) fn tell(&self, notice: impl FnOnce() -> News) {
        if self.is_heard() {
            self.send(Sent::Notice(notice()));
        }
    }

    fn send(&self, sent: Sent) {
        // It fails only when the last listener has just gone.
        self.sender.send(sent).ok();
    }
}

/// One of the places for listeners; free again when dropped.
#[derive(Debug)]
struct Place(Arc<Feed>);

impl Place {
    fn take(feed: &Arc<Feed>) -> Option<Self> {
        let one_more = |taken| (taken < limits::STREAM_LISTENERS_MAX).then_some(taken + 1);
        let taken = feed.listeners.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more);
        taken.is_ok().then(|| Self(Arc::clone(feed)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.listeners.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Hears everything from a position on.
pub struct Listener {
    engine: Arc<Engine>,
    receiver: broadcast::Receiver<Sent>,
    _place: Place,
    /// Where the last event that was given out stands.
    position: Cursor,
    /// Whether the store may have events above the position that are not sent to the receiver any more.
    behind: bool,
    /// Read from the store and not given out.
    read: VecDeque<Committed>,
    gap: Option<u64>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Listener {
    /// Where the last event that was given out stands: a later listener that begins here misses none.
    pub fn position(&self) -> Cursor {
        self.position
    }

    /// The next thing that happens; none when the engine stops. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<News>, StoreError> {
        let engine = Arc::clone(&self.engine);
        engine.stopping().run_until_cancelled(self.hear()).await.unwrap_or(Ok(None))
    }

    async fn hear(&mut self) -> Result<Option<News>, StoreError> {
        loop {
            if let Some(missed) = self.gap.take() {
                return Ok(Some(News::Gap { missed }));
            }
            if let Some(committed) = self.read.pop_front() {
                return Ok(Some(self.give_out(Arc::new(committed))));
            }
            if self.behind {
                let read = self.engine.store().events_after(self.position, PAGE).await?;
                // What is committed after a read that came to the end is sent: the receiver was there before.
                self.behind = read.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
                self.read = read.into();
                continue;
            }
            match self.receiver.recv().await {
                Ok(Sent::Notice(news)) => return Ok(Some(news)),
                Ok(Sent::Begin(position)) => self.behind = position.0 > self.position.0,
                Ok(Sent::Event { committed, .. }) if committed.position.0 <= self.position.0 => {}
                Ok(Sent::Event { after, committed }) if after == self.position => {
                    return Ok(Some(self.give_out(committed)));
                }
                Ok(Sent::Event { .. }) => self.behind = true,
                Err(RecvError::Lagged(missed)) => {
                    self.behind = true;
                    self.gap = Some(missed);
                }
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }

    fn give_out(&mut self, committed: Arc<Committed>) -> News {
        self.position = committed.position;
        News::Event(committed)
    }
}

impl Engine {
    /// Listens from now on, or from the position that an earlier listener came to.
    pub async fn listen(self: &Arc<Self>, after: Option<Cursor>) -> Result<Listener, ListenError> {
        let place = Place::take(self.feed()).ok_or(ListenError::Full)?;
        // First the receiver, then the look into the store: what is committed in between is heard of both ways.
        let receiver = self.feed().sender.subscribe();
        self.feed().wake.notify_one();
        let end = self.store().last_position().await?;
        let position = after.map_or(end, |after| if after.0 > end.0 { end } else { after });
        Ok(Listener {
            engine: Arc::clone(self),
            receiver,
            _place: place,
            position,
            behind: position.0 < end.0,
            read: VecDeque::new(),
            // A position above the end comes from another database, or from this one before a backup was restored.
            gap: after.filter(|after| after.0 > end.0).map(|_| 0),
        })
    }

    /// Sends new events to who listens. Runs until shutdown.
    pub(crate) async fn run_feed(self: Arc<Self>) {
        let mut sent_to = None;
        loop {
            tokio::select! {
                () = self.feed().wake.notified() => {}
                () = tokio::time::sleep(POLL), if sent_to.is_some() => {}
                () = self.stopping().cancelled() => return,
            }
            if let Err(error) = self.send_events(&mut sent_to).await {
                tracing::error!(error = &error as &dyn std::error::Error, "the stream waits for the store");
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => self.feed().wake.notify_one(),
                    () = self.stopping().cancelled() => return,
                }
            }
        }
    }

    async fn send_events(&self, sent_to: &mut Option<Cursor>) -> Result<(), StoreError> {
        if !self.feed().is_heard() {
            *sent_to = None;
            return Ok(());
        }
        let mut position = if let Some(position) = *sent_to {
            position
        } else {
            let position = self.store().last_position().await?;
            self.feed().send(Sent::Begin(position));
            position
        };
        *sent_to = Some(position);
        loop {
            let events = self.store().events_after(position, PAGE).await?;
            let is_last = events.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            for committed in events {
                let after = std::mem::replace(&mut position, committed.position);
                self.feed().send(Sent::Event { after, committed: Arc::new(committed) });
            }
            *sent_to = Some(position);
            if is_last || self.stopping().is_cancelled() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests;
