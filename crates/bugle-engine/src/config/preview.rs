//! What a destination would be sent: rendered and signed as the dispatcher does it, and sent to nobody.

use bugle_model::{Cursor, Destination, Event, IncidentId, delivery::AttemptRequest};
use bugle_store::{PageRequest, StoreError};
use serde::Deserialize;

use super::{ConfigError, DestinationPatch, NewDestination};
use crate::Engine;

/// Stands for the URL while there is none yet.
const URL_UNKNOWN: &str = "https://receiver.example/";

/// An event by its place on its incident's timeline.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventPlace {
    /// Whose timeline.
    pub incident_id: IncidentId,
    /// Its number there.
    pub sequence: u32,
}

/// The request that would be sent, secrets redacted; or why there is none, for a person.
pub type Preview = Result<AttemptRequest, String>;

impl Engine {
    /// What a destination made from `new` would be sent for the event; for a sample of `incident.created` without one. The
    /// URL may still be missing.
    pub async fn preview_new(
        &self,
        mut new: NewDestination,
        of: Option<EventPlace>,
    ) -> Result<Preview, ConfigError> {
        if new.url.trim().is_empty() {
            URL_UNKNOWN.clone_into(&mut new.url);
        }
        let (destination, _) = self.draft_destination(new)?;
        self.preview(&destination, of).await
    }

    /// What a destination would be sent if it were changed so.
    pub async fn preview_changed(
        &self,
        id: &str,
        patch: DestinationPatch,
        of: Option<EventPlace>,
    ) -> Result<Preview, ConfigError> {
        let changed = self.changed_destination(id, patch)?;
        self.preview(&changed, of).await
    }

    async fn preview(
        &self,
        destination: &Destination,
        of: Option<EventPlace>,
    ) -> Result<Preview, ConfigError> {
        let event = match of {
            Some(place) => self.event_at(place).await?.ok_or_else(|| {
                ConfigError::invalid("event", "there is no such event any more: choose another")
            })?,
            None => self.sample_event(self.clock().now()),
        };
        Ok(self.dispatcher().preview(destination, &event))
    }

    /// One event of a timeline.
    pub async fn event_at(&self, place: EventPlace) -> Result<Option<Event>, StoreError> {
        let before = Cursor(i64::from(place.sequence).saturating_sub(1));
        let page = PageRequest { cursor: Some(before), limit: 1 };
        let found = self.store().timeline(place.incident_id, page).await?.data.into_iter().next();
        Ok(found.filter(|event| event.sequence == place.sequence))
    }
}
