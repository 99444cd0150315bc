//! Setting the demo up through the API, and sending its calls.

use std::{path::PathBuf, time::Instant};

use anyhow::Context as _;
use bugle_engine::config::generate_secret;
use bugle_model::{Clock, SystemClock};
use bugle_platforms::{Source, table};
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::inbox::{Door, Inbox};
use crate::{
    client::Client,
    output::{Output, Paint, clean},
    sample::{Phase, SampleOf},
};

/// Where the demo plays.
#[derive(Debug)]
pub struct Stage {
    /// Calls the hub.
    pub client: Client,
    /// The hub's data folder.
    pub data: PathBuf,
    /// Where things are printed.
    pub output: Output,
    /// The link that signs a browser in, once.
    pub sign_in: String,
}

/// How the demo leaves its alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Every one has ended.
    AllOver,
    /// A few go on, so that there is something to look at and to act on.
    SomeStayOpen,
}

/// The platforms whose alerts may stay open, each with the last call of its alert: of three severities, and one of them
/// acknowledged by a person at its platform.
const STAY_OPEN: &[(&str, Phase)] = &[
    ("datadog", Phase::Firing),
    ("grafana", Phase::Firing),
    ("pagerduty", Phase::Update),
    ("prometheus", Phase::Update),
];

impl Ending {
    /// The last call of a platform's alert.
    fn last_call(self, slug: &str) -> Phase {
        let open = STAY_OPEN.iter().find(|(known, _)| self == Self::SomeStayOpen && *known == slug);
        open.map_or(Phase::Resolved, |(_, last)| *last)
    }
}

/// One platform's integration.
pub struct Player {
    /// The platform.
    pub source: &'static dyn Source,
    /// Its integration.
    pub integration: String,
    /// The last call of its alert.
    pub last: Phase,
    secret: SecretString,
}

/// One platform whose calls were sent.
pub struct Sent {
    /// The platform and its integration.
    pub player: Player,
    /// When each phase was sent.
    pub at: Vec<(Phase, Instant)>,
    /// What was not accepted, in the hub's words.
    pub refused: Vec<String>,
}

impl Sent {
    /// When a phase was sent.
    pub fn sent_at(&self, phase: Phase) -> Option<Instant> {
        self.at.iter().find(|(known, _)| *known == phase).map(|(_, at)| *at)
    }
}

impl Stage {
    /// Makes an integration for every platform, and both destinations.
    pub async fn set(&self, inbox: &Inbox, ending: Ending) -> anyhow::Result<Vec<Player>> {
        self.make_destinations(inbox).await?;
        let mut cast = Vec::new();
        for source in table::SOURCES {
            let secret = generate_secret()?;
            let name = format!("Demo of {}", source.title());
            let body = json!({"platform": source.slug(), "name": name, "secret": secret.expose_secret()});
            let made = self.client.json(Method::POST, "/api/v1/integrations", Some(&body)).await?;
            let (integration, last) = (text(&made, "/id")?, ending.last_call(source.slug()));
            cast.push(Player { source: *source, integration, last, secret });
        }
        Ok(cast)
    }

    async fn make_destinations(&self, inbox: &Inbox) -> anyhow::Result<()> {
        let body = json!({"name": "Demo receiver", "url": inbox.url(Door::Standard)});
        let made = self.client.json(Method::POST, "/api/v1/destinations", Some(&body)).await?;
        inbox.expect(Door::Standard, text(&made, "/secret")?.into());
        let secret = generate_secret()?;
        let body = json!({
            "name": "Demo template",
            "secret": secret.expose_secret(),
            "webhook_config": {
                "url": inbox.url(Door::Template),
                "method": "POST",
                "headers": {"Authorization": "Bearer {{api_token}}", "Content-Type": "application/json"},
                "events": ["incident.created", "incident.resolved"],
                "template": {
                    "event": "{{event.type}}",
                    "sequence": "{{event.sequence}}",
                    "incident_id": "{{incident.id}}",
                    "title": "{{incident.title}}",
                    "severity": "{{incident.severity}}",
                    "status": "{{incident.status}}",
                },
            },
        });
        self.client.json(Method::POST, "/api/v1/destinations", Some(&body)).await?;
        inbox.expect(Door::Template, secret);
        Ok(())
    }

    /// Sends the calls of an alert's life for each platform: all begin, then change, then end, those that are to.
    pub async fn send(&self, cast: Vec<Player>) -> anyhow::Result<Vec<Sent>> {
        let mut sent: Vec<Sent> =
            cast.into_iter().map(|player| Sent { player, at: Vec::new(), refused: Vec::new() }).collect();
        for phase in Phase::ALL {
            for one in sent.iter_mut().filter(|one| phase <= one.player.last) {
                self.send_one(one, phase).await?;
            }
        }
        Ok(sent)
    }

    async fn send_one(&self, one: &mut Sent, phase: Phase) -> anyhow::Result<()> {
        let player = &one.player;
        let sample = SampleOf {
            source: player.source,
            integration: &player.integration,
            phase,
            key: "checkout/web-01",
            at: SystemClock.now(),
            secret: Some(player.secret.expose_secret()),
        }
        .make()?;
        one.at.push((phase, Instant::now()));
        let answer = self.client.send(Method::POST, &sample.path, &sample.headers, sample.body).await?;
        if !answer.status.is_success() {
            let value = answer.value().unwrap_or_default();
            let message = value.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
            one.refused.push(format!("{} {}: {}", phase.as_str(), answer.status.as_u16(), clean(message)));
        }
        Ok(())
    }

    /// What to try next.
    pub fn suggest(&self) {
        let (out, url) = (self.output, self.client.base());
        let key = self.data.join(crate::config::ADMIN_KEY_FILE);
        let key = key.display();
        out.line(
            out.paint(Paint::Bold, "\nLook at it in a browser, signed in by this link, which works once:"),
        );
        out.line(format!("  {}", self.sign_in));
        out.line(out.paint(Paint::Bold, "\nTry, in another terminal:"));
        for line in [
            format!("curl -H \"Authorization: Bearer $(cat {key})\" {url}/api/v1/incidents"),
            format!("curl {url}/metrics"),
            format!("curl {url}/api/v1/webhooks/health"),
            format!("curl {url}/api/v1/openapi.json"),
            format!("bugle incident list --url {url} --api-key-file {key}"),
        ] {
            out.line(format!("  {line}"));
        }
        out.line("\nWhat arrives from now on is shown below. Ctrl-C ends the demo.");
    }
}

fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("the hub's answer has no `{pointer}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_alerts_of_platforms_that_there_are_stay_open_and_only_when_they_may() {
        for (slug, last) in STAY_OPEN {
            assert!(table::source(slug).is_some() && *last < Phase::Resolved, "{slug}");
            assert_eq!(Ending::SomeStayOpen.last_call(slug), *last);
            assert_eq!(Ending::AllOver.last_call(slug), Phase::Resolved);
        }
        assert_eq!(Ending::SomeStayOpen.last_call("signoz"), Phase::Resolved);
    }
}
