//! Ingest, pipeline, correlation, routing, dispatch: what Bugle does between a call coming in and a call going out.
//!
//! The flow, one room a step:
//! - [`ingest`]: receive, verify, persist, answer.
//! - [`pipeline`]: decode, correlate, route, commit. [`correlate`] is its pure half.
//! - [`dispatch`] and [`send`]: render, sign, send, record.
//!
//! Beside it: [`directory`] holds the configuration in memory, [`config`] changes it, [`accounts`] lets people in, [`incidents`] are acted on,
//! [`quarantine`] is let go,
//! [`stream`] tells who listens what happens, [`retention`] lets go of what is old, [`routing`] explains who is told and who is not, [`audit`] keeps who changed what, [`watch`] reports what is wrong with Bugle itself, [`metrics`], [`health`] and [`activity`] tell what really happened, and [`overview`] tells who looks first. [`Engine`] ties them together.
//!
//! What never lives here: HTTP routes and SQL. Only [`send`] opens a socket.

pub mod accounts;
pub mod activity;
pub mod audit;
pub mod config;
pub mod correlate;
pub mod directory;
pub mod dispatch;
pub mod health;
pub mod incidents;
pub mod ingest;
pub mod metrics;
pub mod overview;
pub mod pipeline;
pub mod quarantine;
pub mod retention;
pub mod routing;
pub mod send;
pub mod stream;
pub mod watch;

mod engine;

pub use engine::{Engine, EngineSettings, OpenError};
