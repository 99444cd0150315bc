//! Senders that behave as a monitoring platform does: each sends about one alert after the other, and tries again until
//! it is answered.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use serde_json::json;

use crate::stand::{
    http::{Answer, Connection, header, request},
    random::Random,
    sign,
};

/// How long a sender that got no good answer waits before it tries again.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// One alert, as far as the server answered 200 about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// Its title, which no other alert has.
    pub(crate) title: String,
    /// Whether its end was taken in too.
    pub(crate) resolved: bool,
}

/// What was sent and answered.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// The alerts whose beginning was answered with 200.
    pub(crate) alerts: Vec<Acknowledged>,
    /// Calls answered with 200.
    pub(crate) answered: u64,
    /// Calls that got no answer, because the server was dead or died.
    pub(crate) broken: u64,
    /// Calls answered with 503, to be tried again.
    pub(crate) refused: u64,
    /// Those of them that did not say when.
    pub(crate) refused_without_a_time: u64,
    /// The longest wait for an answer.
    pub(crate) longest: Duration,
}

impl Sent {
    /// The two together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.alerts.extend(other.alerts);
        self.answered += other.answered;
        self.broken += other.broken;
        self.refused += other.refused;
        self.refused_without_a_time += other.refused_without_a_time;
        self.longest = self.longest.max(other.longest);
        self
    }
}

/// Who sends what, and how fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Senders at the same time, each with a connection of its own.
    pub(crate) senders: u64,
    /// The shortest and the longest pause between two alerts of a sender, in milliseconds.
    pub(crate) pause_ms: (u64, u64),
    /// What every body is longer than it need be.
    pub(crate) padding_bytes: usize,
}

/// Where to, and with what.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Where the server listens.
    pub(crate) address: SocketAddr,
    /// The id of an integration for Datadog.
    pub(crate) integration: String,
    /// Its secret.
    pub(crate) secret: &'static str,
}

/// What all senders of a load have seen so far.
#[derive(Debug, Default)]
struct Seen {
    answered: AtomicU64,
    refused: AtomicU64,
}

/// Senders at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    seen: Arc<Seen>,
    senders: Vec<JoinHandle<Result<Sent>>>,
}

/// Starts senders of signed Datadog calls. `name` is part of every title, and the seed chooses the pauses.
pub(crate) fn start(target: &Target, pace: Pace, name: &str, seed: u64) -> Load {
    let stop = Arc::new(AtomicBool::new(false));
    let counts = Arc::new(Seen::default());
    let path: Arc<str> = format!("/api/v1/webhooks/datadog/{}", target.integration).into();
    let senders = (0..pace.senders).map(|number| {
        let sender = Sender {
            address: target.address,
            path: Arc::clone(&path),
            secret: target.secret,
            name: format!("{name}-{number}"),
            pace,
            stop: Arc::clone(&stop),
            seen: Arc::clone(&counts),
            connection: None,
            sent: Sent::default(),
        };
        let random = Random::new(seed.wrapping_add(number));
        thread::spawn(move || sender.work(random))
    });
    Load { senders: senders.collect(), stop, seen: counts }
}

impl Load {
    /// Calls answered with 200 so far.
    pub(crate) fn answered(&self) -> u64 {
        self.seen.answered.load(Ordering::Relaxed)
    }

    /// Calls answered with 503 so far.
    pub(crate) fn refused(&self) -> u64 {
        self.seen.refused.load(Ordering::Relaxed)
    }

    /// Tells the senders to stop, and does not wait until they have.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Stops the senders and adds up what they sent.
    pub(crate) fn finish(self) -> Result<Sent> {
        self.stop();
        let mut sum = Sent::default();
        for sender in self.senders {
            sum = sum.and(sender.join().map_err(|_| anyhow!("a sender panicked"))??);
        }
        Ok(sum)
    }
}

struct Sender {
    address: SocketAddr,
    path: Arc<str>,
    secret: &'static str,
    name: String,
    pace: Pace,
    stop: Arc<AtomicBool>,
    seen: Arc<Seen>,
    connection: Option<Connection>,
    sent: Sent,
}

impl Sender {
    fn work(mut self, mut random: Random) -> Result<Sent> {
        let (least_ms, most_ms) = self.pace.pause_ms;
        for count in 0_u64.. {
            let title = format!("Disk almost full on {}-{count}", self.name);
            if !self.tell(&self.alert(count, &title, "triggered"))? {
                break;
            }
            self.sent.alerts.push(Acknowledged { title: title.clone(), resolved: false });
            if random.below(2) == 0 {
                if !self.tell(&self.alert(count, &title, "resolved"))? {
                    break;
                }
                if let Some(last) = self.sent.alerts.last_mut() {
                    last.resolved = true;
                }
            }
            thread::sleep(random.millis(least_ms, most_ms));
        }
        Ok(self.sent)
    }

    /// Sends until the answer is 200; `false` when the load ended first.
    fn tell(&mut self, body: &[u8]) -> Result<bool> {
        let signature = sign::sha256_header(self.secret, body)?;
        let headers = [("content-type", "application/json"), ("x-datadog-signature", signature.as_str())];
        let message = request("POST", &self.path, &headers, body);
        while !self.stop.load(Ordering::Relaxed) {
            match self.send(&message) {
                Some(answer) if answer.status == 200 => {
                    self.sent.answered += 1;
                    self.seen.answered.fetch_add(1, Ordering::Relaxed);
                    return Ok(true);
                }
                Some(answer) if answer.status == 503 => {
                    self.sent.refused += 1;
                    self.sent.refused_without_a_time +=
                        u64::from(header(&answer.headers, "retry-after").is_none());
                    self.seen.refused.fetch_add(1, Ordering::Relaxed);
                }
                Some(Answer { status, body, .. }) => {
                    bail!("a good call was answered {status}: {}", String::from_utf8_lossy(&body));
                }
                None => self.sent.broken += 1,
            }
            thread::sleep(TRY_AGAIN_AFTER);
        }
        Ok(false)
    }

    fn send(&mut self, message: &[u8]) -> Option<Answer> {
        let began = Instant::now();
        let mut connection = self.connection.take().or_else(|| Connection::open(self.address).ok())?;
        let answer = connection.exchange(message);
        self.sent.longest = self.sent.longest.max(began.elapsed());
        let answer = answer.ok()?;
        let closes = header(&answer.headers, "connection").is_some_and(|value| value == "close");
        self.connection = (!closes).then_some(connection);
        Some(answer)
    }

    /// An alert in the form that Overwatch documents for Datadog.
    fn alert(&self, count: u64, title: &str, status: &str) -> Vec<u8> {
        json!({
            "id": format!("{}-{count}", self.name),
            "alert_type": if status == "resolved" { "success" } else { "error" },
            "alert_name": title,
            "alert_status": status,
            "severity": "high",
            "message": "Less than 5 % of the disk is free.",
            "host": format!("{}-{count}", self.name),
            "tags": ["env:crash-test", "service:storage"],
            "link": "https://app.example.com/monitors/1",
            "padding": "x".repeat(self.pace.padding_bytes),
        })
        .to_string()
        .into_bytes()
    }
}
