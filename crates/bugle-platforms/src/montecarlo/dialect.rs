//! An incident as an alert of Monte Carlo, for receivers written for its page.
//!
//! | event | `alert_feedback` | `declared_alert_severity` | `owner` |
//! |---|---|---|---|
//! | created | null | null | |
//! | acknowledged | `investigating` | | |
//! | status changed, reopened | the status, `no_status` for open | | |
//! | owner changed | | | e-mail address, or null |
//! | ticket attached | | | |
//! | severity declared | `investigating` where there was no status | `SEV-1` to `SEV-4` | |
//! | severity cleared | | null | |
//! | resolved | the resolution | | |
//!
//! An empty cell is a field that is left out, which is not the same as null. Monte Carlo has no word for updates and
//! comments. The page does not say where these fields stand: they are written in the outermost object.

use bugle_model::{
    Event, EventKind, IncidentStatus, Signal, Timestamp,
    signal::{Measurement, cut},
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{SIGNATURE_HEADER, SLUG, TITLE, TYPE_ANOMALY, TYPE_RULE, VERSION, signature, words};
use crate::{
    dialect::{Dialect, Notice, Outbound, RenderError, Wishes, vendor},
    scheme::{Scheme, settled},
    source::Setting,
};

/// Monte Carlo as a dialect.
#[derive(Debug, Clone, Copy)]
pub struct MonteCarloDialect;

const ACCOUNT_ID: Setting = Setting {
    name: "account_id",
    choices: &[],
    doc: "What stands as `account.id`, by which a receiver may tell accounts apart. \
          `00000000-0000-0000-0000-000000000000` by default.",
};

/// Nobody's account.
const ACCOUNT_ID_DEFAULT: &str = "00000000-0000-0000-0000-000000000000";

/// Longest `account_id`.
const ACCOUNT_ID_BYTES_MAX: usize = 256;

/// Longest text written.
const TEXT_BYTES_MAX: usize = 1024;

/// Most measurements written.
const HITS_MAX: usize = 50;

impl Dialect for MonteCarloDialect {
    fn slug(&self) -> &'static str {
        SLUG
    }

    fn title(&self) -> &'static str {
        TITLE
    }

    fn settings(&self) -> &'static [Setting] {
        &[ACCOUNT_ID]
    }

    fn check(&self, wishes: &Wishes<'_>) -> Result<(), String> {
        account_id(wishes.settings)?;
        vendor::check(self, wishes, &[SIGNATURE_HEADER])
    }

    fn render(&self, notice: &Notice<'_>, wishes: &Wishes<'_>) -> Result<Option<Outbound>, RenderError> {
        let account_id = account_id(wishes.settings).map_err(RenderError)?;
        let Some(changed) = changed(notice.event) else { return Ok(None) };
        let body = document(notice, account_id, changed).to_string().into_bytes();
        vendor::request(body, notice, wishes).map(Some)
    }

    fn scheme(&self, _: &Map<String, Value>) -> Option<Scheme> {
        Some(Scheme::Hmac(signature()))
    }
}

fn account_id(settings: &Map<String, Value>) -> Result<&str, String> {
    match settings.get(ACCOUNT_ID.name) {
        None | Some(Value::Null) => Ok(ACCOUNT_ID_DEFAULT),
        Some(Value::String(id)) if !id.trim().is_empty() && id.len() <= ACCOUNT_ID_BYTES_MAX => Ok(id.trim()),
        Some(_) => Err(format!(
            "the setting `account_id` is the id of an account: a text of 1 to {ACCOUNT_ID_BYTES_MAX} characters"
        )),
    }
}

/// The fields that the event changed; `None` for an event that Monte Carlo has no word for.
fn changed(event: &Event) -> Option<Map<String, Value>> {
    let incident = &event.incident;
    let fields = match event.kind {
        EventKind::Created => json!({ "alert_feedback": null, "declared_alert_severity": null }),
        EventKind::Acknowledged | EventKind::StatusChanged | EventKind::Reopened | EventKind::Resolved => {
            json!({ "alert_feedback": words::feedback(incident.status) })
        }
        EventKind::OwnerChanged => json!({ "owner": incident.owner }),
        EventKind::TicketAttached => json!({}),
        EventKind::SeverityDeclared if had_no_status(event) => json!({
            "alert_feedback": words::feedback(IncidentStatus::Acknowledged),
            "declared_alert_severity": incident.declared_severity,
        }),
        EventKind::SeverityDeclared | EventKind::SeverityCleared => {
            json!({ "declared_alert_severity": incident.declared_severity })
        }
        EventKind::Updated | EventKind::Commented => return None,
    };
    fields.as_object().cloned()
}

/// Whether nobody had the incident until this event.
fn had_no_status(event: &Event) -> bool {
    let open = IncidentStatus::Open;
    let was_open =
        |change: &bugle_model::event::FieldChange| change.field == "status" && change.from == open.as_str();
    event.incident.status == open || event.changes.iter().any(was_open)
}

