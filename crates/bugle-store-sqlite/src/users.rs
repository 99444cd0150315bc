//! People who sign in, and their sessions.

use bugle_model::{Identity, Session, Timestamp, User, UserId, id::Id, limits};
use bugle_store::StoreError;
use rusqlite::{Connection, OptionalExtension, Row, params};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    codec::{Code, moment, state},
    readers::Readers,
    sql::users as sql,
    writer::{Abort, Shield, Writer},
};

/// All users, in the order of their ids, which is that in which they were added.
pub(crate) async fn all(readers: &Readers) -> Result<Vec<User>, StoreError> {
    readers
        .read("read the users", |connection| {
            connection.prepare_cached(sql::USERS)?.query_map([], read_user)?.collect()
        })
        .await
}

/// The first ten columns are the user's.
fn read_user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: Id::from_i64(row.get(0)?),
        name: row.get(1)?,
        role: state(row, 2)?,
        password: row.get::<_, Option<String>>(3)?.map(SecretString::from),
        disabled: row.get(4)?,
        session_epoch: row.get(5)?,
        created_at: moment(row, 6)?,
        updated_at: moment(row, 7)?,
        identity: row
            .get::<_, Option<String>>(8)?
            .zip(row.get(9)?)
            .map(|(issuer, subject)| Identity { issuer, subject }),
    })
}

/// Makes or replaces a user.
pub(crate) async fn put(writer: &Writer, user: User) -> Result<(), StoreError> {
    let work = move |connection: &Connection| -> Result<(), Abort> {
        let values = params![
            user.id.as_i64(),
            user.name,
            user.role.code(),
            user.password.as_ref().map(ExposeSecret::expose_secret),
            user.disabled,
            user.session_epoch,
            user.created_at.as_millis(),
            user.updated_at.as_millis(),
            user.name.to_lowercase(),
            user.identity.as_ref().map(|identity| &identity.issuer),
            user.identity.as_ref().map(|identity| &identity.subject),
        ];
        Ok(connection.prepare_cached(sql::USER_PUT)?.execute(values).map(drop)?)
    };
    Ok(writer.write("keep the user", Shield::Savepoint, work).await?)
}

/// Deletes a user and their sessions.
pub(crate) async fn delete(writer: &Writer, id: UserId) -> Result<(), StoreError> {
    let work = move |connection: &Connection| -> Result<(), Abort> {
        connection.prepare_cached(sql::SESSIONS_OF_USER_DELETE)?.execute([id.as_i64()])?;
        Ok(connection.prepare_cached(sql::USER_DELETE)?.execute([id.as_i64()]).map(drop)?)
    };
    Ok(writer.write("delete the user", Shield::Savepoint, work).await?)
}

/// Keeps a session, and lets those go that are over or too many.
pub(crate) async fn put_session(writer: &Writer, session: Session) -> Result<(), StoreError> {
    let work = move |connection: &Connection| -> Result<(), Abort> {
        let user = session.user_id.as_i64();
        connection.prepare_cached(sql::SESSION_PUT)?.execute(params![
            session.hash.as_slice(),
            user,
            session.epoch,
            session.created_at.as_millis(),
            session.last_seen_at.as_millis(),
            session.expires_at.as_millis(),
        ])?;
        connection.prepare_cached(sql::SESSIONS_OVER_DELETE)?.execute([session.created_at.as_millis()])?;
        let kept = i64::from(limits::SESSIONS_PER_USER_MAX);
        Ok(connection.prepare_cached(sql::SESSIONS_TOO_MANY_DELETE)?.execute([user, kept]).map(drop)?)
    };
    Ok(writer.write("keep the session", Shield::Savepoint, work).await?)
}

/// One session and its user.
pub(crate) async fn session(
    readers: &Readers,
    hash: [u8; 32],
) -> Result<Option<(Session, User)>, StoreError> {
    readers
        .read("read the session", move |connection| {
            let read = |row: &Row<'_>| {
                let user = read_user(row)?;
                let session = Session {
                    hash,
                    user_id: user.id,
                    epoch: row.get(10)?,
                    created_at: moment(row, 11)?,
                    last_seen_at: moment(row, 12)?,
                    expires_at: moment(row, 13)?,
                };
                Ok((session, user))
            };
            connection.prepare_cached(sql::SESSION)?.query_row([hash.as_slice()], read).optional()
        })
        .await
}

/// Notes that a session was used.
pub(crate) async fn note_session_use(
    writer: &Writer,
    hash: [u8; 32],
    at: Timestamp,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    let work = move |connection: &Connection| -> Result<(), Abort> {
        let values = params![hash.as_slice(), at.as_millis(), expires_at.as_millis()];
        Ok(connection.prepare_cached(sql::SESSION_USED)?.execute(values).map(drop)?)
    };
    Ok(writer.write("note the use of the session", Shield::None, work).await?)
}

/// Deletes a session.
pub(crate) async fn delete_session(writer: &Writer, hash: [u8; 32]) -> Result<(), StoreError> {
    let work = move |connection: &Connection| -> Result<(), Abort> {
        Ok(connection.prepare_cached(sql::SESSION_DELETE)?.execute([hash.as_slice()]).map(drop)?)
    };
    Ok(writer.write("delete the session", Shield::None, work).await?)
}
