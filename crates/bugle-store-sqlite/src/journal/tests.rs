//! Calls whose sender gives them an id, at each moment at which another with the same id may come.

use std::{sync::mpsc, time::Duration};

use bugle_model::{IntegrationId, ReceiptId, id::Id};
use bugle_store::{Store, conformance::sample};
use tokio::{task::JoinSet, time::timeout};

use super::*;
use crate::{
    Options, SqliteStore,
    receipts::append_at_once,
    writer::{Shield, job},
};

const OF: IntegrationId = IntegrationId::from_i64(5);

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder, Options::default()).unwrap()
}

/// Receipts with an id of the sender's own, the same for all.
fn named(id: i64) -> Receipt {
    Receipt { senders_id: Some([7; 16]), ..sample::receipt(id, OF) }
}

/// One that the journal does not take.
fn large(id: i64) -> Receipt {
    Receipt { body: vec![7; 100_000], ..named(id) }
}

/// One of which some hundred find room.
fn sizable(id: i64) -> Receipt {
    Receipt { body: vec![b'x'; 45_000], ..sample::receipt(id, OF) }
}

/// What the journal says to it, which must be that the database decides.
async fn for_database(store: &SqliteStore, receipt: &Receipt) -> Option<Held> {
    match store.journal.append("test", receipt).await.unwrap() {
        Outcome::ForDatabase(held) => held,
        Outcome::Kept(_) => panic!("{:?} is not for the journal", receipt.id),
    }
}

/// What the database decides.
async fn decided(store: &SqliteStore, receipt: Receipt, held: Option<Held>) -> Option<i64> {
    let appended = append_at_once(store.journal.recent(), &store.writer, receipt, held).await.unwrap();
    appended.duplicate_of.map(ReceiptId::as_i64)
}

async fn append(store: &SqliteStore, receipt: Receipt) -> Option<i64> {
    store.append(receipt).await.unwrap().duplicate_of.map(ReceiptId::as_i64)
}

async fn pending(store: &SqliteStore) -> Vec<i64> {
    store.pending_ids(1_000).await.unwrap().into_iter().map(Id::as_i64).collect()
}

/// What a crash at this moment would leave: one is pending, and others are its repeats.
async fn after_a_crash(folder: &Path, original: i64) {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let store = open(copy.path());
    assert_eq!(pending(&store).await, [original]);
    assert!(append(&store, named(90)).await.is_some());
    assert_eq!(pending(&store).await, [original]);
}

fn keeper(store: &SqliteStore, folder: &Path, ring: impl FnOnce(Ring) -> Ring) -> Keeper {
    Keeper {
        ring: ring(Ring::open(folder, 0, [0; 8]).unwrap().0),
        fresh: Arc::clone(&store.fresh),
        recent: Arc::default(),
        underway: Arc::default(),
        database: open_other(folder, Role::Reader).unwrap(),
        post: store.writer.post(),
        rest: Resting::default(),
    }
}

/// What is said to receipts that come in one batch.
fn kept(keeper: &mut Keeper, receipts: &[Receipt]) -> Vec<Outcome> {
    let (mut batch, mut answers) = (Vec::new(), Vec::new());
    for receipt in receipts {
        let (reply, answer) = oneshot::channel();
        answers.push(answer);
        batch.push(Entry {
            body: keeper.recent.body_of(receipt),
            senders_id: SendersId::of(receipt),
            held: None,
            record: is_usual(receipt).then(|| Record::new(Kept::new(receipt).unwrap())),
            reply,
        });
    }
    keeper.keep(&mut batch);
    answers.iter_mut().map(|answer| answer.try_recv().unwrap()).collect()
}

/// Of those in one flush the first is original. The others hear of it when it is durable, and not before.
#[tokio::test]
async fn of_those_that_come_together_one_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut keeper = keeper(&store, folder.path(), |ring| ring);
    let said = kept(&mut keeper, &[named(1), named(2), large(3)]);
    assert!(matches!(said[0], Outcome::Kept(Appended { duplicate_of: None })));
    after_a_crash(folder.path(), 1).await;
    for (said, receipt) in said.into_iter().zip([named(1), named(2), large(3)]).skip(1) {
        let Outcome::ForDatabase(held) = said else { panic!("{:?} is a repeat", receipt.id) };
        assert_eq!(decided(&store, receipt, held).await, Some(1));
        after_a_crash(folder.path(), 1).await;
    }
    assert_eq!(pending(&store).await, [1]);
}

