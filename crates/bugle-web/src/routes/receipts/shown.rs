//! What may be shown of a receipt: everything but what was sealed.

use axum::Json;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bugle_model::{Receipt, ReceiptId};
use bugle_store::SignalOutcome;
use serde_json::{Map, Value, json};

use crate::{app::App, error::ApiError, input};

const HIDDEN: &str = "[hidden]";

/// A receipt on a list: without headers and body.
pub(super) fn row(receipt: &Receipt) -> Map<String, Value> {
    let row = json!({
        "id": receipt.id,
        "integration_id": receipt.integration_id,
        "received_at": receipt.received_at,
        "remote_ip": receipt.remote_ip,
        "correlation_id": receipt.correlation_id,
        "method": receipt.head.method,
        "verification": receipt.verification,
        "state": receipt.state,
        "problem": receipt.problem,
        "alert_id": receipt.alert_key,
    });
    match row {
        Value::Object(row) => row,
        _ => Map::new(),
    }
}

/// One receipt, whole.
pub(super) fn whole(receipt: &Receipt, signals: &[SignalOutcome]) -> Value {
    let mut shown = row(receipt);
    let headers = receipt.head.headers.iter().map(|(name, value)| json!([name, shown_value(value)]));
    shown.insert("query".into(), json!(shown_query(&receipt.head.query)));
    shown.insert("headers".into(), headers.collect());
    shown.insert("body_bytes".into(), json!(receipt.body.len()));
    let (text, base64) = match str::from_utf8(&receipt.body) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(BASE64.encode(&receipt.body))),
    };
    shown.insert("body".into(), json!(text));
    shown.insert("body_base64".into(), json!(base64));
    shown.insert("signals".into(), json!(signals));
    Value::Object(shown)
}

/// The receipt called `text`, as it is now.
pub(super) async fn load(app: &App, text: &str) -> Result<Json<Value>, ApiError> {
    let id: ReceiptId = input::id("receipt", text)?;
    let found = app.store().receipt(id).await?;
    let (receipt, signals) = found.ok_or_else(|| ApiError::not_found("receipt", text))?;
    Ok(Json(whole(&receipt, &signals)))
}

/// A header's value, unless it is a credential.
pub(crate) fn shown_value(value: &str) -> &str {
    if is_sealed(value) { HIDDEN } else { value }
}

/// What stands in the place of a credential is of no use to a reader.
fn is_sealed(value: &str) -> bool {
    value.starts_with("sealed:") || value.starts_with("sealed-")
}

/// The query, its credentials hidden.
pub(crate) fn shown_query(query: &str) -> String {
    let shown = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) if is_sealed(value) => format!("{name}={HIDDEN}"),
        _ => pair.to_owned(),
    });
    shown.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_hidden() {
        assert_eq!(shown_query("a=1&token=sealed:0011&b"), "a=1&token=[hidden]&b");
        assert_eq!(shown_query(""), "");
        assert_eq!(shown_value("sealed-bearer:00"), HIDDEN);
        assert_eq!(shown_value("sha256=00"), "sha256=00");
    }
}
