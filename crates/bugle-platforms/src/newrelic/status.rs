//! Whether an issue is open, acknowledged or closed.
//!
//! Classic bodies name all three states. Issues know CREATED, ACTIVATED and CLOSED only: that somebody acknowledged one
//! shows in fields that the template may or may not hold, and otherwise in nothing but what triggered the call.

use bugle_model::SignalStatus;

use crate::fields::Fields;

/// The status, and the word that it was read from.
pub(super) fn read(fields: &Fields<'_>) -> (SignalStatus, Option<String>) {
    let word = fields.first(&["state", "current_state", "status", "issueState"]);
    let state = word.as_deref().unwrap_or_default().to_ascii_lowercase();
    let status = match state.as_str() {
        "closed" | "close" | "resolved" => SignalStatus::Resolved,
        "acknowledged" => SignalStatus::Acknowledged,
        "" => without_state(fields),
        _ => unresolved(fields),
    };
    (status, word)
}

/// Open, as far as the state tells.
fn unresolved(fields: &Fields<'_>) -> SignalStatus {
    let trigger = fields.first(&["trigger", "triggerEvent"]).unwrap_or_default().to_ascii_uppercase();
    match acknowledged(fields) {
        Some(true) => SignalStatus::Acknowledged,
        Some(false) => SignalStatus::Firing,
        None => match trigger.as_str() {
            "USER_ACTION" | "ACKNOWLEDGED" => SignalStatus::Acknowledged,
            // Says nothing about who has it, so it must not take an acknowledgement back.
            "PRIORITY_CHANGED" | "INCIDENT_ADDED" | "INCIDENT_CLOSED" | "MERGE_REQUEST" | "OTHER_UPDATES" => {
                SignalStatus::Updated
            }
            _ => SignalStatus::Firing,
        },
    }
}

/// Whether somebody has it; `None` when the body holds none of the fields that would say so. New Relic writes nothing, or
/// `NA`, where nobody does.
fn acknowledged(fields: &Fields<'_>) -> Option<bool> {
    let names = ["isAcknowledged", "issueAcknowledgedAt", "acknowledgedAt", "owner"];
    if !names.iter().any(|name| fields.document().get(name).is_some()) {
        return None;
    }
    let flagged = fields.first(&["isAcknowledged"]).is_some_and(|flag| flag.eq_ignore_ascii_case("true"));
    Some(flagged || fields.first(&["issueAcknowledgedAt", "acknowledgedAt", "owner"]).is_some())
}

/// The form of 2013 says it in words only: `[Shop] alert ended`.
fn without_state(fields: &Fields<'_>) -> SignalStatus {
    let text = fields.first(&["short_description", "long_description", "message"]).unwrap_or_default();
    let text = text.to_ascii_lowercase();
    let is_over = ["ended", "closed", "recovered", "resolved"].iter().any(|word| text.contains(word));
    if is_over { SignalStatus::Resolved } else { unresolved(fields) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{json, newrelic::decode::is_blank};

    #[test]
    fn every_way_to_say_it() {
        use SignalStatus::{Acknowledged, Firing, Resolved, Updated};
        for (body, expected) in [
            (r#"{"state": "CREATED"}"#, Firing),
            (r#"{"state": "ACTIVATED", "trigger": "STATE_CHANGE"}"#, Firing),
            (r#"{"state": "OPEN"}"#, Firing),
            (r#"{"state": " CLOSED "}"#, Resolved),
            (r#"{"state": "CLOSED", "owner": "Ida"}"#, Resolved),
            (r#"{"state": "ACTIVATED", "owner": "Ida"}"#, Acknowledged),
            (r#"{"state": "ACTIVATED", "owner": "NA", "trigger": "PRIORITY_CHANGED"}"#, Firing),
            (r#"{"state": "ACTIVATED", "isAcknowledged": true}"#, Acknowledged),
            (r#"{"state": "ACTIVATED", "isAcknowledged": "false"}"#, Firing),
            (r#"{"state": "ACTIVATED", "issueAcknowledgedAt": 1781680440000}"#, Acknowledged),
            (r#"{"state": "ACTIVATED", "trigger": "USER_ACTION"}"#, Acknowledged),
            (r#"{"state": "ACTIVATED", "trigger": "USER_ACTION", "isAcknowledged": false}"#, Firing),
            (r#"{"state": "ACTIVATED", "trigger": "PRIORITY_CHANGED"}"#, Updated),
            (r#"{"current_state": "open", "owner": ""}"#, Firing),
            (r#"{"current_state": "acknowledged"}"#, Acknowledged),
            (r#"{"current_state": "closed"}"#, Resolved),
            (r#"{"short_description": "[Shop] alert ended"}"#, Resolved),
            (r#"{"short_description": "[Shop] alert opened"}"#, Firing),
        ] {
            let document = json::parse(body.as_bytes()).unwrap();
            assert_eq!(read(&Fields::new(&document, is_blank)).0, expected, "{body}");
        }
    }
}