/// A large one before the others is for the database, and so are they, in whatever order they come there.
#[tokio::test]
async fn what_the_journal_does_not_keep_the_database_tells_apart() {
    for order in [[0, 1, 2], [2, 1, 0]] {
        for is_broken in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let store = open(folder.path());
            let break_it = |ring: Ring| if is_broken { ring.on_a_broken_disk(folder.path()) } else { ring };
            let mut keeper = keeper(&store, folder.path(), break_it);
            let all = if is_broken { [named(1), named(2), named(3)] } else { [large(1), named(2), named(3)] };
            let mut said: Vec<_> = kept(&mut keeper, &all).into_iter().map(Some).collect();
            let mut original = None;
            for index in order {
                let Some(Outcome::ForDatabase(held)) = said[index].take() else {
                    panic!("{:?}", all[index].id)
                };
                let repeats = decided(&store, all[index].clone(), held).await;
                assert_eq!(repeats.is_some(), original.is_some());
                original = original.or(Some(all[index].id.as_i64()));
            }
            assert_eq!(pending(&store).await, original.into_iter().collect::<Vec<_>>());
        }
    }
}

/// Has the writer stop amid a transaction: it says when it has come there, and goes on when told to.
fn stop(store: &SqliteStore) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
    let ((reached, is_there), (go_on, may_go_on)) = (mpsc::channel(), mpsc::channel());
    let wait = move |_: &Connection| {
        reached.send(()).unwrap();
        may_go_on.recv().unwrap();
        Ok(())
    };
    store.writer.post().soon(job("test", Shield::None, wait, |()| ()));
    (is_there, go_on)
}

/// On its way into the database, written and not committed, whether its caller still waits or not.
#[tokio::test]
async fn what_waits_for_the_database_is_held_until_it_is_there() {
    for gives_up in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let (is_stopped, before) = stop(&store);
        is_stopped.recv().unwrap();
        let held = for_database(&store, &large(1)).await;
        let mut first = Box::pin(decided(&store, large(1), held));
        tokio::select! {
            biased;
            _ = &mut first => panic!("the writer waits"),
            () = std::future::ready(()) => {}
        }
        let first = if gives_up { None } else { Some(first) };
        let mut repeats = vec![(named(2), for_database(&store, &named(2)).await)];
        let (is_written, after) = stop(&store);
        before.send(()).unwrap();
        is_written.recv().unwrap();
        repeats.push((named(3), for_database(&store, &named(3)).await));
        after.send(()).unwrap();
        if let Some(first) = first {
            assert_eq!(first.await, None);
        }
        for (receipt, held) in repeats {
            assert_eq!(decided(&store, receipt, held).await, Some(1));
        }
        assert_eq!(pending(&store).await, [1]);
    }
}

/// Fresh, being taken in, there but not told of yet, and known to the database only.
#[tokio::test]
async fn a_repeat_is_told_wherever_the_original_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert_eq!(append(&store, named(1)).await, None);
    after_a_crash(folder.path(), 1).await;
    let mut repeats = vec![(named(2), for_database(&store, &named(2)).await)];
    let (reached, moment) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let stop = Arc::new(std::sync::Mutex::new((reached, may_go_on)));
    let wait = move || {
        let stop = stop.lock().unwrap();
        stop.0.send(()).unwrap();
        stop.1.recv().unwrap();
    };
    let (taken_in, committed, fresh) = (wait.clone(), wait, Arc::clone(&store.fresh));
    let work = store.fresh.work();
    store.writer.post().soon(job(
        "test",
        Shield::Savepoint,
        move |connection| work(connection).inspect(|_| taken_in()),
        move |filed| {
            committed();
            fresh.filed(filed);
        },
    ));
    for id in [3, 4] {
        moment.recv().unwrap();
        repeats.push((named(id), for_database(&store, &named(id)).await));
        after_a_crash(folder.path(), 1).await;
        go_on.send(()).unwrap();
    }
    for (receipt, held) in repeats {
        assert_eq!(decided(&store, receipt, held).await, Some(1));
    }
    let held = for_database(&store, &named(5)).await;
    assert_eq!(held.as_ref().and_then(Held::fresh), None, "only the database has it");
    assert_eq!(decided(&store, named(5), held).await, Some(1));
    assert_eq!(append(&store, named(6)).await, Some(1));
    after_a_crash(folder.path(), 1).await;
    assert_eq!(pending(&store).await, [1]);
}

