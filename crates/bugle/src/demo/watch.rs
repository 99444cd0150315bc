//! Waiting until everything has arrived, and saying what did.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use http::Method;
use serde_json::Value;

use super::{
    inbox::{Door, Inbox, Received},
    stage::{Sent, Stage},
};
use crate::{
    client::with_query,
    output::{Paint, clean},
    receiver::Order,
    sample::Phase,
    send::percentile,
};

/// What the hub says of one platform's incident, and what arrived of it.
#[derive(Debug)]
struct Story {
    incident: Option<String>,
    /// The last call that was sent.
    last: Phase,
    severity: String,
    events: Vec<Told>,
    arrived: Vec<Received>,
    refused: Vec<String>,
}

/// One event on the hub's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    sequence: u64,
    kind: String,
}

/// What the demo came to.
#[derive(Debug, Default)]
pub struct Outcome {
    platforms: usize,
    calls: usize,
    complete: usize,
    delivered: usize,
    latencies_ms: Vec<f64>,
    troubles: Vec<String>,
}

impl Outcome {
    /// Whether everything arrived, verified and in order.
    pub const fn is_good(&self) -> bool {
        self.troubles.is_empty() && self.complete == self.platforms && self.platforms > 0
    }
}

/// Shows each platform's row as soon as it is complete, or at the end what it lacks.
pub async fn until_all_arrived(
    stage: &Stage,
    inbox: &Inbox,
    sent: &[Sent],
    within: Duration,
) -> anyhow::Result<Outcome> {
    let deadline = Instant::now() + within;
    let calls = sent.iter().map(|one| one.at.len()).sum();
    let mut outcome = Outcome { platforms: sent.len(), calls, ..Outcome::default() };
    let mut waiting: Vec<&Sent> = sent.iter().collect();
    let width = sent.iter().map(|one| one.player.source.slug().len()).max().unwrap_or_default();
    let heading = format!(
        "{:<width$}  {:<17}  {:<8}  {:<18}  EVENTS, AND HOW LONG EACH TOOK",
        "PLATFORM", "INCIDENT", "SEVERITY", "CHECKED"
    );
    stage.output.line(stage.output.paint(Paint::Bold, heading));
    loop {
        let seen = inbox.count();
        let late = Instant::now() >= deadline;
        let mut still = Vec::new();
        for one in waiting {
            let story = Story::read(stage, inbox, one).await?;
            if late || story.is_complete() {
                story.tell(stage, one, width, &mut outcome);
            } else {
                still.push(one);
            }
        }
        waiting = still;
        if waiting.is_empty() {
            return Ok(outcome);
        }
        // The hub's own state changes without anything arriving, so it is asked again soon in any case.
        inbox.changed(seen, Duration::from_millis(50)).await;
    }
}

impl Story {
    async fn read(stage: &Stage, inbox: &Inbox, sent: &Sent) -> anyhow::Result<Self> {
        let slug = sent.player.source.slug();
        let path = with_query("/api/v1/incidents", &[("platform", Some(slug)), ("limit", Some("200"))]);
        let page = stage.client.json(Method::GET, &path, None).await?;
        let rows = page.get("data").and_then(Value::as_array).context("the hub's list has no `data`")?;
        let ours = |row: &&Value| {
            row.get("integration_id").and_then(Value::as_str) == Some(&sent.player.integration)
        };
        let mut story = Self { refused: sent.refused.clone(), ..Self::of(sent.player.last) };
        let Some(row) = rows.iter().find(ours) else { return Ok(story) };
        let word = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let incident = word("id");
        story.severity = word("severity");
        let path = format!("/api/v1/incidents/{incident}/timeline?limit=200");
        let page = stage.client.json(Method::GET, &path, None).await?;
        let events = page.get("data").and_then(Value::as_array).context("the timeline has no `data`")?;
        story.events = events.iter().filter_map(told).collect();
        story.arrived = inbox
            .since(0)
            .into_iter()
            .filter(|received| received.arrival.incident.as_deref() == Some(&incident))
            .collect();
        story.incident = Some(incident);
        Ok(story)
    }

