//! What the live tests share: HTTP by hand over blocking sockets, a receiver, signatures written a second time, and the
//! server under test as a child process.
//!
//! None of it uses Bugle's own crates: a mistake that both sides shared would not be seen.

pub(crate) mod bugle;
pub(crate) mod http;
pub(crate) mod process;
pub(crate) mod random;
pub(crate) mod server;
pub(crate) mod sign;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// A loopback address that nobody listens on at this moment.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
    Ok(listener.local_addr()?)
}

/// Asks `question` again and again until it has an answer, or until `limit` has passed.
pub(crate) fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut question: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        let answer = question();
        if let Ok(Some(answer)) = answer {
            return Ok(answer);
        }
        if started.elapsed() > limit {
            let seconds = limit.as_secs();
            return match answer {
                Err(problem) => Err(problem.context(format!("waited {seconds} s for {what}"))),
                _ => bail!("waited {seconds} s for {what}, and it did not come"),
            };
        }
        thread::sleep(Duration::from_millis(20));
    }
}
