//! The HTTP face from outside: real sockets, a real store in a folder of its own, a receiver that is a real server.
//! Files mirror the routes; `bugle`, `client`, `receiver` and `schema` are what they stand on.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what went wrong by failing, in what it shares with others too"
)]

mod access;
mod api_keys;
mod audit;
mod bad_input;
mod bugle;
mod client;
mod deliveries;
mod destinations;
mod incidents;
mod integrations;
mod logs;
mod process;
mod provider;
mod receipts;
mod receiver;
mod schema;
mod secrets;
mod server;
mod stream;
mod ui;
mod ui_destinations;
mod ui_incident;
mod ui_incidents;
mod ui_now;
mod ui_oidc;
mod ui_routing;
mod ui_settings;
mod ui_sources;
mod watch;
mod webhooks;
