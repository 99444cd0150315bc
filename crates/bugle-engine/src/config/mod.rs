//! Changing the configuration: every change is checked, stored, and then taken over by the directory.

pub(crate) mod changed;
mod destinations;
mod integrations;
mod keys;
mod preview;
mod secrets;
mod verify;

pub use destinations::{DestinationPatch, NewDestination};
pub use integrations::{IntegrationPatch, NewIntegration};
pub use keys::NewApiKey;
pub use preview::{EventPlace, Preview};
pub use secrets::generate_secret;
pub(crate) use secrets::random_bytes;

use bugle_store::StoreError;

/// Why a change was refused. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A field is wrong.
    #[error("{message}")]
    Invalid {
        /// The field, as in the API.
        field: &'static str,
        /// What is wrong, and what to do.
        message: String,
    },
    /// There is no such thing.
    #[error("there is no {what} `{id}`")]
    NotFound {
        /// `integration`, `destination`, ...
        what: &'static str,
        /// What was asked for.
        id: String,
    },
    /// The store could not do it now.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ConfigError {
    /// A field is wrong.
    pub fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { field, message: message.into() }
    }

    pub(crate) fn not_found(what: &'static str, id: &str) -> Self {
        Self::NotFound { what, id: id.to_owned() }
    }
}
