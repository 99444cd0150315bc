//! Letting others have the core.
//!
//! Work of some milliseconds and a call that waits may find themselves on the same core while the other is idle: the system
//! moves a thread only now and then, and lets what runs go on for its slice, 3 ms on Linux. So such work offers its core now
//! and then to whoever waits for it, which costs less than a microsecond when nobody does.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long work goes on before it offers its core.
const TURN: Duration = Duration::from_micros(100);

/// The time that work has had its core.
pub(crate) struct Turn {
    began: Instant,
}

impl Default for Turn {
    fn default() -> Self {
        Self { began: Instant::now() }
    }
}

impl Turn {
    /// To be called between pieces of work.
    pub(crate) fn pass(&mut self) {
        if self.began.elapsed() >= TURN {
            thread::yield_now();
            self.began = Instant::now();
        }
    }
}
