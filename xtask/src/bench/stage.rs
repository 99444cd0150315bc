//! A server under measurement: a fresh folder, or one that is kept, with a source to call and destinations to receive.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{DESTINATION_SECRET, SECRET, load::Target, receiver::Receiver};
use crate::stand::{
    bugle::{Bugle, Site},
    http::{Connection, request},
    process::Process,
    wait_for,
};

/// A running server on a folder of its own, which goes with it.
pub(super) struct Stage {
    /// Where it is, and its API.
    pub(super) site: Site,
    /// Its integration's id.
    pub(super) integration: String,
    /// Whom the load calls.
    pub(super) target: Target,
    bugle: Bugle,
    _folder: Option<TempDir>,
}

impl Stage {
    /// Starts one with an integration.
    pub(super) fn start(binary: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let site = Site::new(binary, folder.path())?;
        Self::on(site, Some(folder))
    }

    /// Starts one on a site that may hold something already.
    pub(super) fn on(site: Site, folder: Option<TempDir>) -> Result<Self> {
        let bugle = site.start()?;
        let integration = site.integration("datadog", SECRET)?;
        let target = Target { address: site.address(), paths: vec![webhook_path(&integration)] };
        Ok(Self { site, integration, target, bugle, _folder: folder })
    }

    /// The server's process.
    pub(super) fn process(&self) -> &Process {
        self.bugle.process()
    }

    /// Makes `count` destinations that want everything, at the receiver's paths `/0`, `/1`, ...; gives their ids.
    pub(super) fn destinations(&self, receiver: &Receiver, count: usize) -> Result<Vec<String>> {
        (0..count).map(|number| self.site.destination(&destination(receiver, number))).collect()
    }

    /// Waits until every receipt has become what it becomes.
    pub(super) fn settle(&self) -> Result<()> {
        settle(&self.site)
    }

    /// Has destinations take part or not: while one does not, what is for it waits.
    pub(super) fn enable(&self, destinations: &[String], enabled: bool) -> Result<()> {
        for id in destinations {
            if enabled {
                self.site.call("POST", &format!("/destinations/{id}/enable"), None)?;
            } else {
                let disabled = json!({ "enabled": false });
                self.site.call("PATCH", &format!("/destinations/{id}"), Some(&disabled))?;
            }
        }
        Ok(())
    }

    /// The sum of one of its metrics over all labels.
    pub(super) fn metric(&self, name: &str) -> Result<f64> {
        let answer =
            Connection::open(self.site.address())?.exchange(&request("GET", "/metrics", &[], b""))?;
        let text = String::from_utf8_lossy(&answer.body);
        let values = text.lines().filter_map(|line| {
            let (labelled, value) = line.rsplit_once(' ')?;
            let known = labelled.split('{').next()? == name;
            known.then(|| value.parse::<f64>().ok()).flatten()
        });
        Ok(values.sum())
    }

    /// Stops it as an administrator would.
    pub(super) fn stop(self) -> Result<()> {
        self.bugle.stop()
    }

    /// Stops it at once: what hangs is not waited for.
    pub(super) fn kill(self) -> Result<()> {
        self.bugle.kill()
    }
}

/// Where an integration of the load's platform is called.
pub(super) fn webhook_path(integration: &str) -> String {
    format!("/api/v1/webhooks/datadog/{integration}")
}

/// What a destination at the receiver's path `/number` is made of.
pub(super) fn destination(receiver: &Receiver, number: usize) -> Value {
    json!({
        "name": format!("bench receiver {number}"),
        "dialect": "standard-webhooks",
        "url": receiver.url(&format!("/{number}")),
        "secret": DESTINATION_SECRET,
    })
}

/// Waits until every receipt has become what it becomes.
pub(super) fn settle(site: &Site) -> Result<()> {
    wait_for("the pipeline to catch up", Duration::from_mins(2), || {
        let page = site.call("GET", "/receipts?state=pending&limit=1", None)?;
        Ok(page["data"].as_array().context("a list without data")?.is_empty().then_some(()))
    })
}
