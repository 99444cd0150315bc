//! What a thread of the store does when nothing comes: it gives back the memory that it keeps, and waits on. It does so once, and
//! again when the writer does.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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

/// The threads that rest, of those that have one [`Rest`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Resting {
    rest: Rest,
    threads: Arc<Mutex<Vec<Thread>>>,
}

impl From<Rest> for Resting {
    fn from(rest: Rest) -> Self {
        Self { rest, threads: Arc::default() }
    }
}

impl Resting {
    /// How long nothing comes before a thread rests.
    pub(crate) fn after(&self) -> Duration {
        self.rest.after
    }

    /// A wait shorter than this does not count: there is work.
    pub(crate) fn lull(&self) -> Duration {
        self.rest.after / 50
    }

    fn threads(&self) -> MutexGuard<'_, Vec<Thread>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This thread rests, until it has something to do or is called to rest again. A connection's pages and statements are
    /// let go of too.
    pub(crate) fn begin(&self, connection: &Connection) {
        self.threads().push(thread::current());
        connection.flush_prepared_statement_cache();
        if let Err(error) = connection.release_memory() {
            tracing::debug!(%error, "SQLite keeps its memory");
        }
        (self.rest.then)();
    }

    /// The same for who has the last word of all that is done. The others that rest already do so again: some of what they made
    /// has been let go of only since.
    pub(crate) fn begin_last(&self, connection: &Connection) {
        let others = mem::take(&mut *self.threads());
        self.begin(connection);
        others.iter().for_each(Thread::unpark);
    }

    /// Whether this thread has not been called since it began to rest.
    pub(crate) fn goes_on(&self) -> bool {
        let me = thread::current().id();
        self.threads().iter().any(|thread| thread.id() == me)
    }

    /// This thread has something to do.
    pub(crate) fn end(&self) {
        let me = thread::current().id();
        self.threads().retain(|thread| thread.id() != me);
    }

    /// Waits for the next of a queue, and does `rest` if that takes long.
    pub(crate) fn next<T>(&self, queue: &mut Receiver<T>, rest: impl Fn()) -> Option<T> {
        let waker = Arc::new(Unpark(thread::current())).into();
        let mut context = Context::from_waker(&waker);
        let began = Instant::now();
        let mut has_rested = false;
        loop {
            if let Poll::Ready(next) = queue.poll_recv(&mut context) {
                if has_rested {
                    self.end();
                }
                return next;
            }
            let left = self.rest.after.saturating_sub(began.elapsed());
            if has_rested && self.goes_on() {
                thread::park();
            } else if !left.is_zero() {
                thread::park_timeout(left);
            } else {
                rest();
                has_rested = true;
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
    use std::{collections::HashSet, path::Path, sync::mpsc};

    use bugle_model::IntegrationId;
    use bugle_store::{Store, conformance::sample};

    use crate::{Options, SqliteStore, writer::Shield};

    use super::*;

    /// Those that read and write, the journal's, and the one that copies the log.
    const THREADS: usize = 3 + 1 + 1 + 1;

    /// A store whose threads rest after 50 ms, and who rested.
    fn store(folder: &Path) -> (SqliteStore, mpsc::Receiver<Thread>) {
        let (rested, rests) = mpsc::channel();
        let then = Arc::new(move || rested.send(thread::current()).unwrap_or_default());
        let rest = Rest { after: Duration::from_millis(50), then };
        (SqliteStore::open(folder, Options { rest, ..Options::default() }).unwrap(), rests)
    }

    /// Who rests from now on until each thread has, and none for a while.
    fn all(rests: &mpsc::Receiver<Thread>) -> Vec<Thread> {
        let (mut rested, mut ids) = (Vec::new(), HashSet::new());
        while rested.len() < 2 * THREADS {
            let patience =
                if ids.len() < THREADS { Duration::from_secs(20) } else { Duration::from_millis(300) };
            let Ok(thread) = rests.recv_timeout(patience) else { break };
            ids.insert(thread.id());
            rested.push(thread);
        }
        assert_eq!(ids.len(), THREADS, "{rested:?}");
        rested
    }

    #[tokio::test]
    async fn each_thread_rests_whenever_nothing_comes() {
        let folder = tempfile::tempdir().unwrap();
        let (store, rests) = store(folder.path());
        assert!(all(&rests).len() < 2 * THREADS, "a thread that has rested waits on, or until it is called");
        let receipt = sample::receipt(1, IntegrationId::from_i64(5));
        store.append(receipt.clone()).await.unwrap();
        assert_eq!(store.pending_ids(10).await.unwrap(), [receipt.id], "and it works as before");
        rests.recv_timeout(Duration::from_secs(20)).expect("and who worked rests again");
    }

    #[tokio::test]
    async fn who_rested_before_the_writer_does_so_again_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let (store, rests) = store(folder.path());
        all(&rests);
        store.writer.write("test", Shield::None, |_| Ok(())).await.unwrap();
        let rested = all(&rests);
        let names = rested.iter().map(|thread| thread.name().unwrap()).collect::<Vec<_>>();
        let writer = names.iter().position(|name| *name == "bugle-write").unwrap();
        let mut after = names[writer + 1..].to_vec();
        after.sort_unstable();
        // The one that copies the log has had something to do, and rests then or a moment before.
        after.retain(|name| *name != "bugle-checkpoint");
        assert_eq!(after, ["bugle-journal", "bugle-read", "bugle-read", "bugle-read"], "{names:?}");
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
