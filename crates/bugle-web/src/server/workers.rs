//! Threads that serve connections, each with a runtime of its own.
//!
//! A connection stays with one worker. What its calls need stays in the caches of one core, what they took of memory is given
//! back by the thread that took it, and nobody is woken to look for work that is being done already.

use std::{
    fmt, io,
    thread::{self, JoinHandle},
};

use tokio::runtime::{Builder, Handle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Most workers, however many cores there are: with as many the journal, of which there is one, is busy long before they are.
const WORKERS_MAX: usize = 16;

/// The threads. They end with this.
pub struct Workers {
    all: Vec<Worker>,
    stop: CancellationToken,
    threads: Vec<JoinHandle<()>>,
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    pub(super) runtime: Handle,
    pub(super) connections: TaskTracker,
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("count", &self.all.len()).finish_non_exhaustive()
    }
}

impl Workers {
    /// Starts one for each core, but not more than 16.
    pub fn for_this_machine() -> io::Result<Self> {
        Self::start(thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX))
    }

    /// Starts so many, and one at least.
    pub fn start(count: usize) -> io::Result<Self> {
        let mut started = Self { all: Vec::new(), stop: CancellationToken::new(), threads: Vec::new() };
        for _ in 0..count.max(1) {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            started.all.push(Worker { runtime: runtime.handle().clone(), connections: TaskTracker::new() });
            let stop = started.stop.clone();
            let thread = thread::Builder::new().name("bugle-serve".to_owned()).spawn(move || {
                runtime.block_on(stop.cancelled());
                runtime.shutdown_background();
            })?;
            started.threads.push(thread);
        }
        Ok(started)
    }

    /// Their runtimes.
    pub fn runtimes(&self) -> impl Iterator<Item = &Handle> {
        self.all.iter().map(|worker| &worker.runtime)
    }

    pub(super) fn all(&self) -> &[Worker] {
        &self.all
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.cancel();
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

/// Which worker serves a connection that the one at `own` accepted: itself, unless it has more than the one with the fewest, by
/// over an eighth. Who accepts is left to chance, and one may take all that come together.
pub(super) fn place(own: usize, connections: &[usize]) -> usize {
    let fewest = connections.iter().enumerate().min_by_key(|(_, count)| **count);
    let (Some((place, fewest)), Some(count)) = (fewest, connections.get(own)) else { return own };
    if *count > fewest + fewest / 8 { place } else { own }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_many_more_hands_over() {
        for (connections, expected) in [
            (&[0, 0][..], 0),
            (&[1, 0], 1),
            (&[2, 1, 0], 2),
            (&[36, 32], 0),
            (&[37, 32], 1),
            (&[1, 900], 0),
            (&[9], 0),
            (&[], 0),
        ] {
            assert_eq!(place(0, connections), expected, "{connections:?}");
        }
    }

    #[test]
    fn each_has_a_thread_that_ends_with_them() {
        let workers = Workers::start(2).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        for runtime in workers.runtimes() {
            let sender = sender.clone();
            drop(runtime.spawn(async move {
                sender.send(thread::current().id()).unwrap();
                std::future::pending::<()>().await;
            }));
        }
        drop(sender);
        assert_ne!(receiver.recv().unwrap(), receiver.recv().unwrap());
        drop(workers);
        receiver.recv().unwrap_err();
    }
}
