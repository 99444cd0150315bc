//! A few threads, each with a connection that only reads. They see the last commit and never make the writer wait.
//!
//! Of those that have nothing to do, the one that worked last goes first: it has the pages and statements at hand, and the
//! others can rest.

use std::{
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle, Thread},
    time::{Duration, Instant},
};

use bugle_store::StoreError;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{
    OpenError,
    connection::{Moment, Role, open_other},
    rest::Resting,
};

/// Reads that may wait for a thread before callers wait for a place.
const QUEUE: usize = 256;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The reads that wait for a thread, and the threads that wait for a read.
#[derive(Default)]
struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    /// With their places.
    reads: VecDeque<(Read, OwnedSemaphorePermit)>,
    /// Those that rested, then the others; the one that worked last is last.
    threads: Vec<Thread>,
    is_closed: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, read: Read, place: OwnedSemaphorePermit) {
        let mut waiting = self.lock();
        waiting.reads.push_back((read, place));
        if let Some(thread) = waiting.threads.pop() {
            thread.unpark();
        }
    }

    fn close(&self) {
        let mut waiting = self.lock();
        waiting.is_closed = true;
        waiting.threads.drain(..).for_each(|thread| thread.unpark());
    }

    /// Waits for the next, and rests when that took long, or the last few waits together: the hub itself looks at its store
    /// every few seconds. `idle` is how long they took since the last rest.
    fn next(&self, rest: &Resting, idle: &mut Duration, connection: &Connection) -> Option<Read> {
        let (me, mut has_rested) = (thread::current(), false);
        let mut waiting = self.lock();
        loop {
            let next = waiting.reads.pop_front();
            if next.is_some() || waiting.is_closed {
                if has_rested {
                    rest.end();
                }
                return next.map(|(read, _place)| read);
            }
            let is_due = if has_rested { !rest.goes_on() } else { *idle >= rest.after() };
            if is_due {
                drop(waiting);
                rest.begin(connection);
                (*idle, has_rested) = (Duration::ZERO, true);
                waiting = self.lock();
                continue;
            }
            let place = if has_rested { 0 } else { waiting.threads.len() };
            waiting.threads.insert(place, me.clone());
            drop(waiting);
            if has_rested {
                thread::park();
            } else {
                let (began, left) = (Instant::now(), rest.after().saturating_sub(*idle));
                thread::park_timeout(left);
                let waited = began.elapsed();
                if waited >= rest.lull().min(left) {
                    *idle += waited;
                }
            }
            waiting = self.lock();
            // Nobody may have called it.
            waiting.threads.retain(|thread| thread.id() != me.id());
        }
    }
}

/// The threads and the way to them.
#[derive(Debug)]
pub(crate) struct Readers {
    queue: Arc<Queue>,
    places: Arc<Semaphore>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(crate) fn start(folder: &Path, count: usize, rest: &Resting) -> Result<Self, OpenError> {
        let (queue, places) = (Arc::<Queue>::default(), Arc::new(Semaphore::new(QUEUE)));
        let mut readers = Self { queue, places, threads: Vec::with_capacity(count) };
        for _ in 0..count.max(1) {
            let connection = open_other(folder, Role::Reader)?;
            let (queue, rest) = (Arc::clone(&readers.queue), rest.clone());
            let thread = thread::Builder::new()
                .name("bugle-read".to_owned())
                .spawn(move || run(&connection, &queue, &rest))
                .map_err(|source: io::Error| OpenError::Folder { folder: folder.to_owned(), source })?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Runs `read` on one of the threads. All its statements see the store as it was when the first of them began. `doing`
    /// completes "could not ...".
    pub(crate) async fn read<T, F>(&self, doing: &'static str, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Read = Box::new(move |connection| {
            let outcome = Moment::of(connection).and_then(|_moment| read(connection));
            drop(reply.send(outcome));
        });
        let place = Arc::clone(&self.places).acquire_owned().await;
        self.queue.push(job, place.map_err(|error| StoreError::new(doing, error))?);
        match answer.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(StoreError::new(doing, error)),
            Err(_) => Err(StoreError::new(doing, "the read broke off, which is a defect of Bugle")),
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

fn run(connection: &Connection, queue: &Queue, rest: &Resting) {
    let mut idle = Duration::ZERO;
    while let Some(read) = queue.next(rest, &mut idle, connection) {
        if catch_unwind(AssertUnwindSafe(|| read(connection))).is_err() {
            tracing::error!("a read of the store panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, sync::mpsc};

    use crate::{Rest, connection::open_writer};

    use super::*;

    fn pings(connection: &Connection) -> rusqlite::Result<i64> {
        connection.query_row("SELECT pings FROM instance", [], |row| row.get(0))
    }

    #[tokio::test]
    async fn a_read_sees_one_moment_and_the_next_a_later_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = open_writer(folder.path()).unwrap();
        crate::migrate::migrate(&mut writer).unwrap();
        let readers = Readers::start(folder.path(), 1, &Resting::default()).unwrap();
        let read_while_written = readers.read("read twice", move |connection| {
            let before = pings(connection)?;
            writer.execute("UPDATE instance SET pings = pings + 1", [])?;
            Ok((before, pings(connection)?))
        });
        assert_eq!(read_while_written.await.unwrap(), (0, 0));
        assert_eq!(readers.read("read again", pings).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn who_worked_last_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        crate::migrate::migrate(&mut open_writer(folder.path()).unwrap()).unwrap();
        let readers = Readers::start(folder.path(), 3, &Resting::default()).unwrap();
        let mut reads = HashMap::new();
        for _ in 0..20 {
            let thread = readers.read("read", |_| Ok(thread::current().id())).await.unwrap();
            *reads.entry(thread).or_insert(0) += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(reads.values().any(|reads| *reads > 14), "{reads:?}");
    }

    #[test]
    fn the_end_of_a_lull_is_rested_on_however_short_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open_writer(folder.path()).unwrap();
        let (rested, rests) = mpsc::channel();
        let then = Arc::new(move || rested.send(()).unwrap_or_default());
        let rest = Resting::from(Rest { after: Duration::from_secs(1), then });
        let mut idle = rest.after().checked_sub(rest.lull() / 4).unwrap();
        let queue = Queue::default();
        thread::scope(|scope| {
            let next = scope.spawn(|| {
                let connection = connection;
                queue.next(&rest, &mut idle, &connection)
            });
            let outcome = rests.recv_timeout(Duration::from_secs(20));
            queue.close();
            assert!(outcome.is_ok() && next.join().unwrap().is_none(), "{outcome:?}");
        });
    }

    #[tokio::test]
    async fn a_read_that_breaks_off_costs_no_other() {
        let folder = tempfile::tempdir().unwrap();
        crate::migrate::migrate(&mut open_writer(folder.path()).unwrap()).unwrap();
        let readers = Readers::start(folder.path(), 1, &Resting::default()).unwrap();
        let broken = readers.read("break off", |connection| -> rusqlite::Result<()> {
            pings(connection)?;
            panic!("a defect")
        });
        assert!(broken.await.unwrap_err().to_string().contains("break off"));
        assert_eq!(readers.read("read", pings).await.unwrap(), 0);
    }
}
