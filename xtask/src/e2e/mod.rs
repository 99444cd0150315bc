//! A real Prometheus and a real Alertmanager drive Bugle, and a receiver that others wrote judges what it sends.
//!
//! What is shown: an alert that fires and resolves is one incident, told in order and with signatures that hold; and a
//! receiver that was away gets everything once it is back, in order too.

mod stage;

use std::{path::Path, time::Duration};

use anyhow::{Result, ensure};
use serde_json::Value;

use self::stage::Stage;
use crate::{stand::wait_for, tools};

/// Longest wait for anything that passes through Prometheus, Alertmanager, Bugle and the receiver.
const WITHIN: Duration = Duration::from_mins(1);

/// Runs the scenarios against `binary`; the first thing that is wrong is the error.
pub(crate) fn run(binary: &Path) -> Result<()> {
    let tools = tools::provide()?;
    let folder = tempfile::Builder::new().prefix("bugle-e2e-").tempdir()?;
    let mut stage = Stage::set(binary, &tools, folder.path())?;
    fires_and_resolves(&stage)?;
    println!("e2e: one alert that fired and resolved was one incident, told in order, signatures valid");
    receiver_was_away(&mut stage)?;
    println!("e2e: what happened while the receiver was away arrived once it was back, in order");
    stage.end()
}

fn fires_and_resolves(stage: &Stage) -> Result<()> {
    stage.set_depth("orders", 950);
    let created = stage.wait_for_event("orders", "incident.created", WITHIN)?;
    let incident = stage.only_incident("orders")?;
    ensure!(incident["status"] == "open", "a firing alert left its incident {}", incident["status"]);
    ensure!(incident["severity"] == "critical", "severity: critical became {}", incident["severity"]);
    ensure!(incident["verified"] == true, "a call with the right credentials is not shown as verified");
    ensure!(created.incident == incident["id"], "the receiver was told of another incident");

    stage.set_depth("orders", 3);
    stage.wait_for_event("orders", "incident.resolved", WITHIN)?;
    let incident = stage.only_incident("orders")?;
    ensure!(incident["status"] == "fixed", "a resolved alert left its incident {}", incident["status"]);
    told_in_order(stage, "orders")
}

fn receiver_was_away(stage: &mut Stage) -> Result<()> {
    stage.stop_receiver()?;
    stage.set_depth("refunds", 400);
    wait_for("the incident of refunds", WITHIN, || Ok(stage.incidents("refunds")?.pop()))?;
    stage.set_depth("refunds", 0);
    wait_for("the incident of refunds to be over", WITHIN, || {
        let fixed = stage.only_incident("refunds")?["status"] == "fixed";
        Ok(fixed.then_some(()))
    })?;
    wait_for("an attempt that failed", WITHIN, || {
        let deliveries = stage.deliveries("refunds")?;
        Ok(deliveries.iter().any(|delivery| delivery["attempts"].as_u64() > Some(0)).then_some(()))
    })?;
    let told = stage.events("refunds")?;
    ensure!(told.is_empty(), "a receiver that was away was told {told:?}");

    stage.start_receiver()?;
    stage.wait_for_event("refunds", "incident.resolved", WITHIN)?;
    told_in_order(stage, "refunds")?;
    wait_for("all deliveries to be settled", WITHIN, || {
        let settled = |delivery: &Value| delivery["state"] == "delivered";
        Ok(stage.deliveries("refunds")?.iter().all(settled).then_some(()))
    })
}

/// The receiver was told of the incident from its creation to its resolution, without a gap and in sequence.
fn told_in_order(stage: &Stage, queue: &str) -> Result<()> {
    let events = stage.events(queue)?;
    let sequences: Vec<_> = events.iter().map(|event| event.sequence).collect();
    let expected: Vec<_> = (1..).take(events.len()).collect();
    ensure!(sequences == expected, "{queue}: events arrived as {sequences:?}");
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    ensure!(
        kinds.first() == Some(&"incident.created") && kinds.last() == Some(&"incident.resolved"),
        "{queue}: events arrived as {kinds:?}"
    );
    Ok(())
}
