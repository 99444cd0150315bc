//! The nouns of Bugle as plain types, their limits, the clock, and the pure rules of the lifecycle.
//!
//! Layout, in the order an alert meets them:
//! - [`integration`]: a configured inbound source.
//! - [`receipt`]: one inbound request as it came, and the verdict on who sent it.
//! - [`signal`], [`severity`]: what a receipt says about one alert.
//! - [`alert`]: the state of one problem at its source, and how a signal changes it ([`alert::fold`]).
//! - [`incident`]: alerts handled together; [`lifecycle`] holds every transition in one table.
//! - [`event`]: an immutable fact on an incident's timeline.
//! - [`destination`], [`delivery`]: where events go, and one event on its way.
//! - [`api_key`], [`user`]: programs and people who may look and act; [`audit`]: what they changed.
//!
//! What never lives here: I/O, async, SQL, HTTP. The one clock read is [`time::SystemClock`].

pub mod alert;
pub mod api_key;
pub mod audit;
pub mod delivery;
pub mod destination;
pub mod event;
pub mod id;
pub mod incident;
pub mod integration;
pub mod lifecycle;
pub mod limits;
pub mod page;
pub mod receipt;
pub mod secret;
pub mod severity;
pub mod signal;
mod text;
pub mod time;
pub mod user;

pub use alert::{Alert, AlertStatus};
pub use api_key::{ApiKey, Scope};
pub use audit::{AuditAction, AuditEntry, AuditRecord};
pub use delivery::{Attempt, Delivery, DeliveryState, Verdict};
pub use destination::{Circuit, CircuitPolicy, Destination, RetryPolicy};
pub use event::{Actor, Event, EventKind};
pub use id::{
    AlertId, ApiKeyId, AuditId, DeliveryId, DestinationId, EventId, IdGenerator, IncidentId, IntegrationId,
    ReceiptId, SecretId, UserId,
};
pub use incident::{Incident, IncidentStatus};
pub use integration::Integration;
pub use page::{Cursor, Page};
pub use receipt::{Receipt, ReceiptState, Verification};
pub use secret::Secret;
pub use signal::{Severity, Signal, SignalStatus};
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
pub use user::{Identity, Session, User};
