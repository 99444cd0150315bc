//! What a thread of the store does when nothing comes: it gives back the memory that it keeps, once, and waits on.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, Wake},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::mpsc::Receiver;

/// When a thread rests, and what it does then.
#[derive(Clone)]
pub struct Rest {
    /// How long it has had nothing to do. What it gave back is made anew for the next that comes, which takes about a
    /// millisecond.
    pub after: Duration,
    /// What is done on the thread beside, as an allocator keeps memory for each.
    pub then: Arc<dyn Fn() + Send + Sync>,
}

impl Default for Rest {
    /// After five seconds, and nothing beside.
    fn default() -> Self {
        Self { after: Duration::from_secs(5), then: Arc::new(|| ()) }
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").field("after", &self.after).finish_non_exhaustive()
    }
}

impl Rest {
    /// A wait shorter than this does not count: there is work.
    pub(crate) fn lull(&self) -> Duration {
        self.after / 50
    }

    /// Lets go of a connection's pages and statements too.
    pub(crate) fn with(&self, connection: &Connection) {
        connection.flush_prepared_statement_cache();
        if let Err(error) = connection.release_memory() {
            tracing::debug!(%error, "SQLite keeps its memory");
        }
        (self.then)();
    }

    /// Waits for the next of a queue, and does `rest` if that takes long.
    pub(crate) fn next<T>(&self, queue: &mut Receiver<T>, rest: impl FnOnce()) -> Option<T> {
        let waker = Arc::new(Unpark(thread::current())).into();
        let mut context = Context::from_waker(&waker);
        let began = Instant::now();
        let mut rest = Some(rest);
        loop {
            if let Poll::Ready(next) = queue.poll_recv(&mut context) {
                return next;
            }
            let left = self.after.saturating_sub(began.elapsed());
            if rest.is_none() {
                thread::park();
            } else if !left.is_zero() {
                thread::park_timeout(left);
            } else if let Some(rest) = rest.take() {
                rest();
            }
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use bugle_model::IntegrationId;
    use bugle_store::{Store, conformance::sample};

    use crate::{Options, SqliteStore};

    use super::*;

    /// How many threads rest: those that read and write, and the journal's.
    const THREADS: usize = 3 + 1 + 1;

    #[tokio::test]
    async fn each_thread_rests_once_whenever_nothing_comes() {
        let folder = tempfile::tempdir().unwrap();
        let (rested, rests) = mpsc::channel();
        let then = Arc::new(move || {
            rested.send(thread::current().id()).ok();
        });
        let rest = Rest { after: Duration::from_millis(50), then };
        let store = SqliteStore::open(folder.path(), Options { rest, ..Options::default() }).unwrap();
        let mut seen = Vec::new();
        for _ in 0..THREADS {
            let thread = rests.recv_timeout(Duration::from_secs(20)).unwrap();
            assert!(!seen.contains(&thread), "a thread that has rested waits on");
            seen.push(thread);
        }
        let receipt = sample::receipt(1, IntegrationId::from_i64(5));
        store.append(receipt.clone()).await.unwrap();
        assert_eq!(store.pending_ids(10).await.unwrap(), [receipt.id], "and it works as before");
        let again = rests.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(seen.contains(&again), "it rests again after that");
        drop(store);
    }

    #[tokio::test]
    async fn who_is_asked_now_and_then_rests_too() {
        let folder = tempfile::tempdir().unwrap();
        let (rested, rests) = mpsc::channel();
        let then = Arc::new(move || rested.send(thread::current().id()).unwrap_or_default());
        let rest = Rest { after: Duration::from_millis(200), then };
        let store = SqliteStore::open(folder.path(), Options { rest, ..Options::default() }).unwrap();
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            store.pending_ids(10).await.unwrap();
        }
        let times = rests.try_iter().collect::<Vec<_>>();
        let is_again = |thread| times.iter().filter(|rested| *rested == thread).count() > 1;
        assert!(times.iter().any(is_again), "{times:?}");
    }
}
