//! Who changed what.

use bugle_model::{Actor, AuditAction, AuditEntry, Cursor, Timestamp, UserId, audit::Subject};

use super::{ALL, sample};
use crate::{AuditFilter, PageRequest, Store};

/// Something that a user did some seconds after noon.
fn entry(name: &str, action: AuditAction, seconds: i64) -> AuditEntry {
    AuditEntry {
        at: sample::after(seconds),
        actor: Some(Actor::User { email: name.to_owned() }),
        action,
        subject: Some(Subject::from((UserId::from_i64(seconds), "bob"))),
        details: vec!["role".to_owned()],
        address: "192.0.2.7".parse().ok(),
    }
}

async fn keep(store: &dyn Store, entries: &[AuditEntry]) {
    for entry in entries {
        store.note(entry.clone(), Timestamp::default()).await.unwrap();
    }
}

async fn found(store: &dyn Store, filter: AuditFilter) -> Vec<AuditEntry> {
    let page = store.audit(filter, ALL).await.unwrap();
    page.data.into_iter().map(|record| record.entry).collect()
}

/// In the order in which they were kept, whatever their times; in pages, whole.
pub async fn facts_are_kept_newest_first(store: &dyn Store) {
    let mut bare = entry("ada", AuditAction::SignInFailed, 1);
    (bare.actor, bare.subject, bare.address, bare.details) = (None, None, None, Vec::new());
    let kept = [entry("ada", AuditAction::UserCreated, 5), bare, entry("bob", AuditAction::SignInOk, 9)];
    keep(store, &kept).await;
    let expected: Vec<_> = kept.iter().rev().cloned().collect();
    assert_eq!(found(store, AuditFilter::default()).await, expected);
    let (mut seen, mut cursor): (Vec<_>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let page = store.audit(AuditFilter::default(), PageRequest { cursor, limit: 1 }).await.unwrap();
        assert!(page.data.len() <= 1);
        seen.extend(page.data);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert!(seen.is_sorted_by(|newer, older| newer.id > older.id));
    assert_eq!(seen.into_iter().map(|record| record.entry).collect::<Vec<_>>(), expected);
}

/// Each field of the filter narrows.
pub async fn facts_are_found_by_who_and_what(store: &dyn Store) {
    let kept = [
        entry("Ada", AuditAction::UserCreated, 1),
        entry("Ada", AuditAction::SignInOk, 2),
        entry("bob", AuditAction::UserDeleted, 3),
    ];
    keep(store, &kept).await;
    let by = |about: &str, actor: &str, subject: &str| {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        AuditFilter { about: given(about), actor: given(actor), subject: given(subject) }
    };
    let second = UserId::from_i64(2).to_string();
    for (filter, expected) in [
        (by("user", "", ""), vec![2, 0]),
        (by("", "aDa", ""), vec![1, 0]),
        (by("user", "ada", ""), vec![0]),
        (by("", "", &second), vec![1]),
        (by("", "eve", ""), vec![]),
        (by("use", "", ""), vec![]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|place: usize| kept[place].clone()).collect();
        assert_eq!(found(store, filter.clone()).await, expected, "{filter:?}");
    }
}

/// The next one takes along what is too old.
pub async fn old_facts_go(store: &dyn Store) {
    keep(store, &[entry("ada", AuditAction::SignInOk, 1), entry("ada", AuditAction::SignInOk, 20)]).await;
    let last = entry("ada", AuditAction::SignInOk, 30);
    store.note(last.clone(), sample::after(20)).await.unwrap();
    let left = found(store, AuditFilter::default()).await;
    assert_eq!(left, [last, entry("ada", AuditAction::SignInOk, 20)]);
}
