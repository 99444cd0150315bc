//! What people configure: integrations, destinations and API keys. Secrets are in a table of their own, so that a
//! document never holds one.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bugle_model::{
    ApiKey, ApiKeyId, CircuitPolicy, Destination, DestinationId, EventKind, Integration, IntegrationId,
    RetryPolicy, Secret, Timestamp,
    destination::{Circuit, Filter},
    id::Id,
    integration::RateLimit,
};
use bugle_store::{Instance, StoreError, StoreFacts};
use rusqlite::{Connection, params, types::Type};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    codec::{Code, decode, decode_or_none, encode, moment, moment_or_none, state},
    journal,
    migrate::version,
    readers::Readers,
    sql::config as sql,
    writer::{Abort, Shield, Writer},
};

/// Whose secrets they are. The numbers are part of the schema.
#[derive(Debug, Clone, Copy)]
enum Owner {
    Integration = 0,
    Destination = 1,
}

/// An integration without its id and its secrets.
#[derive(Serialize, Deserialize)]
struct IntegrationDocument {
    platform: String,
    name: String,
    enabled: bool,
    allowed_ips: Vec<String>,
    rate_limit: Option<RateLimit>,
    settings: Map<String, Value>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A destination without its id and its secrets.
#[derive(Serialize, Deserialize)]
struct DestinationDocument {
    name: String,
    dialect: String,
    url: String,
    method: String,
    headers: BTreeMap<String, String>,
    events: Vec<EventKind>,
    filter: Filter,
    template: Option<Value>,
    retry: RetryPolicy,
    circuit_policy: CircuitPolicy,
    settings: Map<String, Value>,
    concurrency: u16,
    timeout_ms: u32,
    enabled: bool,
    disabled_reason: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// What the store keeps about itself.
pub(crate) async fn instance(readers: &Readers) -> Result<Instance, StoreError> {
    readers
        .read("read what it keeps about itself", |connection| {
            let seal_key = connection.prepare_cached(sql::SEAL_KEY)?.query_row([], |row| row.get(0))?;
            let id_floor = connection.prepare_cached(sql::ID_FLOOR)?.query_row([], |row| row.get(0))?;
            Ok(Instance { seal_key, id_floor })
        })
        .await
}

/// What the store is, and how large its files are.
pub(crate) async fn facts(readers: &Readers) -> Result<StoreFacts, StoreError> {
    readers
        .read("look at its file", |connection| {
            let path = connection.path().unwrap_or_default();
            let journal = Path::new(path).with_file_name(journal::NAME);
            let files = ["", "-wal", "-shm"].map(|suffix| PathBuf::from(format!("{path}{suffix}")));
            let size = |file: &PathBuf| std::fs::metadata(file).map_or(0, |file| file.len());
            Ok(StoreFacts {
                engine: format!("SQLite {}", rusqlite::version()),
                schema: version(connection)?,
                bytes: files.iter().chain([&journal]).map(size).sum(),
            })
        })
        .await
}

/// Writes something, to know that it can.
pub(crate) async fn ping(writer: &Writer) -> Result<(), StoreError> {
    let work = |connection: &Connection| -> Result<(), Abort> {
        Ok(connection.prepare_cached(sql::PING)?.execute([]).map(drop)?)
    };
    Ok(writer.write("write", Shield::None, work).await?)
}

/// All integrations.
pub(crate) async fn integrations(readers: &Readers) -> Result<Vec<Integration>, StoreError> {
    readers
        .read("read the integrations", |connection| {
            let mut statement = connection.prepare_cached(sql::INTEGRATIONS)?;
            let mut rows = statement.query([])?;
            let mut integrations = Vec::new();
            while let Some(row) = rows.next()? {
                let id = row.get(0)?;
                let secrets = read_secrets(connection, Owner::Integration, id)?;
                integrations.push(decode::<IntegrationDocument>(row, 1)?.into_integration(id, secrets)?);
            }
            Ok(integrations)
        })
        .await
}

impl IntegrationDocument {
    fn new(integration: &Integration) -> Self {
        Self {
            platform: integration.platform.clone(),
            name: integration.name.clone(),
            enabled: integration.enabled,
            allowed_ips: integration.allowed_ips.iter().map(ToString::to_string).collect(),
            rate_limit: integration.rate_limit,
            settings: integration.settings.clone(),
            created_at: integration.created_at,
            updated_at: integration.updated_at,
        }
    }

