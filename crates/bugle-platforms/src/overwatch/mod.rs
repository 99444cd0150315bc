//! Overwatch, which like Bugle takes in other platforms' alerts and sends its incidents on by webhooks.
//!
//! What others send to Overwatch is read by their own rooms, which know the shapes that Overwatch documents. Here is what
//! Overwatch itself sends: a template of the reader's making, by default the incident's id, title, severity and status.
//!
//! - `source`: what Bugle makes of such a call.
//! - `dialect`: how Bugle tells of an incident to a receiver that expects Overwatch.

use serde_json::{Map, Value};

use crate::{
    scheme::{Hmac, Scheme},
    source::Setting,
};

mod dialect;
mod sample;
mod source;
#[cfg(test)]
mod tests;

/// Overwatch as a source.
#[derive(Debug, Clone, Copy)]
pub struct Overwatch;

/// Overwatch's outgoing webhook as a dialect.
#[derive(Debug, Clone, Copy)]
pub struct OverwatchDialect;

/// What its page calls for in validating: HMAC-SHA256 of the raw body in hexadecimal after `sha256=`, in a header that the
/// page does not name.
const SIGNATURE: Hmac = Hmac::sha256_hex("X-Overwatch-Signature", "sha256=");

/// The setting that names the signature's header, in both directions.
const SIGNATURE_HEADER: &str = "signature_header";

/// The header that carries the signature, as the setting is documented for incoming calls.
const SIGNATURE_HEADER_IN: Setting = Setting {
    name: SIGNATURE_HEADER,
    choices: &[],
    doc: "The header in which the sender puts `sha256=` and the body's HMAC-SHA256. `X-Overwatch-Signature` by default.",
};

/// The same for outgoing calls.
const SIGNATURE_HEADER_OUT: Setting = Setting {
    name: SIGNATURE_HEADER,
    choices: &[],
    doc: "The header in which `sha256=` and the body's HMAC-SHA256 are sent. None by default: the secret is then sent as `Authorization: Bearer`.",
};

/// The signature in the header that the settings name, if they name one.
fn signature(settings: &Map<String, Value>) -> Option<Scheme> {
    let name = settings.get(SIGNATURE_HEADER)?.as_str()?.trim();
    (!name.is_empty()).then(|| Scheme::Hmac(SIGNATURE.in_header(name.to_owned())))
}
