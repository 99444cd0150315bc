//! Senders that behave as a monitoring platform does: each sends about one alert after the other, and tries again until
//! it is answered.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Result, anyhow, bail};
use serde_json::json;

use crate::stand::{
    http::{Connection, request},
    random::Random,
    sign,
};

/// One alert, as far as the server answered 200 about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Acknowledged {
    /// Its title, which no other alert has.
    pub(super) title: String,
    /// Whether its end was taken in too.
    pub(super) resolved: bool,
}

/// What was sent and answered.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// The alerts whose beginning was answered with 200.
    pub(super) alerts: Vec<Acknowledged>,
    /// Calls answered with 200.
    pub(super) answered: u64,
    /// Calls that got no answer, because the server was dead or died.
    pub(super) broken: u64,
    /// Calls answered with 503, to be tried again.
    pub(super) refused: u64,
}

/// Senders at work.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    senders: Vec<JoinHandle<Result<Sent>>>,
}

/// Starts `count` senders of signed Datadog calls.
pub(super) fn start(
    address: SocketAddr,
    integration: &str,
    secret: &'static str,
    count: u64,
    seed: u64,
) -> Load {
    let stop = Arc::new(AtomicBool::new(false));
    let path: Arc<str> = format!("/api/v1/webhooks/datadog/{integration}").into();
    let senders = (0..count).map(|number| {
        let sender = Sender {
            address,
            path: Arc::clone(&path),
            secret,
            stop: Arc::clone(&stop),
            connection: None,
            sent: Sent::default(),
        };
        let random = Random::new(seed.wrapping_add(number));
        thread::spawn(move || sender.work(number, random))
    });
    Load { senders: senders.collect(), stop }
}

impl Load {
    /// Stops the senders and adds up what they sent.
    pub(super) fn finish(self) -> Result<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Sent::default();
        for sender in self.senders {
            let sent = sender.join().map_err(|_| anyhow!("a sender panicked"))??;
            sum.alerts.extend(sent.alerts);
            sum.answered += sent.answered;
            sum.broken += sent.broken;
            sum.refused += sent.refused;
        }
        Ok(sum)
    }
}

struct Sender {
    address: SocketAddr,
    path: Arc<str>,
    secret: &'static str,
    stop: Arc<AtomicBool>,
    connection: Option<Connection>,
    sent: Sent,
}

impl Sender {
    fn work(mut self, number: u64, mut random: Random) -> Result<Sent> {
        for count in 0_u64.. {
            let title = format!("Disk almost full on node-{number}-{count}");
            if !self.tell(&alert(number, count, &title, "triggered"))? {
                break;
            }
            self.sent.alerts.push(Acknowledged { title: title.clone(), resolved: false });
            if random.below(2) == 0 {
                if !self.tell(&alert(number, count, &title, "resolved"))? {
                    break;
                }
                if let Some(last) = self.sent.alerts.last_mut() {
                    last.resolved = true;
                }
            }
            thread::sleep(random.millis(5, 40));
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
                Some((200, _)) => {
                    self.sent.answered += 1;
                    return Ok(true);
                }
                Some((503, _)) => self.sent.refused += 1,
                Some((status, said)) => bail!("a good call was answered {status}: {said}"),
                None => self.sent.broken += 1,
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(false)
    }

    fn send(&mut self, message: &[u8]) -> Option<(u16, String)> {
        let mut connection = self.connection.take().or_else(|| Connection::open(self.address).ok())?;
        let answer = connection.exchange(message).ok()?;
        self.connection = Some(connection);
        Some((answer.status, String::from_utf8_lossy(&answer.body).into_owned()))
    }
}

/// An alert in the form that Overwatch documents for Datadog.
fn alert(number: u64, count: u64, title: &str, status: &str) -> Vec<u8> {
    json!({
        "id": format!("{}", (number + 1) * 10_000_000 + count),
        "alert_type": if status == "resolved" { "success" } else { "error" },
        "alert_name": title,
        "alert_status": status,
        "severity": "high",
        "message": "Less than 5 % of the disk is free.",
        "host": format!("node-{number}-{count}"),
        "tags": ["env:crash-test", "service:storage"],
        "link": "https://app.example.com/monitors/1",
    })
    .to_string()
    .into_bytes()
}
