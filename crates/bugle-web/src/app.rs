//! What every handler shares.

use std::sync::Arc;

use bugle_engine::Engine;
use bugle_model::Timestamp;
use bugle_store::Store;

use crate::{WebSettings, body::Rooms};

/// The engine and the settings; cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) engine: Arc<Engine>,
    pub(crate) settings: Arc<WebSettings>,
    pub(crate) rooms: Rooms,
}

impl App {
    /// The store, for reading. Changes go through the engine.
    pub(crate) fn store(&self) -> &dyn Store {
        self.engine.store()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.engine.clock().now()
    }
}
