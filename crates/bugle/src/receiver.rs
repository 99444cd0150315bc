//! A receiver of webhooks that verifies, remembers and judges what it gets: what `bugle listen` and the demo stand on.
//!
//! Nothing here opens a socket or prints.

use std::collections::{HashMap, HashSet, VecDeque};

use bugle_model::{Timestamp, Verification};
use bugle_platforms::{
    Inbound,
    scheme::{Hmac, Scheme},
};
use secrecy::SecretString;
use serde_json::Value;

use crate::proof::judge;

/// Ids and incidents that are remembered; beyond, the oldest are forgotten.
const REMEMBERED_MAX: usize = 100_000;

/// Where an event stands among those of its incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// After every event of the incident that came before.
    Next,
    /// Not after the one with this number.
    Late {
        /// The greatest number that came before.
        after: u64,
    },
    /// The same message again.
    Again,
    /// The body has no number.
    Unnumbered,
}

/// One webhook, judged.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// When it came.
    pub at: Timestamp,
    /// Whether its sender is proven.
    pub verification: Verification,
    /// The message's id, the same on every attempt.
    pub id: Option<String>,
    /// What happened: `incident.created`, ...
    pub event: Option<String>,
    /// The incident it happened to.
    pub incident: Option<String>,
    /// The event's number within its incident.
    pub sequence: Option<u64>,
    /// Where it stands among the others.
    pub order: Order,
    /// The body as JSON, if it is.
    pub body: Option<Value>,
}

impl Arrival {
    /// Whether its sender is proven.
    pub const fn is_verified(&self) -> bool {
        matches!(self.verification, Verification::Verified { .. })
    }

    /// A text in the body.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.body.as_ref()?.pointer(pointer)?.as_str()
    }
}

/// Judges webhooks as they come.
#[derive(Debug, Default)]
pub struct Receiver {
    secrets: Vec<SecretString>,
    seen: HashSet<String>,
    seen_order: VecDeque<String>,
    sequences: HashMap<String, u64>,
}

/// Headers that carry a message's id, the one of Standard Webhooks first.
const ID_HEADERS: &[&str] = &["webhook-id", "idempotency-key"];

impl Receiver {
    /// A receiver that knows these secrets; without any, nothing can be verified.
    pub fn new(secrets: Vec<SecretString>) -> Self {
        Self { secrets, ..Self::default() }
    }

    /// Judges one webhook without remembering it: one that is to be answered with a failure.
    pub fn look(&self, inbound: &Inbound<'_>, at: Timestamp) -> Arrival {
        let body: Option<Value> = serde_json::from_slice(inbound.body).ok();
        let text = |pointers: &[&str]| {
            let found = pointers.iter().find_map(|pointer| body.as_ref()?.pointer(pointer)?.as_str());
            found.map(str::to_owned)
        };
        let id = ID_HEADERS.iter().find_map(|name| inbound.header(name)).map(str::to_owned);
        let id = id.or_else(|| text(&["/data/event/id", "/event/id"]));
        let incident = text(&["/data/incident/id", "/incident/id", "/incident_id"]);
        let sequence = ["/data/event/sequence", "/event/sequence", "/sequence"]
            .iter()
            .find_map(|pointer| body.as_ref()?.pointer(pointer)?.as_u64());
        let order = self.order(id.as_deref(), incident.as_deref(), sequence);
        Arrival {
            at,
            verification: judge(&schemes(inbound), &self.secrets, &[], inbound, at),
            id,
            event: text(&["/type", "/data/event/type", "/event/type", "/event"]),
            incident,
            sequence,
            order,
            body,
        }
    }

    /// Judges one webhook and remembers it when its sender is proven, or cannot be for want of a secret.
    pub fn take(&mut self, inbound: &Inbound<'_>, at: Timestamp) -> Arrival {
        let arrival = self.look(inbound, at);
        if matches!(arrival.verification, Verification::Failed { .. }) {
            return arrival;
        }
        if let Some(id) = &arrival.id
            && self.seen.insert(id.clone())
        {
            self.seen_order.push_back(id.clone());
        }
        if self.seen_order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.seen_order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        if let (Some(incident), Some(sequence)) = (&arrival.incident, arrival.sequence) {
            if self.sequences.len() >= REMEMBERED_MAX {
                self.sequences.clear();
            }
            let last = self.sequences.entry(incident.clone()).or_default();
            *last = sequence.max(*last);
        }
        arrival
    }