/// Members in the order of their names at every level, as in the page's examples.
fn document(notice: &Notice<'_>, account_id: &str, changed: Map<String, Value>) -> Value {
    let incident = &notice.event.incident;
    let signal = notice.event.alert.as_deref().map(|alert| &alert.signal);
    let ruled: Vec<&Measurement> = signal.map(ruled).unwrap_or_default();
    let table = signal.and_then(|signal| signal.entity.as_ref()).or(incident.entity.as_ref());
    let table = table.map(|entity| entity.name.as_str());
    let title = signal.map_or(incident.title.as_str(), |signal| signal.title.as_str());
    let (kind, event) = if ruled.is_empty() {
        (
            TYPE_ANOMALY,
            json!({ "event_details": written(details(title, table)), "table_name": table.map(written) }),
        )
    } else {
        let at = signal.and_then(|signal| signal.observed_at.or(signal.started_at));
        let rule_id = uuid("rule", signal.map_or("", |signal| signal.fingerprint.as_str()));
        (TYPE_RULE, rule_event(title, table, &rule_id, at.unwrap_or(notice.event.at), &ruled))
    };
    let mut document = Map::new();
    document.insert("account".into(), json!({ "id": written(account_id) }));
    document.insert("action".into(), "incident".into());
    document.extend(changed);
    let payload = json!({
        "event_list": [event],
        "group_id": signal.and_then(|signal| signal.service.as_ref()).or(incident.service.as_ref()).map(|group| written(group)),
        "incident_id": written(&incident_id(notice.event)),
        "url": written(url(notice)),
    });
    document.insert("payload".into(), payload);
    document.insert("type".into(), kind.into());
    document.insert("version".into(), VERSION.into());
    Value::Object(document)
}

/// A text that every version of Python signs the same.
fn written(text: &str) -> String {
    let mut written = settled(text).into_owned();
    cut(&mut written, TEXT_BYTES_MAX);
    written
}

/// The title without the table's name, which has a field of its own.
fn details<'a>(title: &'a str, table: Option<&str>) -> &'a str {
    let rest = table.and_then(|table| title.strip_prefix(table)?.strip_prefix(": "));
    rest.unwrap_or(title)
}

/// The measurements that a rule compares with something.
fn ruled(signal: &Signal) -> Vec<&Measurement> {
    let is_ruled = |one: &&Measurement| one.operator.is_some() || one.threshold.is_some();
    signal.measurements.iter().filter(is_ruled).take(HITS_MAX).collect()
}

fn rule_event(
    title: &str,
    table: Option<&str>,
    rule_id: &str,
    at: Timestamp,
    ruled: &[&Measurement],
) -> Value {
    let hits: Vec<Value> = ruled.iter().map(|one| hit(one, at)).collect();
    let shown: Vec<Value> = ruled
        .iter()
        .map(|one| {
            let sign = one.operator.as_deref().map(|word| written(words::operator(word).0));
            json!({ "metric": written(&one.metric), "operator": sign, "threshold": one.threshold.as_deref().map(written) })
        })
        .collect();
    let compared: Vec<Value> = ruled
        .iter()
        .map(|one| {
            let name = one.operator.as_deref().map(|word| written(words::operator(word).1));
            json!({
                "field": field(one),
                "full_table_id": null,
                "metric": written(&one.metric),
                "operator": name,
                "threshold": one.threshold.as_deref().map(number),
                "warehouse_uuid": null,
            })
        })
        .collect();
    json!({
        "data": {
            "hits": hits,
            "metric_display_name": ruled.first().map(|one| written(&one.metric)),
            "rule_comparisons": shown,
        },
        "rule": {
            "comparisons": compared,
            "creator_id": null,
            "description": written(title),
            "execution_time": null,
            "prev_execution_time": null,
            "rule_type": "custom_sql",
            "start_time": null,
            "timezone": null,
            "uuid": rule_id,
        },
        "table_name": table.map(written),
    })
}

/// Times have neither year nor zone in Monte Carlo's form; UTC is meant.
fn hit(measurement: &Measurement, at: Timestamp) -> Value {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    let value = measurement.value.as_deref();
    let rounded = value.and_then(|value| value.trim().parse::<f64>().ok()).filter(|value| value.is_finite());
    json!({
        "field": field(measurement),
        "measurement_timestamp": at.strftime("%b %d, %I:%M%p").to_string(),
        "timestamp": "",
        "value": value.map(written),
        "value_rounded": rounded.map(|value| format!("{value:.0}")).or_else(|| value.map(written)),
    })
}

fn field(measurement: &Measurement) -> Option<String> {
    measurement.group.get("field").map(|field| written(field))
}

/// The number that `text` is, else the text.
fn number(text: &str) -> Value {
    let number = serde_json::from_str::<serde_json::Number>(text.trim());
    number.map_or_else(|_| Value::String(written(text)), Value::Number)
}

/// Monte Carlo's own id for what came from there; else one made of the incident's id, the same for all its events.
fn incident_id(event: &Event) -> String {
    let own = vendor::own_key(&event.incident, SLUG);
    own.map_or_else(|| uuid("incident", &event.incident.id.to_string()), str::to_owned)
}

/// A UUID of version 8 (RFC 9562), which is for ids that are made of something by a rule of one's own.
fn uuid(purpose: &str, of: &str) -> String {
    let hash = Sha256::new()
        .chain_update("bugle/montecarlo/")
        .chain_update(purpose)
        .chain_update("/")
        .chain_update(of);
    let mut text = String::with_capacity(36);
    for (place, digit) in hex::encode(hash.finalize()).chars().take(32).enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(match place {
            12 => '8',
            16 => 'a',
            _ => digit,
        });
    }
    text
}

/// The page at Monte Carlo for what came from there; else Bugle's page, the alert's own, or nothing.
fn url<'a>(notice: &Notice<'a>) -> &'a str {
    let incident = &notice.event.incident;
    let own = incident.links.first().map(|link| link.url.as_str());
    let found =
        if incident.platform == SLUG { own.or(notice.incident_url) } else { notice.incident_url.or(own) };
    found.unwrap_or_default()
}
