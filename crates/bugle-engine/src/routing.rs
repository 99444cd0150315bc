//! Who is told of an event and who is not, and why: what routing and sending would do with it as they are configured now.
//!
//! Nothing is decided here: each answer is asked of what decides it when an event is really routed and sent.

use std::sync::Arc;

use bugle_model::{
    Circuit, Destination, Event, Secret,
    destination::{CircuitPhase, Objection},
};
use bugle_platforms::{
    Notice,
    dialect::{RenderError, Wishes},
    table,
};
use serde::Serialize;

use crate::Engine;

/// What becomes of an event at a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Route {
    /// It is sent at once.
    Sent,
    /// It is sent later.
    Waits {
        /// Until what.
        until: WaitsFor,
    },
    /// It is not for this destination.
    Unwanted {
        /// Every condition that fails.
        objections: Vec<Objection>,
    },
    /// The dialect has no word for it: it is skipped.
    NoWord,
    /// It cannot be written as the destination is configured: each delivery is given up on.
    Unwritable {
        /// Why.
        reason: String,
    },
}

/// What has to happen before a wanted event is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// Somebody enables the destination.
    Enabling,
    /// The receiver is back: its circuit is open.
    Receiver,
}

/// A destination, and what becomes of an event there.
#[derive(Debug)]
pub struct Explained {
    /// Which.
    pub destination: Arc<Destination>,
    /// Its circuit now.
    pub circuit: Circuit,
    /// What becomes of it.
    pub route: Route,
}

impl Engine {
    /// What every destination would do with `event` now, in the order in which they were made.
    pub fn explain(&self, event: &Event) -> Vec<Explained> {
        let destinations = self.destinations().into_iter();
        destinations
            .map(|(destination, circuit)| {
                let route = self.route_to(&destination, circuit, event);
                Explained { destination, circuit, route }
            })
            .collect()
    }

    fn route_to(&self, destination: &Destination, circuit: Circuit, event: &Event) -> Route {
        let objections = destination.objections(event);
        if !objections.is_empty() {
            return Route::Unwanted { objections };
        }
        match self.has_word(destination, event) {
            Err(RenderError(reason)) => Route::Unwritable { reason },
            Ok(false) => Route::NoWord,
            Ok(true) if !destination.enabled => Route::Waits { until: WaitsFor::Enabling },
            Ok(true) if circuit.phase != CircuitPhase::Closed => Route::Waits { until: WaitsFor::Receiver },
            Ok(true) => Route::Sent,
        }
    }

    /// Whether the destination's dialect has a word for this event.
    fn has_word(&self, destination: &Destination, event: &Event) -> Result<bool, RenderError> {
        let slug = &destination.dialect;
        let dialect = table::dialect(slug)
            .ok_or_else(|| RenderError(format!("this version of Bugle knows no dialect `{slug}`")))?;
        let wishes = Wishes {
            template: destination.template.as_ref(),
            headers: &destination.headers,
            settings: &destination.settings,
            secret: destination.active_secrets(self.clock().now()).next().map(Secret::expose),
        };
        let incident_url = self.public_url().map(|url| format!("{url}incidents/{}", event.incident_id));
        let notice = Notice { event, incident_url: incident_url.as_deref(), documents: None };
        Ok(dialect.render(&notice, &wishes)?.is_some())
    }
}
