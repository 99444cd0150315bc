//! One signal laid over another.

use super::*;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn measured(metric: &str, value: Option<&str>, threshold: Option<&str>) -> Measurement {
    Measurement {
        metric: metric.into(),
        value: value.map(Into::into),
        threshold: threshold.map(Into::into),
        ..Measurement::default()
    }
}

fn known() -> Signal {
    Signal {
        title: "CPU of web-01".into(),
        labels: labels(&[("component", "web-01"), ("metric", "7")]),
        annotations: labels(&[("samples", "3")]),
        measurements: vec![measured("cpu", Some("91"), Some("90"))],
        ..Signal::default()
    }
}

#[test]
fn a_partial_signal_changes_what_it_names_and_a_whole_one_replaces() {
    let said = Signal {
        title: "Alert 7".into(),
        labels: labels(&[("metric", "8")]),
        annotations: labels(&[("value", "95")]),
        measurements: vec![measured("", Some("95"), None)],
        ..Signal::default()
    };
    let merged = Signal { partial: true, ..said.clone() }.over(known());
    assert_eq!(merged.title, "CPU of web-01");
    assert_eq!(merged.labels, labels(&[("component", "web-01"), ("metric", "8")]));
    assert_eq!(merged.annotations, labels(&[("samples", "3"), ("value", "95")]));
    assert_eq!(merged.measurements, [measured("cpu", Some("95"), Some("90"))]);
    assert!(!merged.partial);

    let replaced = said.clone().over(known());
    assert_eq!((replaced.title, replaced.labels), (said.title, said.labels));
}

#[test]
fn what_was_only_ever_heard_of_in_part_stays_partial_until_the_whole_comes() {
    let part = |title: &str| Signal { title: title.into(), partial: true, ..Signal::default() };
    let twice = part("second").over(part("first"));
    assert_eq!((twice.title.as_str(), twice.partial), ("first", true));
    let whole = known().over(twice);
    assert_eq!((whole.title.as_str(), whole.partial), ("CPU of web-01", false));
    // The end came first and in part: its late beginning completes it.
    let mut ended = part("makeshift");
    ended.status = SignalStatus::Resolved;
    let ended = ended.over(known());
    assert_eq!((ended.title.as_str(), ended.status), ("CPU of web-01", SignalStatus::Resolved));
}

#[test]
fn what_a_vendor_sent_is_kept_as_it_was_written_and_never_breaks_other_json() {
    for (text, expected) in [
        (r#"{"a":1.10,"a":1e999}"#, r#"{"a":1.10,"a":1e999}"#),
        ("[NaN]", "null"),
        ("{}}", "null"),
        ("", "null"),
    ] {
        let signal = Signal { raw: Some(Raw::new(text.to_owned())), ..Signal::default() };
        let written = serde_json::to_string(&signal).unwrap();
        assert!(written.ends_with(&format!(r#""raw":{expected}}}"#)), "{written}");
        let read: Signal = serde_json::from_str(&written).unwrap();
        assert_eq!(read.raw.as_ref().map_or("null", Raw::get), expected);
    }
}