    /// One of which nothing is known yet.
    const fn of(last: Phase) -> Self {
        Self {
            incident: None,
            last,
            severity: String::new(),
            events: Vec::new(),
            arrived: Vec::new(),
            refused: Vec::new(),
        }
    }

    fn at(&self, door: Door) -> impl Iterator<Item = &Received> {
        self.arrived.iter().filter(move |received| received.door == door)
    }

    /// What the two destinations must get: everything, and beginnings and ends.
    fn due(&self, door: Door) -> Vec<u64> {
        let wanted = |told: &&Told| {
            door == Door::Standard || matches!(told.kind.as_str(), "incident.created" | "incident.resolved")
        };
        self.events.iter().filter(wanted).map(|told| told.sequence).collect()
    }

    fn is_complete(&self) -> bool {
        self.troubles().is_empty()
    }

    /// What is not as it should be, or not yet.
    fn troubles(&self) -> Vec<String> {
        let mut troubles = self.refused.clone();
        if self.incident.is_none() {
            troubles.push("no incident".into());
            return troubles;
        }
        if self.events.last().map(|told| cause(&told.kind)) != Some(self.last) {
            troubles.push(format!("its incident does not end with what `{}` leads to", self.last.as_str()));
        }
        for door in [Door::Standard, Door::Template] {
            let name = if door == Door::Standard { "standard-webhooks" } else { "template" };
            let got: Vec<u64> = self.at(door).filter_map(|received| received.arrival.sequence).collect();
            let due = self.due(door);
            if got != due {
                troubles.push(format!("{name} is to get events {due:?} in this order, and got {got:?}"));
            }
            if self.at(door).any(|received| !received.arrival.is_verified()) {
                troubles.push(format!("{name} got something that was NOT verified"));
            }
            if self.at(door).any(|received| received.arrival.order != Order::Next) {
                troubles.push(format!("{name} got something out of order, or twice"));
            }
        }
        troubles
    }

    fn tell(&self, stage: &Stage, sent: &Sent, width: usize, outcome: &mut Outcome) {
        let out = stage.output;
        let slug = sent.player.source.slug();
        let troubles = self.troubles();
        outcome.delivered += self.arrived.len();
        let steps: Vec<String> = self
            .events
            .iter()
            .map(|told| {
                let word = told.kind.strip_prefix("incident.").unwrap_or(&told.kind);
                let arrived = self.at(Door::Standard).find(|one| one.arrival.sequence == Some(told.sequence));
                let latency = arrived.and_then(|arrived| {
                    Some(
                        arrived.at.saturating_duration_since(sent.sent_at(cause(&told.kind))?).as_secs_f64()
                            * 1000.0,
                    )
                });
                outcome.latencies_ms.extend(latency);
                match latency {
                    Some(latency) => {
                        format!("{} {}", clean(word), out.paint(Paint::Dim, format!("{latency:.1} ms")))
                    }
                    None => format!("{} {}", clean(word), out.paint(Paint::Bad, "missing")),
                }
            })
            .collect();
        let mark = if troubles.is_empty() {
            outcome.complete += 1;
            out.paint(Paint::Good, format!("{:<18}", "verified, in order"))
        } else {
            out.paint(Paint::Bad, format!("{:<18}", "NOT as it should"))
        };
        let incident = self.incident.as_deref().unwrap_or("-");
        let steps = if steps.is_empty() { "-".to_owned() } else { steps.join(", ") };
        out.line(format!("{slug:<width$}  {incident:<17}  {:<8}  {mark}  {steps}", clean(&self.severity)));
        outcome.troubles.extend(troubles.into_iter().map(|trouble| format!("{slug}: {trouble}")));
    }
}

