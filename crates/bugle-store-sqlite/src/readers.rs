//! A few threads, each with a connection that only reads. They see the last commit and never make the writer wait.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use bugle_store::StoreError;
use rusqlite::Connection;
use tokio::sync::{
    mpsc::{self, Receiver, Sender},
    oneshot,
};

use crate::{
    OpenError,
    connection::{Role, open_other},
};

/// Reads that may wait for a thread before callers wait for a place.
const QUEUE: usize = 256;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The threads and the way to them.
#[derive(Debug)]
pub(crate) struct Readers {
    queue: Option<Sender<Read>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(crate) fn start(folder: &Path, count: usize) -> Result<Self, OpenError> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let receiver = Arc::new(Mutex::new(receiver));
        let mut threads = Vec::with_capacity(count);
        for _ in 0..count.max(1) {
            let connection = open_other(folder, Role::Reader)?;
            let receiver = Arc::clone(&receiver);
            let thread = thread::Builder::new()
                .name("bugle-read".to_owned())
                .spawn(move || run(&connection, &receiver))
                .map_err(|source: io::Error| OpenError::Folder { folder: folder.to_owned(), source })?;
            threads.push(thread);
        }
        Ok(Self { queue: Some(sender), threads })
    }

    /// Runs `read` on one of the threads. `doing` completes "could not ...".
    pub(crate) async fn read<T, F>(&self, doing: &'static str, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Read = Box::new(move |connection| drop(reply.send(read(connection))));
        let queue = self.queue.as_ref().ok_or_else(|| StoreError::new(doing, "the store is closing"))?;
        queue.send(job).await.map_err(|_| StoreError::new(doing, "the store is closing"))?;
        match answer.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(StoreError::new(doing, error)),
            Err(_) => Err(StoreError::new(doing, "the read broke off, which is a defect of Bugle")),
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

fn run(connection: &Connection, queue: &Mutex<Receiver<Read>>) {
    loop {
        // One thread waits in the channel, the others for the lock.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(read) = next else { return };
        if catch_unwind(AssertUnwindSafe(|| read(connection))).is_err() {
            tracing::error!("a read of the store panicked");
        }
    }
}