    fn into_integration(self, id: i64, secrets: Vec<Secret>) -> rusqlite::Result<Integration> {
        let ranges: Result<Vec<_>, _> = self.allowed_ips.iter().map(|range| range.parse()).collect();
        Ok(Integration {
            id: Id::from_i64(id),
            platform: self.platform,
            name: self.name,
            enabled: self.enabled,
            secrets,
            allowed_ips: ranges.map_err(unreadable)?,
            rate_limit: self.rate_limit,
            settings: self.settings,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// A part of a document that was valid when it was stored.
fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(1, Type::Text, Box::new(error))
}

/// Makes or replaces an integration, unless it was deleted.
pub(crate) async fn put_integration(writer: &Writer, integration: Integration) -> Result<(), StoreError> {
    const DOING: &str = "keep the integration";
    let document =
        encode(&IntegrationDocument::new(&integration)).map_err(|error| StoreError::new(DOING, error))?;
    let work = move |connection: &Connection| -> Result<(), Abort> {
        let id = integration.id.as_i64();
        if connection.prepare_cached(sql::INTEGRATION_PUT)?.execute(params![id, document])? > 0 {
            write_secrets(connection, Owner::Integration, id, &integration.secrets)?;
        }
        Ok(())
    };
    Ok(writer.write(DOING, Shield::Savepoint, work).await?)
}

/// Deletes an integration, and its secrets for good.
pub(crate) async fn delete_integration(
    writer: &Writer,
    id: IntegrationId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let work = move |connection: &Connection| -> Result<(), Abort> {
        connection.prepare_cached(sql::INTEGRATION_DELETE)?.execute([id.as_i64(), now.as_millis()])?;
        Ok(write_secrets(connection, Owner::Integration, id.as_i64(), &[])?)
    };
    Ok(writer.write("delete the integration", Shield::Savepoint, work).await?)
}

/// All destinations with their circuits.
pub(crate) async fn destinations(readers: &Readers) -> Result<Vec<(Destination, Circuit)>, StoreError> {
    readers
        .read("read the destinations", |connection| {
            let mut statement = connection.prepare_cached(sql::DESTINATIONS)?;
            let mut rows = statement.query([])?;
            let mut destinations = Vec::new();
            while let Some(row) = rows.next()? {
                let id = row.get(0)?;
                let secrets = read_secrets(connection, Owner::Destination, id)?;
                let destination = decode::<DestinationDocument>(row, 1)?.into_destination(id, secrets)?;
                destinations.push((destination, decode_or_none(row, 2)?.unwrap_or_default()));
            }
            Ok(destinations)
        })
        .await
}

impl DestinationDocument {
    fn new(destination: &Destination) -> Self {
        let it = destination.clone();
        Self {
            name: it.name,
            dialect: it.dialect,
            url: it.url.into(),
            method: it.method,
            headers: it.headers,
            events: it.events,
            filter: it.filter,
            template: it.template,
            retry: it.retry,
            circuit_policy: it.circuit_policy,
            settings: it.settings,
            concurrency: it.concurrency,
            timeout_ms: it.timeout_ms,
            enabled: it.enabled,
            disabled_reason: it.disabled_reason,
            created_at: it.created_at,
            updated_at: it.updated_at,
        }
    }

    fn into_destination(self, id: i64, secrets: Vec<Secret>) -> rusqlite::Result<Destination> {
        Ok(Destination {
            id: Id::from_i64(id),
            name: self.name,
            dialect: self.dialect,
            url: self.url.parse().map_err(unreadable)?,
            method: self.method,
            secrets,
            headers: self.headers,
            events: self.events,
            filter: self.filter,
            template: self.template,
            retry: self.retry,
            circuit_policy: self.circuit_policy,
            settings: self.settings,
            concurrency: self.concurrency,
            timeout_ms: self.timeout_ms,
            enabled: self.enabled,
            disabled_reason: self.disabled_reason,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// Makes or replaces a destination, unless it was deleted.
pub(crate) async fn put_destination(writer: &Writer, destination: Destination) -> Result<(), StoreError> {
    const DOING: &str = "keep the destination";
    let document =
        encode(&DestinationDocument::new(&destination)).map_err(|error| StoreError::new(DOING, error))?;
    let work = move |connection: &Connection| -> Result<(), Abort> {
        let id = destination.id.as_i64();
        if connection.prepare_cached(sql::DESTINATION_PUT)?.execute(params![id, document])? > 0 {
            write_secrets(connection, Owner::Destination, id, &destination.secrets)?;
            connection.prepare_cached(sql::BACKLOG_BEGIN)?.execute([id])?;
        }
        Ok(())
    };
    Ok(writer.write(DOING, Shield::Savepoint, work).await?)
}

/// Deletes a destination, and its secrets for good.
pub(crate) async fn delete_destination(
    writer: &Writer,
    id: DestinationId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let work = move |connection: &Connection| -> Result<(), Abort> {
        connection.prepare_cached(sql::DESTINATION_DELETE)?.execute([id.as_i64(), now.as_millis()])?;
        Ok(write_secrets(connection, Owner::Destination, id.as_i64(), &[])?)
    };
    Ok(writer.write("delete the destination", Shield::Savepoint, work).await?)
}

fn read_secrets(connection: &Connection, owner: Owner, id: i64) -> rusqlite::Result<Vec<Secret>> {
    connection
        .prepare_cached(sql::SECRETS)?
        .query_map([owner as i64, id], |row| {
            Ok(Secret {
                id: Id::from_i64(row.get(0)?),
                value: SecretString::from(row.get::<_, String>(1)?),
                created_at: moment(row, 2)?,
                expires_at: moment_or_none(row, 3)?,
            })
        })?
        .collect()
}

fn write_secrets(connection: &Connection, owner: Owner, id: i64, secrets: &[Secret]) -> rusqlite::Result<()> {
    connection.prepare_cached(sql::SECRETS_DELETE)?.execute([owner as i64, id])?;
    for (place, secret) in (0_i64..).zip(secrets) {
        connection.prepare_cached(sql::SECRET_INSERT)?.execute(params![
            owner as i64,
            id,
            place,
            secret.id.as_i64(),
            secret.expose(),
            secret.created_at.as_millis(),
            secret.expires_at.map(Timestamp::as_millis),
        ])?;
    }
    Ok(())
}

/// All API keys.
pub(crate) async fn api_keys(readers: &Readers) -> Result<Vec<ApiKey>, StoreError> {
    readers
        .read("read the API keys", |connection| {
            connection
                .prepare_cached(sql::API_KEYS)?
                .query_map([], |row| {
                    Ok(ApiKey {
                        id: Id::from_i64(row.get(0)?),
                        name: row.get(1)?,
                        scope: state(row, 2)?,
                        hash: row.get(3)?,
                        created_at: moment(row, 4)?,
                        last_used_at: moment_or_none(row, 5)?,
                    })
                })?
                .collect()
        })
        .await
}

/// Keeps a key, or when it was last used.
pub(crate) async fn put_api_key(writer: &Writer, key: ApiKey) -> Result<(), StoreError> {
    let work = move |connection: &Connection| -> Result<(), Abort> {
        let values = params![
            key.id.as_i64(),
            key.name,
            key.scope.code(),
            key.hash.as_slice(),
            key.created_at.as_millis(),
            key.last_used_at.map(Timestamp::as_millis),
        ];
        Ok(connection.prepare_cached(sql::API_KEY_PUT)?.execute(values).map(drop)?)
    };
    Ok(writer.write("keep the API key", Shield::None, work).await?)
}

/// Notes when an API key was last used.
pub(crate) async fn note_api_key_use(writer: &Writer, id: ApiKeyId, at: Timestamp) -> Result<(), StoreError> {
    let work = move |connection: &Connection| -> Result<(), Abort> {
        let values = params![id.as_i64(), at.as_millis()];
        Ok(connection.prepare_cached(sql::API_KEY_USED)?.execute(values).map(drop)?)
    };
    Ok(writer.write("note the use of the API key", Shield::None, work).await?)
}

/// Deletes a key.
pub(crate) async fn delete_api_key(writer: &Writer, id: ApiKeyId) -> Result<(), StoreError> {
    let work = move |connection: &Connection| -> Result<(), Abort> {
        Ok(connection.prepare_cached(sql::API_KEY_DELETE)?.execute([id.as_i64()]).map(drop)?)
    };
    Ok(writer.write("delete the API key", Shield::None, work).await?)
}
