//! People who sign in, and their sessions.

use bugle_model::{Identity, Scope, Session, User, UserId, id::Id, limits};
use secrecy::{ExposeSecret, SecretString};

use super::sample;
use crate::Store;

fn user(id: i64, name: &str) -> User {
    User {
        id: Id::from_i64(id),
        name: name.to_owned(),
        role: Scope::Operate,
        password: Some(SecretString::from("$argon2id$of-this-user")),
        disabled: false,
        session_epoch: 3,
        identity: None,
        created_at: sample::NOON,
        updated_at: sample::NOON,
    }
}

fn identity(subject: &str) -> Identity {
    Identity { issuer: "https://login.example.net".into(), subject: subject.into() }
}

/// A session that began some seconds after noon and holds for a minute.
fn session(hash: u8, user_id: UserId, seconds: i64) -> Session {
    Session {
        hash: [hash; 32],
        user_id,
        epoch: 3,
        created_at: sample::after(seconds),
        last_seen_at: sample::after(seconds),
        expires_at: sample::after(seconds + 60),
    }
}

/// A replacement replaces all of it; a password may be missing.
pub async fn users_read_back_change_and_go(store: &dyn Store) {
    store.put_user(user(2, "Ines@example.net")).await.unwrap();
    store.put_user(user(1, "ada")).await.unwrap();
    let read = store.users().await.unwrap();
    assert_eq!(read.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["ada", "Ines@example.net"]);
    assert_eq!((read[1].role, read[1].disabled, read[1].session_epoch), (Scope::Operate, false, 3));
    assert_eq!(read[1].password.as_ref().unwrap().expose_secret(), "$argon2id$of-this-user");
    assert_eq!(read[1].created_at, sample::NOON);
    let changed = User {
        name: "ines".into(),
        role: Scope::Admin,
        password: None,
        disabled: true,
        session_epoch: 4,
        identity: Some(identity("248289761001")),
        updated_at: sample::after(1),
        ..user(2, "")
    };
    store.put_user(changed).await.unwrap();
    store.delete_user(Id::from_i64(1)).await.unwrap();
    let read = store.users().await.unwrap();
    assert_eq!((read.len(), read[0].name.as_str(), read[0].role), (1, "ines", Scope::Admin));
    assert!(read[0].password.is_none() && read[0].disabled);
    assert_eq!(read[0].identity, Some(identity("248289761001")));
    assert_eq!((read[0].session_epoch, read[0].updated_at), (4, sample::after(1)));
}

/// Held by the store, as two hubs may add them at the same moment.
pub async fn a_name_is_given_once(store: &dyn Store) {
    store.put_user(user(1, "Zoë@example.net")).await.unwrap();
    assert!(store.put_user(user(2, "ZOË@example.net")).await.is_err());
    store.put_user(user(2, "zoe@example.net")).await.unwrap();
    store.put_user(user(1, "zoë@example.net")).await.unwrap();
    assert_eq!(store.users().await.unwrap().len(), 2);
}

/// Held by the store too: two first sign-ins at the same moment make one user.
pub async fn an_identity_is_given_once(store: &dyn Store) {
    let known = |id, name, subject| User { identity: Some(identity(subject)), ..user(id, name) };
    store.put_user(known(1, "ada", "1")).await.unwrap();
    assert!(store.put_user(known(2, "ines", "1")).await.is_err());
    store.put_user(known(2, "ines", "2")).await.unwrap();
}

/// A use moves its end; a user who goes takes theirs along.
pub async fn sessions_are_found_by_their_hash(store: &dyn Store) {
    for (id, name) in [(1, "ada"), (2, "bob")] {
        store.put_user(user(id, name)).await.unwrap();
    }
    let (of_ada, of_bob) = (session(7, Id::from_i64(1), 0), session(8, Id::from_i64(2), 0));
    store.put_session(of_ada).await.unwrap();
    store.put_session(of_bob).await.unwrap();
    let (read, whose) = store.session([7; 32]).await.unwrap().unwrap();
    assert_eq!((read, whose.name.as_str(), whose.session_epoch), (of_ada, "ada", 3));
    assert!(store.session([9; 32]).await.unwrap().is_none());
    store.note_session_use([7; 32], sample::after(30), sample::after(90)).await.unwrap();
    let (read, _) = store.session([7; 32]).await.unwrap().unwrap();
    assert_eq!((read.last_seen_at, read.expires_at), (sample::after(30), sample::after(90)));
    assert_eq!(read.created_at, of_ada.created_at);
    store.delete_session([7; 32]).await.unwrap();
    store.note_session_use([7; 32], sample::after(31), sample::after(91)).await.unwrap();
    assert!(store.session([7; 32]).await.unwrap().is_none(), "a use noted late does not bring it back");
    store.delete_user(Id::from_i64(2)).await.unwrap();
    assert!(store.session([8; 32]).await.unwrap().is_none());
}

/// A new one makes room: for what is over, whoever's it was, and for the oldest of its user.
pub async fn sessions_that_are_over_and_too_many_go(store: &dyn Store) {
    for (id, name) in [(1, "ada"), (2, "bob")] {
        store.put_user(user(id, name)).await.unwrap();
    }
    store.put_session(session(1, Id::from_i64(2), 0)).await.unwrap();
    store.put_session(session(2, Id::from_i64(2), 50)).await.unwrap();
    let first = 10;
    let count = u8::try_from(limits::SESSIONS_PER_USER_MAX).unwrap() + 1;
    for place in 0..count {
        let began = 61 + i64::from(place) / 100;
        store.put_session(session(first + place, Id::from_i64(1), began)).await.unwrap();
    }
    let is_there = async |hash: u8| store.session([hash; 32]).await.unwrap().is_some();
    assert!(!is_there(1).await, "over when another began");
    assert!(is_there(2).await, "not over, and not of that user");
    let mut left = 0;
    for place in 0..count {
        left += u32::from(is_there(first + place).await);
    }
    assert_eq!(left, limits::SESSIONS_PER_USER_MAX);
    store.put_session(session(200, Id::from_i64(1), 70)).await.unwrap();
    assert!(is_there(200).await, "the newest stays");
}
