//! ArcGIS Monitor's notification webhooks, both ways:
//! <https://doc.arcgis.com/en/monitor/latest/get-started/notification-webhook-payloads.htm>.
//!
//! - `source`: `info` and `events` become signals.
//! - `attributes`: the row of an alert or an incident, of which an update may hold only a part.
//! - `dialect`: an incident as one alert of ArcGIS Monitor.
//! - `sample`: a realistic call.
//!
//! The handshake `GET ?crc_token=` of other Esri products is not here: ArcGIS Monitor's page knows none.

use crate::scheme::{Algorithm, Encoding, Hmac};

mod attributes;
mod dialect;
mod sample;
mod source;
#[cfg(test)]
mod tests;

pub use dialect::ArcGisMonitorDialect;
pub use source::ArcGisMonitor;

/// Its name in URLs, the API and metrics.
const SLUG: &str = "arcgis_monitor";

/// Its name for people.
const TITLE: &str = "ArcGIS Monitor";

/// What the documentation prints with a space in it, which no header can have.
const SIGNATURE_HEADER: &str = "x-esriHook-Signature";

/// What stands before a signature.
const SIGNATURE_PREFIX: &str = "sha256=";

/// How ArcGIS Monitor signs: hexadecimal over the raw body.
const SIGNATURE: Hmac = Hmac::sha256_hex(SIGNATURE_HEADER, SIGNATURE_PREFIX);

/// How other Esri products sign.
const SIGNATURE_BASE64: Hmac =
    Hmac::new(Algorithm::Sha256, Encoding::Base64, SIGNATURE_HEADER, SIGNATURE_PREFIX);
