//! Receivers that misbehave: each attempt is recorded with its reason and made again, and nobody else is hurt.

use std::{
    io::{self, BufReader, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::stage::Stage;
use crate::stand::{free_address, http::read_head};

/// What a receiver does with one request.
type Manners = fn(TcpStream) -> io::Result<()>;

/// Each with its manners and the reasons that its attempts may be recorded with.
const BAD: &[(&str, Manners, &[&str])] = &[
    ("breaks off in the midst of its answer", breaks_off, &["io"]),
    ("answers with a body that drips for ever", body_drips, &["timeout"]),
    ("answers with headers that drip for ever", headers_drip, &["timeout"]),
    ("answers with more headers than there can be", headers_flood, &["io"]),
    ("answers with what is no HTTP", babbles, &["io"]),
    ("sends elsewhere", redirects, &["302"]),
];

/// All of them beside two that are well.
pub(super) fn misbehave(stage: &mut Stage) -> Result<()> {
    let mut doors = Vec::new();
    let mut waiting = Vec::new();
    for (name, manners, reasons) in BAD {
        let door = Door::open(*manners)?;
        waiting.push((*name, join(stage, name, &format!("http://{}/hook", door.address))?, *reasons));
        doors.push(door);
    }
    let nobody = free_address()?;
    waiting.push((
        "is not there",
        join(stage, "is not there", &format!("http://{nobody}/hook"))?,
        &["connect"],
    ));
    let nameless = join(stage, "has no name", "http://receiver.invalid/hook")?;
    waiting.push(("has no name", nameless, &["dns", "timeout"]));
    let endless = Door::open(body_floods)?;
    let flooded = join(stage, "answers without an end", &format!("http://{}/hook", endless.address))?;

    stage.answers(100)?;
    for (name, destination, reasons) in &waiting {
        stage.until(&format!("two attempts at a receiver that {name}"), |stage| {
            Ok(twice_tried(stage, destination)?.is_some())
        })?;
        let delivery = twice_tried(stage, destination)?.context("it was there just now")?;
        let attempts = delivery["attempt_log"].as_array().context("no attempt_log")?;
        for attempt in attempts {
            let verdict = attempt["verdict"].to_string();
            let told = reasons.iter().any(|reason| verdict.contains(reason));
            ensure!(told, "an attempt at a receiver that {name} was recorded as {attempt}");
        }
    }
    // What a receiver sends without an end is cut; that it took the event was said before.
    stage.until("deliveries to a receiver whose answer has no end", |stage| {
        // All of them: the newest, which stand first, wait while calls go on, and may be so many that the first page is empty.
        let path = format!("/deliveries?destination_id={flooded}&state=delivered");
        Ok(!stage.site.list(&path)?.is_empty())
    })?;
    let expected = usize::try_from(stage.load.answered())?;
    stage.until("the good receiver to have all that was sent until now", |stage| {
        Ok(stage.receivers.first().is_some_and(|receiver| receiver.taken() >= expected))
    })?;
    let followed = doors.iter().map(|door| door.strays.load(Ordering::Relaxed)).sum::<u64>();
    ensure!(followed == 0, "{followed} redirects were followed");
    Ok(())
}

fn join(stage: &Stage, name: &str, url: &str) -> Result<String> {
    stage.site.destination(&json!({
        "name": format!("a receiver that {name}"),
        "dialect": "standard-webhooks",
        "url": url,
        "timeout_ms": 1000,
        "retry": { "max_attempts": 1000, "initial_delay_ms": 100, "factor": 1.0, "max_delay_ms": 200, "jitter": 0.2 },
        "circuit": { "failure_threshold": 10_000, "open_ms": 100, "on_open": "pause" },
    }))
}

/// A delivery to `destination` that waits for its third attempt or a later one, with its attempts.
fn twice_tried(stage: &Stage, destination: &str) -> Result<Option<Value>> {
    // All of them: the newest, which stand first, are tried last while calls go on.
    let all = stage.site.list(&format!("/deliveries?destination_id={destination}&state=pending"))?;
    let Some(one) = all.iter().find(|one| one["attempts"].as_u64() >= Some(2)) else { return Ok(None) };
    let id = one["id"].as_str().context("no id")?;
    stage.site.call("GET", &format!("/deliveries/{id}"), None).map(Some)
}

/// A listener with bad manners. It stops taking connections when dropped.
struct Door {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    /// Requests for a place that only a redirect names.
    strays: Arc<AtomicU64>,
}

impl Door {
    fn open(manners: Manners) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
        let address = listener.local_addr()?;
        let (stopped, strays) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (flag, count) = (Arc::clone(&stopped), Arc::clone(&strays));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if flag.load(Ordering::Relaxed) {
                    return;
                }
                let count = Arc::clone(&count);
                // That the client leaves is what most of them wait for.
                thread::spawn(move || drop(receive(stream, manners, &count)));
            }
        });
        Ok(Self { address, stopped, strays })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
    }
}

fn receive(stream: TcpStream, manners: Manners, strays: &AtomicU64) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1, stream);
    let head = read_head(&mut reader)?;
    if head.is_some_and(|(first, _)| first.contains("/elsewhere")) {
        strays.fetch_add(1, Ordering::Relaxed);
    }
    manners(reader.into_inner())
}

/// The request's body was not read, so closing resets the connection.
fn breaks_off(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc")
}

fn body_drips(stream: TcpStream) -> io::Result<()> {
    drip(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", b"a")
}

fn headers_drip(stream: TcpStream) -> io::Result<()> {
    drip(stream, b"HTTP/1.1 200 OK\r\nx-drip: ", b"a")
}

fn drip(mut stream: TcpStream, head: &[u8], drop: &[u8]) -> io::Result<()> {
    stream.write_all(head)?;
    loop {
        stream.write_all(drop)?;
        thread::sleep(Duration::from_millis(100));
    }
}

fn headers_flood(stream: TcpStream) -> io::Result<()> {
    flood(stream, b"HTTP/1.1 200 OK\r\n", b"x-flood: again and again\r\n")
}

fn body_floods(stream: TcpStream) -> io::Result<()> {
    flood(stream, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"8\r\nendless!\r\n")
}

fn flood(mut stream: TcpStream, head: &[u8], wave: &[u8]) -> io::Result<()> {
    stream.write_all(head)?;
    let wave = wave.repeat(100);
    loop {
        stream.write_all(&wave)?;
    }
}

fn babbles(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(b"220 mail.example.com ESMTP ready\r\n\r\n")
}

fn redirects(mut stream: TcpStream) -> io::Result<()> {
    let place = stream.local_addr()?;
    let answer =
        format!("HTTP/1.1 302 Found\r\nlocation: http://{place}/elsewhere\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes())?;
    // What is unread when it closes would reset the connection, and the answer could be lost with it.
    stream.shutdown(Shutdown::Write)?;
    io::copy(&mut stream, &mut io::sink()).map(drop)
}
