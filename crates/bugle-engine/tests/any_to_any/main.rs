//! Every platform's calls through correlation, out in every dialect, and back in again.
//!
//! - `matrix`: every event of every source in every dialect, as snapshots.
//! - `round_trip`: what a platform that goes both ways understands of what Bugle writes in its dialect.
//! - `replays`: calls in every order of arrival.
//! - `world`: one integration with what its calls led to, in memory; `stories`: the calls.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test tells by panicking; clippy allows it only in functions marked as tests"
)]

mod matrix;
mod replays;
mod round_trip;
mod stories;
mod world;