    fn order(&self, id: Option<&str>, incident: Option<&str>, sequence: Option<u64>) -> Order {
        if id.is_some_and(|id| self.seen.contains(id)) {
            return Order::Again;
        }
        let (Some(incident), Some(sequence)) = (incident, sequence) else { return Order::Unnumbered };
        match self.sequences.get(incident) {
            Some(last) if *last >= sequence => Order::Late { after: *last },
            _ => Order::Next,
        }
    }
}

/// How a webhook of a hub is proven: with a body hash or a token where it brings one, by Standard Webhooks otherwise.
fn schemes(inbound: &Inbound<'_>) -> Vec<Scheme> {
    let standard = Scheme::Hmac(Hmac::standard_webhooks());
    let body_hash = Scheme::Hmac(Hmac::sha256_hex("X-Bugle-Signature", "sha256="));
    if inbound.header("webhook-signature").is_some() {
        vec![standard]
    } else if inbound.header("x-bugle-signature").is_some() {
        vec![body_hash]
    } else if inbound.header("authorization").is_some() {
        vec![Scheme::Bearer]
    } else {
        vec![standard, body_hash]
    }
}

#[cfg(test)]
mod tests {
    use bugle_platforms::dialect::Stamp;
    use serde_json::json;

    use super::*;

    const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    fn send(receiver: &mut Receiver, secret: &str, id: &str, sequence: u64) -> Arrival {
        let at = Timestamp::from_seconds(1_795_000_000);
        let body = json!({"type": "incident.updated", "data": {"event": {"sequence": sequence}, "incident": {"id": "inc_1"}}});
        let body = body.to_string().into_bytes();
        let scheme = Scheme::Hmac(Hmac::standard_webhooks());
        let headers = scheme.sign(&[secret], &Stamp { id, at }, &body).unwrap().headers;
        receiver.take(&Inbound { query: "", headers: &headers, body: &body }, at)
    }

    #[test]
    fn order_repeats_and_lateness_are_told_apart() {
        let mut receiver = Receiver::new(vec![SECRET.into()]);
        let orders = [("evt_1", 1), ("evt_3", 3), ("evt_3", 3), ("evt_2", 2), ("evt_4", 4)]
            .map(|(id, sequence)| send(&mut receiver, SECRET, id, sequence).order);
        assert_eq!(orders, [Order::Next, Order::Next, Order::Again, Order::Late { after: 3 }, Order::Next]);
    }

    #[test]
    fn what_is_not_proven_is_said_and_not_remembered() {
        let mut receiver = Receiver::new(vec![SECRET.into()]);
        let forged = send(&mut receiver, "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=", "evt_1", 9);
        assert!(
            matches!(&forged.verification, Verification::Failed { reason, .. } if reason == "signature_mismatch")
        );
        let real = send(&mut receiver, SECRET, "evt_1", 1);
        assert!(real.is_verified() && real.order == Order::Next);
    }

    #[test]
    fn a_body_hash_verifies_too_and_without_a_secret_nothing_does() {
        let at = Timestamp::from_seconds(1_795_000_000);
        let body = br#"{"incident_id": "inc_1", "status": "open"}"#;
        let scheme = Scheme::Hmac(Hmac::sha256_hex("X-Bugle-Signature", "sha256="));
        let headers = scheme.sign(&["plain secret"], &Stamp { id: "", at }, body).unwrap().headers;
        let inbound = Inbound { query: "", headers: &headers, body };
        let arrival = Receiver::new(vec!["plain secret".into()]).take(&inbound, at);
        assert!(arrival.is_verified());
        assert_eq!((arrival.incident.as_deref(), arrival.order), (Some("inc_1"), Order::Unnumbered));
        assert_eq!(Receiver::default().take(&inbound, at).verification, Verification::Unverified);
    }
}
