//! How many receipts a second the store keeps, beside the least that any group commit into SQLite does: one insert of
//! the same bytes into one table, in transactions of whatever waits.
//!
//! `cargo run --release -p bugle-store-sqlite --example append_rate [seconds] [folder]`
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a measurement, run by hand, that prints and stops at the first problem"
)]

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bugle_model::IntegrationId;
use bugle_store::{Store, conformance::sample};
use bugle_store_sqlite::{Options, SqliteStore};
use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(5);
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    for tasks in [1, 64] {
        for round in 1..=2 {
            let time = Duration::from_secs(seconds);
            let bare = runtime.block_on(measure_bare(&parent, tasks, time));
            let store = runtime.block_on(measure_store(&parent, tasks, time));
            println!(
                "{tasks:>2} tasks, round {round}: bare {:>6}/s p50 {:>5} us p99 {:>5} us | store {:>6}/s p50 {:>5} us p99 {:>5} us | ratio {:.2}",
                bare.rate,
                bare.p50_us,
                bare.p99_us,
                store.rate,
                store.p50_us,
                store.p99_us,
                f64::from(store.rate) / f64::from(bare.rate.max(1))
            );
        }
    }
}

struct Measured {
    rate: u32,
    p50_us: u128,
    p99_us: u128,
}

/// Runs `append` from `tasks` tasks, one after the other in each, for `time`.
async fn measure<F>(
    tasks: usize,
    time: Duration,
    append: impl Fn(i64) -> F + Clone + Send + 'static,
) -> Measured
where
    F: Future<Output = ()> + Send,
{
    let next = Arc::new(AtomicI64::new(1));
    let began = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let (next, append) = (Arc::clone(&next), append.clone());
            tokio::spawn(async move {
                let mut took_us = Vec::new();
                while began.elapsed() < time {
                    let one = Instant::now();
                    append(next.fetch_add(1, Ordering::Relaxed)).await;
                    took_us.push(one.elapsed().as_micros());
                }
                took_us
            })
        })
        .collect();
    let mut took_us = Vec::new();
    for task in running {
        took_us.extend(task.await.unwrap());
    }
    let elapsed_ms = began.elapsed().as_millis();
    took_us.sort_unstable();
    let at = |share: usize| took_us.get(took_us.len() * share / 100).copied().unwrap_or_default();
    let rate = u128::try_from(took_us.len()).unwrap() * 1000 / elapsed_ms;
    Measured { rate: u32::try_from(rate).unwrap(), p50_us: at(50), p99_us: at(99) }
}

async fn measure_store(parent: &Path, tasks: usize, time: Duration) -> Measured {
    let folder = tempfile::tempdir_in(parent).unwrap();
    let store = Arc::new(SqliteStore::open(folder.path(), Options::default()).unwrap());
    let append = move |id: i64| {
        let store = Arc::clone(&store);
        async move {
            let receipt = sample::receipt(id, IntegrationId::from_i64(5));
            store.append(receipt).await.unwrap();
        }
    };
    measure(tasks, time, append).await
}

async fn measure_bare(parent: &Path, tasks: usize, time: Duration) -> Measured {
    let folder = tempfile::tempdir_in(parent).unwrap();
    let connection = Connection::open(folder.path().join("bare.db")).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.pragma_update(None, "synchronous", "FULL").unwrap();
    connection.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB NOT NULL)").unwrap();
    let (sender, mut queue) = mpsc::channel::<(i64, Vec<u8>, oneshot::Sender<()>)>(1_024);
    let writer = thread::spawn(move || {
        let mut replies = Vec::new();
        while let Some(first) = queue.blocking_recv() {
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            let mut next = Some(first);
            while let Some((id, body, reply)) = next.take() {
                connection
                    .prepare_cached("INSERT INTO t VALUES (?1, ?2)")
                    .unwrap()
                    .execute(params![id, body])
                    .unwrap();
                replies.push(reply);
                if replies.len() < 512 {
                    next = queue.try_recv().ok();
                }
            }
            connection.execute_batch("COMMIT").unwrap();
            replies.drain(..).for_each(|reply| reply.send(()).unwrap());
        }
    });
    let append = move |id: i64| {
        let sender = sender.clone();
        async move {
            let (reply, answer) = oneshot::channel();
            let body = sample::receipt(id, IntegrationId::from_i64(5)).body;
            sender.send((id, body, reply)).await.unwrap();
            answer.await.unwrap();
        }
    };
    let measured = measure(tasks, time, append).await;
    writer.join().unwrap();
    measured
}
