//! Witnesses of what a server promised and what it did: senders that note what was answered, receivers that note what
//! arrived, and a judge. All of it sees the server from outside, by ids and titles; nothing reaches into its database.

pub(crate) mod judge;
pub(crate) mod load;

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;

use self::{
    judge::{Arrival, Incident, Retention, Verdict},
    load::Sent,
};
use crate::stand::{
    bugle::Site,
    random::Random,
    server::{Reply, Request, Server},
    sign, wait_for,
};

/// How a receiver behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Temper {
    /// It takes everything at once.
    Kind,
    /// Of three answers one fails: with a 500, or by closing the connection.
    Moody,
    /// It takes everything, and its time too.
    Slow,
}

/// A receiver of deliveries that notes what it took.
pub(crate) struct Receiver {
    server: Server,
    temper: Temper,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
}

impl Receiver {
    /// Starts one; `random` chooses which answers fail.
    pub(crate) fn start(temper: Temper, random: Random) -> Result<Self> {
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let (noted, random) = (Arc::clone(&arrivals), Mutex::new(random));
        let server = Server::start(move |request: Request| {
            let chance = random.lock().unwrap_or_else(PoisonError::into_inner).below(6);
            match (temper, chance) {
                (Temper::Moody, 0) => return Reply::HangUp,
                (Temper::Moody, 1) => return Reply::Status(500, "not now".to_owned()),
                (Temper::Slow, _) => thread::sleep(Duration::from_millis(chance)),
                _ => {}
            }
            take(&request, &noted)
        })?;
        Ok(Self { server, temper, arrivals })
    }

    /// Makes it a destination of the server, one that is tried again until it takes everything.
    pub(crate) fn join(&self, site: &Site) -> Result<String> {
        site.destination(&json!({
            "name": format!("a receiver that is {:?}", self.temper).to_lowercase(),
            "dialect": "standard-webhooks",
            "url": format!("http://{}/hook", self.server.address()),
            "secret": secret(),
            "retry": { "max_attempts": 1000, "initial_delay_ms": 50, "factor": 1.5, "max_delay_ms": 500, "jitter": 0.2 },
            "circuit": { "failure_threshold": 10_000, "open_ms": 100, "on_open": "pause" },
        }))
    }

    /// Waits until it has seen to all that a server sent before it was killed.
    pub(crate) fn settle(&self) -> Result<()> {
        self.server.settle()
    }

    /// How many requests it took.
    pub(crate) fn taken(&self) -> usize {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Compares what it took with what the senders were promised and what the API lists.
    pub(crate) fn judge(&self, sent: &Sent, incidents: &[Incident], retention: Retention) -> Verdict {
        let arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        judge::judge(&sent.alerts, incidents, &arrivals, retention)
    }
}

fn take(request: &Request, noted: &Mutex<Vec<Arrival>>) -> Reply {
    let valid = sign::check_standard_webhooks(&secret(), &request.headers, &request.body);
    let arrival = valid.and_then(|()| Arrival::read(&request.body));
    let status = if arrival.is_ok() { 204 } else { 400 };
    let arrival = arrival.unwrap_or_else(|problem| Arrival::Invalid(format!("{problem:#}")));
    noted.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
    Reply::Status(status, String::new())
}

fn secret() -> String {
    format!("whsec_{}", BASE64.encode("another key of thirty-two bytes."))
}

/// Waits until nothing is left to do: no receipt to process, no delivery to make to `destinations`.
pub(crate) fn drain(site: &Site, within: Duration, destinations: &[String]) -> Result<()> {
    let mut paths = vec!["/receipts?state=pending".to_owned()];
    for id in destinations {
        paths.extend(
            ["pending", "blocked"].map(|state| format!("/deliveries?destination_id={id}&state={state}")),
        );
    }
    wait_for("everything to be delivered", within, || {
        for path in &paths {
            let page = site.call("GET", &format!("{path}&limit=1"), None)?;
            if !page["data"].as_array().context("a list without data")?.is_empty() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .with_context(|| format!("the server's log ends:\n{}", site.log_end()))
}

/// Judges what each receiver got; what is missing or wrong is the error. The words of the first are the summary.
pub(crate) fn judge_all(
    site: &Site,
    sent: &Sent,
    receivers: &[Receiver],
    retention: Retention,
) -> Result<String> {
    let incidents: Vec<_> = site.list("/incidents")?.iter().map(Incident::read).collect::<Result<_>>()?;
    let mut summary = String::new();
    for receiver in receivers {
        let verdict = receiver.judge(sent, &incidents, retention);
        ensure!(
            verdict.problems.is_empty(),
            "{:?}: {verdict}\n{}",
            receiver.temper,
            verdict.first_problems()
        );
        if summary.is_empty() {
            summary = verdict.to_string();
        }
    }
    Ok(summary)
}
