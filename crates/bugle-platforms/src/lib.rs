//! One room for each platform: how its calls are proven and read, and how events are written for it.
//!
//! Everything here is pure: bytes in, values out. No I/O, no clock, no logging, and no platform knows another; what
//! several share (Alertmanager's document, severity words) has a room of its own.
//!
//! - [`scheme`]: how a request is signed or authenticated, as data that both signs and verifies.
//! - [`source`]: what a platform that calls us must offer.
//! - [`dialect`]: what a receiver that we call must offer.
//! - [`table`]: the sorted lists of both. A new platform is its room, its fixtures, and one line there.
//! - [`json`]: the one JSON reader, bounded and with exact numbers.
//! - [`mapping`]: reading a body whose shape only its author knows.

mod alertmanager;
pub mod bugle;
mod credentials;
pub mod dialect;
mod fields;
mod form;
mod invented;
pub mod json;
pub mod mapping;
pub mod scheme;
pub mod source;
pub mod table;
#[cfg(test)]
mod told;

pub use dialect::{Dialect, Notice, Outbound, RenderError};
pub use source::{DecodeError, Decoded, Inbound, Names, Source};

// The platforms, sorted: the file `<slug>.rs` or the folder `<slug>/`, the source in it, and the dialect where it goes both
// ways.
table::platforms! {
    anomify => Anomify + AnomifyDialect,
    arcgis_monitor => ArcGisMonitor + ArcGisMonitorDialect,
    custom => Custom,
    datadog => Datadog,
    elasticsearch => Elasticsearch,
    grafana => Grafana,
    metaplane => Metaplane + MetaplaneDialect,
    montecarlo => MonteCarlo + MonteCarloDialect,
    newrelic => NewRelic,
    overwatch => Overwatch + OverwatchDialect,
    pagerduty => PagerDuty,
    prometheus => Prometheus,
    signoz => SigNoz,
}
