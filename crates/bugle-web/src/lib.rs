//! The HTTP face: ingest routes, JSON API, health, metrics, OpenAPI and error answers.
//!
//! Layout, in the order a request meets it:
//! - [`serve`]: accepts connections, bounds them, and stops without cutting an answer short.
//! - `entrance`: leads senders' calls straight to where they are taken in, all others through the router.
//! - `envelope`: what every request and every answer has: a correlation id, safe headers, an answer even to a panic.
//! - `routes`: one table of every route, which builds the router, decides who may call what, and writes the OpenAPI
//!   document. Each endpoint is a file whose path mirrors its URL, with its handler and its answers.
//! - `access`, `input`, `body`, `client_ip`: what a handler is given.
//! - `ui`: the pages for people, and how they sign in.
//! - `error`: the one form of every error.
//!
//! What never lives here: decisions about alerts, incidents and deliveries. Those are the engine's.

mod access;
mod app;
mod body;
mod client_ip;
mod entrance;
mod envelope;
mod error;
mod input;
mod openapi;
mod routes;
mod server;
mod settings;
mod ui;

pub use server::{Workers, serve};
pub use settings::{ConfiguredSetting, WebSettings};

/// The OpenAPI 3.1 document of the API, as `GET /api/v1/openapi.json` answers it.
pub fn openapi_document() -> serde_json::Value {
    openapi::document(&routes::table())
}
