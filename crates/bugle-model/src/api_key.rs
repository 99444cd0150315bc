//! API keys: who may call the JSON API, and how much they may do.

use serde::{Deserialize, Serialize};

use crate::{id::ApiKeyId, time::Timestamp};

/// What a key may do. Each scope includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look at everything that is not a secret.
    Read,
    /// Also act on incidents, receipts and deliveries.
    Operate,
    /// Also change integrations, destinations and keys.
    Admin,
}

/// One API key. Only a hash of it is stored.
#[derive(Debug, Clone, Serialize)]
pub struct ApiKey {
    /// Names the key.
    pub id: ApiKeyId,
    /// What a person calls it.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// SHA-256 of the key. A key holds 256 random bits, so a slow hash would add nothing.
    #[serde(skip)]
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last authenticated a call, to the minute.
    pub last_used_at: Option<Timestamp>,
}
