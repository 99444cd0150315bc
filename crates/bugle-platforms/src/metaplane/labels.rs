//! What people say of an incident by labelling it: labels took the place of acknowledging in September 2024, and Metaplane
//! has no severity.

use bugle_model::Severity;
use serde_json::{Map, Value};

use crate::source::Setting;

/// The setting that says which labels acknowledge.
pub(super) const ACKNOWLEDGED_SETTING: Setting = Setting {
    name: "acknowledged_labels",
    choices: &[],
    doc: "Names of labels with which an opened incident counts as acknowledged, whatever their case. \
          `[\"acknowledged\", \"investigating\", \"work_in_progress\"]` by default; an empty list for none.",
};

/// The setting that says which labels are severities.
pub(super) const SEVERITY_SETTING: Setting = Setting {
    name: "severity_labels",
    choices: &[],
    doc: "Severities by label, such as `{\"finance\": \"critical\"}`. Labels that are severities by themselves (`P1`, \
          `high`, `severity: low`) need not be listed.",
};

/// The labels that acknowledge where the settings name none.
const ACKNOWLEDGED: &[&str] = &["acknowledged", "investigating", "work_in_progress"];

/// Words before a severity in a label.
const SEVERITY_NAMES: &[&str] = &["severity", "priority", "sev"];

/// Whether the settings of labels make sense.
pub(super) fn check(settings: &Map<String, Value>) -> Result<(), String> {
    let known = |value: &Value| value.as_str().and_then(Severity::from_common_word).is_some();
    match settings.get(ACKNOWLEDGED_SETTING.name) {
        None | Some(Value::Null) => {}
        Some(Value::Array(names)) if names.iter().all(Value::is_string) => {}
        Some(_) => {
            return Err("`acknowledged_labels` must be a list of names, such as `[\"investigating\"]`".into());
        }
    }
    match settings.get(SEVERITY_SETTING.name) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(severities)) if severities.values().all(known) => Ok(()),
        Some(_) => {
            Err("`severity_labels` must give each label one of critical, high, medium, low, info, such as \
                        `{\"finance\": \"critical\"}`"
                .into())
        }
    }
}

/// Whether one of the labels says that somebody has it.
pub(super) fn acknowledge(labels: &[String], settings: &Map<String, Value>) -> bool {
    labels.iter().any(|label| match settings.get(ACKNOWLEDGED_SETTING.name) {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).any(|name| is_same(label, name)),
        _ => ACKNOWLEDGED.iter().any(|name| is_same(label, name)),
    })
}

/// How bad the labels say it is, with the label that says so: one that the settings list, else one that names a severity
/// as such, else one that is a severity's word. Of several, the worst.
pub(super) fn severity(labels: &[String], settings: &Map<String, Value>) -> Option<(Severity, String)> {
    let listed = |label: &str| {
        let severities = settings.get(SEVERITY_SETTING.name)?.as_object()?;
        let (_, word) = severities.iter().find(|(name, _)| is_same(label, name))?;
        Severity::from_common_word(word.as_str()?)
    };
    let worst = |says: &dyn Fn(&str) -> Option<Severity>| {
        let said = labels.iter().filter_map(|label| Some((says(label)?, label.clone())));
        said.max_by_key(|(severity, _)| *severity)
    };
    worst(&listed).or_else(|| worst(&named)).or_else(|| worst(&Severity::from_common_word))
}

/// `severity: high` or `priority=P2`.
fn named(label: &str) -> Option<Severity> {
    let (name, word) = label.split_once([':', '='])?;
    let is_severity = SEVERITY_NAMES.iter().any(|known| is_same(name, known));
    is_severity.then(|| Severity::from_common_word(word)).flatten()
}

fn is_same(label: &str, name: &str) -> bool {
    label.trim().eq_ignore_ascii_case(name.trim())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(settings: &Value) -> Map<String, Value> {
        settings.as_object().cloned().unwrap()
    }

    #[test]
    fn labels_acknowledge_and_tell_how_bad_it_is() {
        let listed = json!({"acknowledged_labels": ["On It"], "severity_labels": {"Finance": "critical"}});
        for (labels, given, expected) in [
            (&["Investigating "][..], json!({}), (true, None)),
            (&["investigating"], listed.clone(), (false, None)),
            (&["on it"], listed.clone(), (true, None)),
            (&["acknowledged"], json!({"acknowledged_labels": []}), (false, None)),
            (&["team-a", "P2"], json!({}), (false, Some(Severity::High))),
            (&["low", "high"], json!({}), (false, Some(Severity::High))),
            (&["critical", "severity: low"], json!({}), (false, Some(Severity::Low))),
            (&["low", "finance"], listed, (false, Some(Severity::Critical))),
            (&["colour: high"], json!({}), (false, None)),
        ] {
            let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
            let given = settings(&given);
            let found =
                (acknowledge(&labels, &given), severity(&labels, &given).map(|(severity, _)| severity));
            assert_eq!(found, expected, "{labels:?} {given:?}");
        }
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        for (given, fine) in [
            (json!({}), true),
            (json!({"acknowledged_labels": ["a"], "severity_labels": {"b": "P1"}}), true),
            (json!({"acknowledged_labels": "a"}), false),
            (json!({"acknowledged_labels": [1]}), false),
            (json!({"severity_labels": ["a"]}), false),
            (json!({"severity_labels": {"a": "terrible"}}), false),
        ] {
            assert_eq!(check(&settings(&given)).is_ok(), fine, "{given}");
        }
    }
}
