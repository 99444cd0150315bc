//! What becomes of the others when one operation of a transaction fails.

use std::path::Path;

use tokio::sync::oneshot::Receiver as Answer;

use super::*;
use crate::{checkpoint::Checkpointer, connection::open_writer};

type Work = Box<dyn FnOnce(&Connection) -> Result<i64, Abort> + Send>;

fn open(folder: &Path) -> Connection {
    let connection = open_writer(folder).unwrap();
    connection.execute_batch("CREATE TABLE t (x INTEGER PRIMARY KEY) STRICT").unwrap();
    connection
}

fn insert(x: i64) -> Work {
    Box::new(move |connection| {
        connection.execute("INSERT INTO t VALUES (?1)", [x])?;
        Ok(x)
    })
}

/// Writes, and then fails in a way that is not a constraint's.
fn break_half_way(x: i64) -> Work {
    Box::new(move |connection| {
        connection.execute("INSERT INTO t VALUES (?1)", [x])?;
        Err(Abort::Database(rusqlite::Error::QueryReturnedNoRows))
    })
}

fn panic_half_way(x: i64) -> Work {
    Box::new(move |connection| {
        connection.execute("INSERT INTO t VALUES (?1)", [x])?;
        panic!("a test's panic");
    })
}

fn conflict_half_way(x: i64) -> Work {
    Box::new(move |connection| {
        connection.execute("INSERT INTO t VALUES (?1)", [x])?;
        Err(Abort::Conflict)
    })
}

fn job(shield: Shield, work: Work) -> (Box<dyn Operation>, Answer<Result<i64, WriteError>>) {
    let (reply, answer) = oneshot::channel();
    (Box::new(Job { doing: "test", shield, work: Some(work), outcome: None, on_commit: None, reply }), answer)
}

/// Runs everything in one transaction; returns who was told of success, and what is stored.
fn check(works: Vec<(Shield, Work)>, expected: &[bool], stored: &[i64]) {
    let folder = tempfile::tempdir().unwrap();
    let connection = open(folder.path());
    let (sender, mut queue) = mpsc::channel(16);
    let mut answers = Vec::new();
    for (shield, work) in works {
        let (operation, answer) = job(shield, work);
        sender.try_send(operation).unwrap();
        answers.push(answer);
    }
    let mut batch = Vec::new();
    while let Ok(first) = queue.try_recv() {
        let committed = write_batch(&connection, first, &mut queue, &mut batch).map_err(Arc::new);
        batch.drain(..).for_each(|operation| operation.answer(committed.clone()));
        assert!(connection.is_autocommit());
    }
    let told: Vec<bool> = answers.iter_mut().map(|answer| answer.try_recv().unwrap().is_ok()).collect();
    assert_eq!(told, expected);
    let mut rows = connection.prepare("SELECT x FROM t ORDER BY x").unwrap();
    let found: Vec<i64> = rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(found, stored);
}

#[test]
fn a_shielded_operation_is_undone_alone() {
    for half_way in [break_half_way, panic_half_way, conflict_half_way] {
        check(
            vec![(Shield::None, insert(1)), (Shield::Savepoint, half_way(2)), (Shield::Savepoint, insert(3))],
            &[true, false, true],
            &[1, 3],
        );
        // The first of a transaction has no savepoint.
        check(
            vec![
                (Shield::Savepoint, half_way(1)),
                (Shield::Savepoint, half_way(2)),
                (Shield::None, insert(3)),
            ],
            &[false, false, true],
            &[3],
        );
    }
}

#[test]
fn a_taken_key_fails_one_insert_and_no_other() {
    check(
        vec![(Shield::None, insert(1)), (Shield::None, insert(1)), (Shield::None, insert(2))],
        &[true, false, true],
        &[1, 2],
    );
}

#[test]
fn what_cannot_be_undone_alone_takes_its_transaction_with_it_and_later_ones_go_on() {
    for half_way in [break_half_way, panic_half_way] {
        check(
            vec![(Shield::None, insert(1)), (Shield::None, half_way(2)), (Shield::None, insert(3))],
            &[false, false, true],
            &[3],
        );
    }
}

#[test]
fn a_commit_that_fails_is_told_to_everybody_and_the_next_one_works() {
    let folder = tempfile::tempdir().unwrap();
    let connection = open(folder.path());
    connection.execute_batch("PRAGMA max_page_count = 4").unwrap();
    let big: Work = Box::new(|connection| {
        connection.execute_batch("CREATE TABLE big (x); INSERT INTO big VALUES (zeroblob(1000000))")?;
        Ok(0)
    });
    let (sender, mut queue) = mpsc::channel(16);
    let (first, mut told) = job(Shield::None, insert(1));
    let (second, mut told_second) = job(Shield::Savepoint, big);
    sender.try_send(second).unwrap();
    let mut batch = Vec::new();
    let committed = write_batch(&connection, first, &mut queue, &mut batch).map_err(Arc::new);
    batch.drain(..).for_each(|operation| operation.answer(committed.clone()));
    assert!(told_second.try_recv().unwrap().is_err(), "a full database refuses the big one");
    let kept = told.try_recv().unwrap().is_ok();
    let stored: i64 = connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(stored == 1, kept, "who was told of success is stored, and nobody else");
    let (third, mut told) = job(Shield::None, insert(7));
    let committed = write_batch(&connection, third, &mut queue, &mut batch).map_err(Arc::new);
    batch.drain(..).for_each(|operation| operation.answer(committed.clone()));
    assert!(told.try_recv().unwrap().is_ok());
}

#[tokio::test]
async fn what_was_asked_for_is_done_before_the_thread_ends() {
    let folder = tempfile::tempdir().unwrap();
    let connection = open(folder.path());
    let (checkpointer, signals) = Checkpointer::start(folder.path(), Resting::default()).unwrap();
    let writer = Writer::start(folder.path(), connection, signals, Resting::default()).unwrap();
    let told = writer.write("test", Shield::None, insert(1)).await.unwrap();
    let (operation, answer) = job(Shield::None, insert(2));
    writer.queue.as_ref().unwrap().send(operation).await.unwrap();
    drop(writer);
    drop(checkpointer);
    assert_eq!((told, answer.await.unwrap().unwrap()), (1, 2));
}