/// From now on the database takes no calls in, until the trigger `full` is dropped.
fn fill_disk(folder: &Path) -> Connection {
    let disk = Connection::open(folder.join("bugle.db")).unwrap();
    disk.execute_batch(
        "CREATE TRIGGER full AFTER INSERT ON receipt BEGIN SELECT RAISE(ROLLBACK, 'the disk is full'); END",
    )
    .unwrap();
    disk
}

/// One that the database could not keep, and one whose caller gave up before it was there, leave nothing behind.
#[tokio::test]
async fn an_id_whose_receipt_is_not_kept_is_new_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let disk = fill_disk(folder.path());
    store.append(large(1)).await.unwrap_err();
    disk.execute_batch("DROP TRIGGER full").unwrap();
    drop(for_database(&store, &large(2)).await);
    let said = store.journal.append("test", &named(3)).await.unwrap();
    assert!(matches!(said, Outcome::Kept(Appended { duplicate_of: None })), "{said:?}");
}

/// While the database is busy calls are taken in until there is no room. Then they wait for room, not for a transaction each,
/// also if they all came at once.
#[tokio::test]
async fn without_room_a_call_waits_for_what_is_taken_in() {
    const CALLS: i64 = 130;
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()));
    let (is_stopped, go_on) = stop(&store);
    is_stopped.recv().unwrap();
    let mut calls = JoinSet::new();
    for id in 1..=CALLS {
        let (store, receipt) = (Arc::clone(&store), sizable(id));
        calls.spawn(async move { store.journal.append("test", &receipt).await.unwrap() });
    }
    let mut kept = 0;
    while let Ok(said) = timeout(Duration::from_secs(2), calls.join_next()).await {
        assert!(matches!(said, Some(Ok(Outcome::Kept(_)))), "{said:?}");
        kept += 1;
    }
    assert!((CALLS / 2..CALLS).contains(&kept), "{kept} had room, and the others wait");
    go_on.send(()).unwrap();
    for said in calls.join_all().await {
        assert!(matches!(said, Outcome::Kept(_)), "{said:?}");
    }
    assert_eq!(pending(&store).await.len(), usize::try_from(CALLS).unwrap());
}

/// While the database takes nothing in, calls are taken in until there is no room, and hear of it after that.
#[tokio::test]
async fn without_room_nobody_waits_for_a_database_in_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let disk = fill_disk(folder.path());
    let (mut answered, mut refused) = (Vec::new(), 0);
    for id in 1..=130 {
        match timeout(Duration::from_secs(20), store.append(sizable(id))).await.unwrap() {
            Ok(_) => answered.push(id),
            Err(_) => refused += 1,
        }
    }
    assert!(answered.len() >= 65 && refused >= 10, "{answered:?}");
    disk.execute_batch("DROP TRIGGER full").unwrap();
    store.append(sizable(131)).await.unwrap();
    answered.push(131);
    assert_eq!(pending(&store).await, answered);
}

/// Nobody is refused because of a journal that cannot be written, and nothing is lost by it.
#[tokio::test]
async fn what_cannot_be_written_goes_to_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let (ring, _) = Ring::open(folder.path(), 0, [0; 8]).unwrap();
    let ring = ring.on_a_broken_disk(folder.path());
    store.journal =
        Journal::start(folder.path(), ring, &store.fresh, store.writer.post(), Resting::default()).unwrap();
    for id in 1..=3 {
        store.append(sample::receipt(id, OF)).await.unwrap();
        assert_eq!(store.fresh.inbox().0, 0, "it is in the database and not in the journal");
    }
    drop(store);
    let store = open(folder.path());
    assert_eq!(pending(&store).await, [1, 2, 3]);
}
