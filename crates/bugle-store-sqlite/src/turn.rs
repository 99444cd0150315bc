//! Letting callers have the core.
//!
//! A thread that has work for some milliseconds and one that a caller waits for may find themselves on the same core while
//! another is idle: the system moves a thread only now and then, and lets the one that runs go on for its slice, 3 ms on Linux.
//! So while calls come, such work offers its core now and then to whoever waits for it.
//!
//! Who offers a core gives up what is left of its slice, and may get little of a core that several others want. So nobody does
//! once half of the room for what waits to be taken in is filled: calls are about to wait for that work itself.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long work goes on before it offers its core.
const TURN: Duration = Duration::from_micros(100);
/// So long after a call another one may come.
const CALLS_GO_ON: Duration = Duration::from_millis(20);

/// From when on the time of calls is counted.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);
/// The calls of the whole process, as the cores are shared by all of it.
static CALLS: Calls = Calls::new();

/// Notes that a call is there.
pub(crate) fn call_comes() {
    CALLS.note(START.elapsed());
}

/// Says whether calls are about to wait for the work that offers its core.
pub(crate) fn calls_need_work(is_so: bool) {
    CALLS.need_work.store(is_so, Ordering::Relaxed);
}

struct Calls {
    go_on_until_us: AtomicU64,
    need_work: AtomicBool,
}

impl Calls {
    const fn new() -> Self {
        Self { go_on_until_us: AtomicU64::new(0), need_work: AtomicBool::new(false) }
    }

    fn note(&self, now: Duration) {
        self.go_on_until_us.store(us(now + CALLS_GO_ON), Ordering::Relaxed);
    }

    fn need_a_core(&self, now: Duration) -> bool {
        us(now) < self.go_on_until_us.load(Ordering::Relaxed) && !self.need_work.load(Ordering::Relaxed)
    }
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

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
        if self.began.elapsed() < TURN {
            return;
        }
        if CALLS.need_a_core(START.elapsed()) {
            thread::yield_now();
        }
        self.began = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_is_offered_while_calls_come() {
        const MS: Duration = Duration::from_millis(1);
        let calls = Calls::new();
        assert!(!calls.need_a_core(Duration::ZERO) && !calls.need_a_core(5 * MS), "none has come yet");
        calls.note(5 * MS);
        assert!(calls.need_a_core(5 * MS) && calls.need_a_core(24 * MS) && !calls.need_a_core(25 * MS));
        calls.note(20 * MS);
        assert!(calls.need_a_core(39 * MS) && !calls.need_a_core(40 * MS));
        calls.need_work.store(true, Ordering::Relaxed);
        assert!(!calls.need_a_core(20 * MS), "the work comes first");
        calls.need_work.store(false, Ordering::Relaxed);
        assert!(calls.need_a_core(20 * MS));
    }
}