fn told(event: &Value) -> Option<Told> {
    Some(Told { sequence: event.get("sequence")?.as_u64()?, kind: event.get("kind")?.as_str()?.to_owned() })
}

/// Which call leads to an event.
fn cause(kind: &str) -> Phase {
    match kind {
        "incident.created" => Phase::Firing,
        "incident.resolved" => Phase::Resolved,
        _ => Phase::Update,
    }
}

/// The totals, and what was not as it should be.
pub fn sum_up(stage: &Stage, outcome: &Outcome, took: Duration) {
    let out = stage.output;
    let mut sorted = outcome.latencies_ms.clone();
    sorted.sort_by(f64::total_cmp);
    out.line("");
    for trouble in &outcome.troubles {
        out.line(format!("{} {}", out.paint(Paint::Bad, "x"), clean(trouble)));
    }
    let (paint, word) =
        if outcome.is_good() { (Paint::Good, "All arrived") } else { (Paint::Bad, "Not all arrived") };
    out.line(format!(
        "{}: {} of {} platforms, {} calls in, {} deliveries out, every one checked. From call to arrival: half within \
         {:.1} ms, all within {:.1} ms. It took {:.1} s.",
        out.paint(paint, word),
        outcome.complete,
        outcome.platforms,
        outcome.calls,
        outcome.delivered,
        percentile(&sorted, 50),
        percentile(&sorted, 100),
        took.as_secs_f64(),
    ));
}

#[cfg(test)]
mod tests {
    use bugle_model::{SecretId, Timestamp, Verification};

    use super::*;
    use crate::receiver::Arrival;

    fn received(door: Door, sequence: u64, verified: bool, order: Order) -> Received {
        let verification = if verified {
            Verification::Verified { scheme: "webhook-signature".into(), secret_id: SecretId::from_i64(1) }
        } else {
            Verification::Unverified
        };
        let arrival = Arrival {
            at: Timestamp::from_seconds(0),
            verification,
            id: None,
            event: None,
            incident: Some("inc_1".into()),
            sequence: Some(sequence),
            order,
            body: None,
        };
        Received { door, at: Instant::now(), arrival }
    }

    fn good() -> Story {
        let kinds = ["incident.created", "incident.updated", "incident.resolved"];
        Story {
            incident: Some("inc_1".into()),
            events: (1..).zip(kinds).map(|(sequence, kind)| Told { sequence, kind: kind.into() }).collect(),
            arrived: [
                (Door::Standard, 1),
                (Door::Template, 1),
                (Door::Standard, 2),
                (Door::Standard, 3),
                (Door::Template, 3),
            ]
            .map(|(door, sequence)| received(door, sequence, true, Order::Next))
            .into(),
            ..Story::of(Phase::Resolved)
        }
    }

    #[test]
    fn all_of_it_in_order_and_verified_is_complete() {
        assert_eq!(good().troubles(), Vec::<String>::new());
    }

    #[test]
    fn whatever_is_missing_late_forged_or_double_is_seen() {
        let check = |change: fn(&mut Story), expected: &str| {
            let mut story = good();
            change(&mut story);
            let troubles = story.troubles().join("; ");
            assert!(troubles.contains(expected), "{expected:?} is missing in: {troubles}");
        };
        check(|story| story.incident = None, "no incident");
        check(|story| story.last = Phase::Update, "does not end with what `update` leads to");
        check(|story| story.events.truncate(2), "does not end with what `resolved` leads to");
        check(|story| story.arrived.truncate(3), "standard-webhooks is to get events [1, 2, 3]");
        check(|story| story.arrived.swap(0, 2), "and got [2, 1, 3]");
        check(|story| story.arrived.push(received(Door::Template, 3, true, Order::Again)), "twice");
        check(|story| story.arrived[0] = received(Door::Standard, 1, false, Order::Next), "NOT verified");
        check(|story| story.refused.push("firing 401: no".into()), "firing 401");
    }
}
