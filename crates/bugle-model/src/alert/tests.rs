use super::*;

fn signal(status: SignalStatus, started: Option<i64>, ended: Option<i64>, observed: Option<i64>) -> Signal {
    Signal {
        fingerprint: "f".into(),
        status,
        title: "CPU high".into(),
        started_at: started.map(Timestamp::from_seconds),
        ended_at: ended.map(Timestamp::from_seconds),
        observed_at: observed.map(Timestamp::from_seconds),
        ..Signal::default()
    }
}

fn run(signals: Vec<Signal>) -> (Alert, Vec<Meaning>) {
    let mut alert = None;
    let mut meanings = Vec::new();
    for signal in signals {
        let (mut folded, meaning) = fold(
            alert.take(),
            signal,
            IntegrationId::from_i64(1),
            Severity::Medium,
            Timestamp::from_seconds(1),
            || AlertId::from_i64(7),
        );
        if matches!(meaning, Meaning::Opened | Meaning::OpenedLate) {
            folded.incident_id = Some(IncidentId::from_i64(9));
        }
        meanings.push(meaning);
        alert = Some(folded);
    }
    (alert.unwrap(), meanings)
}

use Meaning as M;
use SignalStatus as S;

#[test]
fn fires_repeats_resolves_and_begins_a_new_cycle() {
    let (alert, meanings) = run(vec![
        signal(S::Firing, Some(10), None, None),
        signal(S::Firing, Some(10), None, None),
        signal(S::Resolved, Some(10), Some(20), None),
        signal(S::Resolved, Some(10), Some(20), None),
        signal(S::Firing, Some(30), None, None),
    ]);
    assert_eq!(meanings, [M::Opened, M::Repeated, M::Resolved, M::Repeated, M::Opened]);
    assert_eq!((alert.cycle, alert.signals, alert.status), (2, 5, AlertStatus::Firing));
    assert_eq!(alert.signal.started_at, Some(Timestamp::from_seconds(30)));
}

#[test]
fn a_late_firing_does_not_wake_a_resolved_alert() {
    let (alert, meanings) = run(vec![
        signal(S::Firing, Some(10), None, None),
        signal(S::Resolved, Some(10), Some(20), None),
        signal(S::Firing, Some(10), None, None),
    ]);
    assert_eq!(meanings.last(), Some(&M::Stale));
    assert_eq!(alert.status, AlertStatus::Resolved);
}

#[test]
fn a_resolution_that_comes_first_is_kept_and_meets_its_beginning() {
    let (alert, meanings) =
        run(vec![signal(S::Resolved, Some(10), Some(20), None), signal(S::Firing, Some(10), None, None)]);
    assert_eq!(meanings, [M::ResolvedUnknown, M::OpenedLate]);
    assert_eq!(alert.status, AlertStatus::Resolved);
    assert_eq!(alert.signal.ended_at, Some(Timestamp::from_seconds(20)));
}

#[test]
fn observation_times_tell_stale_from_new() {
    let (alert, meanings) = run(vec![
        signal(S::Acknowledged, None, None, Some(30)),
        signal(S::Firing, None, None, Some(10)),
        signal(S::Resolved, None, None, Some(20)),
        signal(S::Resolved, None, Some(40), Some(40)),
        signal(S::Firing, None, None, Some(35)),
        signal(S::Firing, None, None, Some(50)),
    ]);
    assert_eq!(meanings, [M::Opened, M::Stale, M::Stale, M::Resolved, M::Stale, M::Opened]);
    assert_eq!(alert.cycle, 2);
}

#[test]
fn an_update_after_the_end_is_no_new_beginning() {
    let (alert, meanings) = run(vec![
        signal(S::Firing, Some(10), None, None),
        signal(S::Resolved, Some(10), Some(20), None),
        signal(S::Updated, None, None, None),
    ]);
    assert_eq!(meanings.last(), Some(&M::Repeated));
    assert_eq!(alert.status, AlertStatus::Resolved);
}

#[test]
fn what_is_seen_firing_after_its_end_fires_again_though_its_start_is_the_old_one() {
    let (alert, meanings) = run(vec![
        signal(S::Firing, Some(10), None, Some(10)),
        signal(S::Resolved, Some(10), Some(20), Some(20)),
        signal(S::Firing, Some(10), None, Some(15)),
        signal(S::Firing, Some(10), None, Some(30)),
    ]);
    assert_eq!(meanings, [M::Opened, M::Resolved, M::Stale, M::Opened]);
    assert_eq!((alert.cycle, alert.status), (2, AlertStatus::Firing));
}

#[test]
fn a_makeshift_title_is_no_change() {
    let part = Signal { title: "Alert 7".into(), partial: true, ..signal(S::Firing, Some(10), None, None) };
    let (alert, meanings) = run(vec![signal(S::Firing, Some(10), None, None), part]);
    assert_eq!(meanings, [M::Opened, M::Repeated]);
    assert_eq!(alert.signal.title, "CPU high");
}

#[test]
fn what_was_heard_of_in_part_is_completed_by_an_older_call() {
    let part = Signal { title: "Alert 7".into(), partial: true, ..signal(S::Updated, None, None, Some(20)) };
    let (alert, meanings) = run(vec![part, signal(S::Firing, Some(10), None, Some(10))]);
    assert_eq!(meanings, [M::Opened, M::Updated]);
    assert_eq!((alert.signal.title.as_str(), alert.signal.partial), ("CPU high", false));
    assert_eq!(alert.signal.observed_at, Some(Timestamp::from_seconds(20)));
}

#[test]
fn an_old_resolution_does_not_end_a_new_cycle() {
    let (_, meanings) = run(vec![
        signal(S::Firing, Some(10), None, None),
        signal(S::Resolved, Some(10), Some(20), None),
        signal(S::Firing, Some(30), None, None),
        signal(S::Resolved, Some(10), Some(20), None),
        signal(S::Resolved, Some(30), Some(40), None),
    ]);
    assert_eq!(meanings, [M::Opened, M::Resolved, M::Opened, M::Stale, M::Resolved]);
}

#[test]
fn a_creation_that_comes_late_undoes_nothing() {
    let creation = || Signal { creation: true, ..signal(S::Firing, None, None, None) };
    let plain = |status| signal(status, None, None, None);
    for (signals, expected, status) in [
        (vec![creation(), creation()], M::Repeated, AlertStatus::Firing),
        (vec![plain(S::Acknowledged), creation()], M::Stale, AlertStatus::Acknowledged),
        (vec![creation(), plain(S::Resolved), creation()], M::Stale, AlertStatus::Resolved),
        (vec![plain(S::Resolved), creation()], M::OpenedLate, AlertStatus::Resolved),
    ] {
        let (alert, meanings) = run(signals);
        assert_eq!((meanings.last(), alert.status, alert.cycle), (Some(&expected), status, 1));
        assert!(!alert.signal.creation);
    }
}

#[test]
fn a_source_without_times_begins_anew_whenever_it_fires() {
    let (alert, meanings) = run(vec![
        signal(S::Firing, None, None, None),
        signal(S::Resolved, None, None, None),
        signal(S::Firing, None, None, None),
    ]);
    assert_eq!(meanings, [M::Opened, M::Resolved, M::Opened]);
    assert_eq!(alert.cycle, 2);
}
