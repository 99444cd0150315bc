//! `bugle send`: realistic, signed calls of a platform to a running hub.

use std::{collections::BTreeMap, time::Instant};

use bugle_model::{Clock, SystemClock};
use bugle_platforms::table;
use clap::Args;
use http::Method;
use serde_json::{Value, json};

use crate::{
    Context, NotAsItShouldBe, Usage,
    cli::{ClientArgs, SecretArgs},
    client::{Answer, Client},
    nouns,
    output::{Paint, clean},
    sample::{Phase, SampleOf},
};

/// The arguments of `bugle send`.
#[derive(Debug, Args)]
#[command(
    after_help = "Without a secret (--secret-file, --secret, BUGLE_SECRET or BUGLE_SECRET_FILE) the calls are unsigned."
)]
pub struct SendArgs {
    /// The platform that the calls are to come from
    #[arg(value_parser = crate::cli::platforms(), hide_possible_values = true)]
    platform: String,
    /// The integration that is to get them
    #[arg(value_parser = nouns::id)]
    integration: String,
    /// Which call of an alert's life
    #[arg(long, value_enum, default_value = "firing")]
    event: Phase,
    #[command(flatten)]
    secret: SecretArgs,
    /// How many calls, each about an alert of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// What names the alert: the same key is the same alert
    #[arg(long, default_value = "cpu/web-01")]
    key: String,
    #[command(flatten)]
    client: ClientArgs,
}

/// Up to this many calls, each is shown.
const SHOWN_MAX: u32 = 20;

/// What became of one call.
struct Sent {
    answer: Answer,
    millis: f64,
}

impl SendArgs {
    /// Sends, and shows the answers.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let settings = self.client.settings(context)?;
        let secret = self.secret.find(context)?;
        let client = Client::new(settings.hub_url(), None);
        let source = table::source(&self.platform)
            .ok_or_else(|| Usage(format!("`{}` is not a platform", self.platform)))?;
        let mut sent = Vec::new();
        for number in 1..=self.count {
            let key = if self.count == 1 { self.key.clone() } else { format!("{}-{number}", self.key) };
            let sample = SampleOf {
                source,
                integration: &self.integration,
                phase: self.event,
                key: &key,
                at: SystemClock.now(),
                secret: secret.as_ref().map(crate::config::Hidden::expose),
            }
            .make()?;
            let started = Instant::now();
            let answer = client.send(Method::POST, &sample.path, &sample.headers, sample.body).await?;
            let one = Sent { answer, millis: started.elapsed().as_secs_f64() * 1000.0 };
            if self.count <= SHOWN_MAX {
                self.show(&key, &one, context);
            }
            sent.push(one);
        }
        if self.count > SHOWN_MAX {
            self.sum_up(&sent, context);
        }
        if sent.iter().all(|one| one.answer.status.is_success()) {
            Ok(())
        } else {
            Err(NotAsItShouldBe.into())
        }
    }

    fn show(&self, key: &str, sent: &Sent, context: &Context) {
        let body = sent.answer.value();
        let status = sent.answer.status.as_u16();
        if self.client.json {
            let line = json!({
                "key": key,
                "status": status,
                "duration_ms": sent.millis,
                "answer": body.unwrap_or_else(|| String::from_utf8_lossy(&sent.answer.body).into()),
            });
            return context.output.line(line.to_string());
        }
        let out = context.output;
        let text =
            |pointer| body.as_ref().and_then(|body| body.pointer(pointer)).and_then(Value::as_str).map(clean);
        if sent.answer.status.is_success() {
            out.line(format!(
                "{} {}  {} {} of {key}  {}  {:.1} ms",
                out.paint(Paint::Good, status.to_string()),
                text("/data/processing_status").unwrap_or_default(),
                self.platform,
                self.event.as_str(),
                text("/data/receipt_id").unwrap_or_default(),
                sent.millis,
            ));
        } else {
            let code = text("/error/code").unwrap_or_else(|| "no answer of a hub".into());
            out.line(format!(
                "{} {code}  {} of {key}",
                out.paint(Paint::Bad, status.to_string()),
                self.event.as_str()
            ));
            if let Some(message) = text("/error/message") {
                out.line(format!("  {message}"));
            }
        }
    }

    fn sum_up(&self, sent: &[Sent], context: &Context) {
        let mut statuses = BTreeMap::<u16, usize>::new();
        for one in sent {
            *statuses.entry(one.answer.status.as_u16()).or_default() += 1;
        }
        let mut times: Vec<f64> = sent.iter().map(|one| one.millis).collect();
        times.sort_by(f64::total_cmp);
        let (p50, p99) = (percentile(&times, 50), percentile(&times, 99));
        if self.client.json {
            let statuses: serde_json::Map<_, _> =
                statuses.into_iter().map(|(status, count)| (status.to_string(), count.into())).collect();
            return context
                .output
                .json(&json!({"sent": sent.len(), "statuses": statuses, "p50_ms": p50, "p99_ms": p99}));
        }
        let counts: Vec<_> = statuses.iter().map(|(status, count)| format!("{count} x {status}")).collect();
        context.output.line(format!(
            "{} calls sent: {}; half within {p50:.1} ms, 99 of 100 within {p99:.1} ms",
            sent.len(),
            counts.join(", ")
        ));
    }
}

/// The value below which `percent` of the sorted values lie; 0 when there are none.
pub fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(rank).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sorted: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(
            (percentile(&sorted, 50), percentile(&sorted, 99), percentile(&sorted, 100)),
            (100.0, 198.0, 200.0)
        );
        assert_eq!((percentile(&[3.0], 99), percentile(&[], 50)), (3.0, 0.0));
    }
}
