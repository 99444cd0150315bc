//! Senders that mean no good: each is bounded, and the others are served all the while.

use std::{
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use super::stage::Stage;

/// Connections of the crowd that says nothing.
const SILENT: usize = 2_500;
/// Connections of the crowd whose bodies drip.
const DRIPPING: usize = 1_000;
/// Descriptors that this process needs for everything else.
const DESCRIPTORS_SPARED: usize = 400;
/// How much of a head without an end is sent; the server reads a small part of it.
const HEAD_BYTES_SENT: usize = 2 << 20;
/// Longest wait of a good caller in the midst of all this.
const SERVED_WITHIN: Duration = Duration::from_secs(5);

/// A crowd whose bodies come a byte a second; good callers do not notice.
pub(super) fn drip(stage: &mut Stage) -> Result<()> {
    let head = format!(
        "POST /api/v1/webhooks/datadog/{} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n",
        stage.target.integration
    );
    let mut crowd = crowd(stage, DRIPPING)?;
    for stream in &mut crowd {
        stream.write_all(head.as_bytes())?;
    }
    for _ in 0..5 {
        for stream in &mut crowd {
            stream.write_all(b" ")?;
        }
        serves(stage)?;
        thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

/// Some thousands of connections that say nothing, and some thousands that come and go.
pub(super) fn crowd_in(stage: &mut Stage) -> Result<()> {
    let silent = crowd(stage, SILENT)?;
    serves(stage)?;
    drop(silent);
    for _ in 0..2_000 {
        drop(TcpStream::connect(stage.site.address())?);
    }
    stage.says_ready(true)?;
    serves(stage)
}

/// Heads that are too large, have too many headers, or never end.
pub(super) fn bomb(stage: &mut Stage) -> Result<()> {
    let line = |size: usize| format!("x-bomb: {}\r\n", "b".repeat(size));
    for (what, headers) in [
        ("a header of 256 KiB", line(256 * 1024)),
        ("a thousand headers", line(1).repeat(1000)),
        ("headers of 8 MiB", line(1000).repeat(8 * 1024)),
    ] {
        for _ in 0..20 {
            let status = throw(stage, &headers)?;
            ensure!(matches!(status, None | Some(431)), "{what}: answered {status:?}");
        }
    }
    serves(stage)
}

/// Sends a head with these headers, over and over, until nobody takes more; gives the answer's status, or none when the
/// connection was closed without one.
fn throw(stage: &Stage, headers: &str) -> Result<Option<u16>> {
    let mut stream = TcpStream::connect(stage.site.address())?;
    stream.set_read_timeout(Some(SERVED_WITHIN))?;
    stream.set_write_timeout(Some(Duration::from_millis(200)))?;
    let path = &stage.target.integration;
    let mut sent = 0;
    let mut part =
        format!("POST /api/v1/webhooks/datadog/{path} HTTP/1.1\r\nhost: localhost\r\n").into_bytes();
    while sent < HEAD_BYTES_SENT {
        match stream.write(&part) {
            Ok(written) => sent += written,
            Err(_) => break,
        }
        part = headers.as_bytes().to_vec();
    }
    let mut answer = [0; 12];
    match stream.read_exact(&mut answer) {
        Ok(()) => Ok(std::str::from_utf8(&answer)?.split(' ').nth(1).and_then(|word| word.parse().ok())),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            bail!("a head without an end was neither answered nor closed")
        }
        Err(_) => Ok(None),
    }
}

/// Good callers are answered, and soon.
fn serves(stage: &mut Stage) -> Result<()> {
    let began = Instant::now();
    stage.answers(30)?;
    let took = began.elapsed();
    ensure!(took < SERVED_WITHIN, "good callers waited {:.1} s", took.as_secs_f64());
    Ok(())
}

/// That many connections, or as many as this process may have open.
fn crowd(stage: &Stage, wanted: usize) -> Result<Vec<TcpStream>> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line =
        limits.lines().find(|line| line.starts_with("Max open files")).context("no limit of open files")?;
    let open_max: usize = line.split_whitespace().nth(3).context("no number")?.parse().unwrap_or(usize::MAX);
    let count = wanted.min(open_max.saturating_sub(DESCRIPTORS_SPARED));
    (0..count).map(|_| Ok(TcpStream::connect(stage.site.address())?)).collect()
}
