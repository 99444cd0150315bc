//! The sorted lists of sources and dialects. URLs, docs, metric labels and CLI completion all derive from them.

use crate::{bugle::Bugle, dialect::Dialect, source::Source};

/// Every platform that calls us, sorted by slug: the list at the end of `lib.rs`.
pub const SOURCES: &[&dyn Source] = crate::ROOMS;

/// What reports to us without calling: read like a platform, and never offered to anybody who makes an integration.
pub const BUILT_IN: &[&dyn Source] = &[&Bugle];

/// Every way that we call, sorted by slug: those of the platforms, and Bugle's own.
pub const DIALECTS: &[&dyn Dialect] = crate::SPOKEN;

/// What a person does at the platform's side so that it calls here: the room's `SETUP.md`, in Markdown. The integration's
/// address stands in it as `https://bugle.example.com/api/v1/webhooks/<slug>/INTEGRATION_ID`.
pub fn setup(slug: &str) -> Option<&'static str> {
    crate::SETUPS.iter().find(|(known, _)| *known == slug).map(|(_, text)| *text)
}

/// Declares each platform's room as a module and lists its source, and its dialect where it goes both ways
/// (`room => Source + Dialect`): what makes one line enough for a new platform.
/// It is called in `lib.rs`, because a module's file is looked for beside the file that declares it. `cargo fmt` does not
/// follow modules that a macro declares; the check gives rustfmt the files by name.
macro_rules! platforms {
    ($($room:ident => $source:ident $(+ $dialect:ident)?,)*) => {
        $(pub mod $room;)*

        /// Every platform that calls us, sorted by slug.
        const ROOMS: &[&dyn Source] = &[$(&$room::$source,)*];

        /// How each is set up at its own side; a room and its fixtures have the platform's slug as name.
        const SETUPS: &[(&str, &str)] =
            &[$((stringify!($room), include_str!(concat!("../fixtures/", stringify!($room), "/SETUP.md"))),)*];

        /// Every way that we call, sorted by slug: all platforms' come before Bugle's own.
        const SPOKEN: &[&dyn Dialect] =
            &[$($(&$room::$dialect,)?)* &dialect::StandardWebhooks, &dialect::Template];
    };
}
pub(crate) use platforms;

/// The source called `slug`, those that are built in among them.
pub fn source(slug: &str) -> Option<&'static dyn Source> {
    SOURCES.iter().chain(BUILT_IN).find(|source| source.slug() == slug).copied()
}

/// The dialect called `slug`.
pub fn dialect(slug: &str) -> Option<&'static dyn Dialect> {
    DIALECTS.iter().find(|dialect| dialect.slug() == slug).copied()
}
