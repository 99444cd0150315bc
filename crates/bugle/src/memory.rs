//! Memory that the allocator keeps, given back to the system when there is nothing to do.

use std::{
    hint::black_box,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use bugle_store_sqlite::Rest;
use tokio::runtime::Handle;

/// More bytes than any machine has.
const TOO_MANY: usize = usize::MAX / 4;
/// For how long a thread of several is held, so that it does not take what is meant for another.
const HELD_FOR: Duration = Duration::from_millis(1);

/// Gives back what is kept for the store's thread that rests, and for those of the current runtime and of `others`: these know
/// no rest, and what the store has none of they have none of either.
pub fn rest<'a>(others: impl Iterator<Item = &'a Handle>) -> Rest {
    let runtimes: Vec<Handle> = others.cloned().chain([Handle::current()]).collect();
    let then = move || {
        give_back();
        for runtime in &runtimes {
            let count = runtime.metrics().num_workers();
            for _ in 0..count {
                drop(runtime.spawn(async move {
                    give_back();
                    if count > 1 {
                        thread::sleep(HELD_FOR);
                    }
                }));
            }
        }
    };
    Rest { then: Arc::new(then), ..Rest::default() }
}

/// The allocator keeps what a thread has freed until that thread asks for more, so for ever if it does not. Asked for more
/// than there can be, mimalloc gives back all it keeps for the thread before it refuses. One thread after the other: whoever
/// comes while another does so leaves to the system nothing, only to the allocator.
pub fn give_back() {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut vast = Vec::<u8>::new();
    let refused = vast.try_reserve_exact(TOO_MANY);
    // Or the compiler leaves out an allocation that nobody uses.
    black_box((vast, refused)).1.ok();
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    fn resident_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn what_was_freed_is_given_back() {
        let many = (0..1_000_000_u64).map(|number| Box::new([number; 16])).collect::<Vec<_>>();
        let full = resident_kib();
        drop(many);
        give_back();
        let left = resident_kib();
        assert!(left + 100_000 < full, "{left} KiB are left of {full}");
    }
}
