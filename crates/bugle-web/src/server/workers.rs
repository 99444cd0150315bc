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

/// Most workers, however many cores there are: a call takes a worker over four times as long as the journal, of which there is one.
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

impl Worker {
    /// Whether this one should hand over what it accepts: it has more connections, by over an eighth. Who accepts is left to
    /// chance, and one may take all that come together.
    pub(super) fn has_many_more_than(&self, other: &Self) -> bool {
        let fewer = other.connections.len();
        self.connections.len() > fewer + fewer / 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_many_more_hands_over() {
        let workers = Workers::start(2).unwrap();
        let [one, other] = workers.all() else { panic!("two workers") };
        for (count, of_other, expected) in
            [(0, 0, false), (1, 0, true), (36, 32, false), (37, 32, true), (1, 40, false)]
        {
            let tokens: Vec<_> = (0..count).map(|_| one.connections.token()).collect();
            let others: Vec<_> = (0..of_other).map(|_| other.connections.token()).collect();
            assert_eq!(one.has_many_more_than(other), expected, "{count} and {of_other}");
            assert!(!one.has_many_more_than(one));
            drop((tokens, others));
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
