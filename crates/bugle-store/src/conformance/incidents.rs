//! Steps: kept whole, refused whole; and the lists that people look at.

use bugle_model::{Cursor, Incident, IncidentStatus, IntegrationId, ReceiptState, Severity, id::Id};

use super::{ALL, sample};
use crate::{CallCount, CommitError, IncidentFilter, PageRequest, PruneBefore, ReceiptOutcome, Step, Store};

const OF: IntegrationId = IntegrationId::from_i64(5);

async fn keep(store: &dyn Store, incident: Incident) {
    store.commit(step(incident)).await.unwrap();
}

fn step(incident: Incident) -> Step {
    Step { at: sample::NOON, incidents: vec![incident], ..Step::default() }
}

fn next(incident: &Incident) -> Incident {
    Incident { revision: incident.revision + 1, sequence: incident.sequence + 1, ..incident.clone() }
}

fn resolved(incident: &Incident, at_seconds: i64) -> Incident {
    Incident { status: IncidentStatus::Fixed, resolved_at: Some(sample::after(at_seconds)), ..next(incident) }
}

async fn ids(store: &dyn Store, filter: IncidentFilter) -> Vec<i64> {
    let page = store.incidents(filter, ALL).await.unwrap();
    page.data.iter().map(|incident| incident.id.as_i64()).collect()
}

/// Incident, alert, event, delivery and receipt, in one.
pub async fn a_step_is_kept_whole(store: &dyn Store) {
    store.append(sample::receipt(1, OF)).await.unwrap();
    let incident = sample::incident(10, OF);
    let alert = sample::alert(20, &incident);
    let event = sample::event(30, &incident);
    let step = Step {
        receipts: vec![ReceiptOutcome {
            id: Id::from_i64(1),
            state: ReceiptState::Processed,
            problem: None,
            signals: Vec::new(),
        }],
        alerts: vec![alert.clone()],
        deliveries: vec![sample::delivery(40, &event, Id::from_i64(50))],
        events: vec![event],
        ..step(incident.clone())
    };
    store.commit(step).await.unwrap();
    assert_eq!(store.incident(incident.id).await.unwrap(), Some(incident.clone()));
    let timeline = store.timeline(incident.id, ALL).await.unwrap();
    assert_eq!((timeline.data.len(), timeline.data[0].id.as_i64()), (1, 30));
    let alerts = store.alerts_of(incident.id, ALL).await.unwrap();
    assert_eq!(alerts.data[0].fingerprint, alert.fingerprint);
    let keys = vec![(OF, alert.fingerprint), (OF, "another".to_owned())];
    assert_eq!(store.alerts_by_key(keys).await.unwrap().len(), 1);
    assert!(store.delivery(Id::from_i64(40)).await.unwrap().is_some());
    assert!(store.pending_ids(10).await.unwrap().is_empty());
}

/// Of two changes made from the same revision the second is refused, and so is all that came with it.
pub async fn a_stale_revision_conflicts_and_leaves_nothing(store: &dyn Store) {
    let first = sample::incident(10, OF);
    keep(store, first.clone()).await;
    let second = next(&first);
    keep(store, Incident { owner: Some("ann@example.com".to_owned()), ..second.clone() }).await;
    store.append(sample::receipt(1, OF)).await.unwrap();
    let event = sample::event(31, &second);
    for stale in [second, first.clone(), Incident { id: Id::from_i64(11), revision: 2, ..first }] {
        let step = Step {
            receipts: vec![ReceiptOutcome {
                id: Id::from_i64(1),
                state: ReceiptState::Processed,
                problem: None,
                signals: Vec::new(),
            }],
            alerts: vec![sample::alert(21, &stale)],
            events: vec![event.clone()],
            deliveries: vec![sample::delivery(41, &event, Id::from_i64(50))],
            ..step(stale)
        };
        assert!(matches!(store.commit(step).await, Err(CommitError::Conflict)));
    }
    assert_eq!(store.pending_ids(10).await.unwrap().len(), 1);
    assert!(store.timeline(Id::from_i64(10), ALL).await.unwrap().data.is_empty());
    assert!(store.delivery(Id::from_i64(41)).await.unwrap().is_none());
    assert!(store.backlog().await.unwrap().is_empty());
    let kept = store.incident(Id::from_i64(10)).await.unwrap().unwrap();
    assert_eq!((kept.revision, kept.owner.as_deref()), (2, Some("ann@example.com")));
}

/// Held by the database: two pipelines cannot both open one.
pub async fn one_unresolved_incident_for_a_grouping_key(store: &dyn Store) {
    let first = sample::incident(10, OF);
    keep(store, first.clone()).await;
    let rival = Incident { grouping_key: first.grouping_key.clone(), ..sample::incident(11, OF) };
    assert!(matches!(store.commit(step(rival.clone())).await, Err(CommitError::Conflict)));
    keep(store, resolved(&first, 60)).await;
    keep(store, rival).await;
    let reopened = Incident { revision: 3, ..first };
    assert!(matches!(store.commit(step(reopened)).await, Err(CommitError::Conflict)));
}

/// The unresolved one of a key, or else the one resolved last, which need not be the youngest.
pub async fn the_incident_resolved_last_is_found(store: &dyn Store) {
    let key = || vec!["shared".to_owned(), "nobody's".to_owned()];
    let of_key = |id| Incident { grouping_key: "shared".to_owned(), ..sample::incident(id, OF) };
    for (id, resolved_at) in [(10, 300), (11, 100)] {
        keep(store, of_key(id)).await;
        keep(store, resolved(&of_key(id), resolved_at)).await;
    }
    let found =
        |incidents: Vec<Incident>| -> Vec<i64> { incidents.iter().map(|it| it.id.as_i64()).collect() };
    assert_eq!(found(store.incidents_for(Vec::new(), key()).await.unwrap()), [10]);
    keep(store, of_key(12)).await;
    assert_eq!(found(store.incidents_for(Vec::new(), key()).await.unwrap()), [12]);
    let both = store.incidents_for(vec![Id::from_i64(12), Id::from_i64(11)], key()).await.unwrap();
    assert_eq!(found(both), [11, 12]);
}

/// What had its key comes first, then what has its service, or its host where it has none; itself never.
pub async fn what_happened_before_is_related(store: &dyn Store) {
    let of = |id, key: &str, service: Option<&str>, host: Option<&str>| Incident {
        grouping_key: key.to_owned(),
        service: service.map(str::to_owned),
        host: host.map(str::to_owned),
        ..sample::incident(id, OF)
    };
    for (id, key, resolved_at) in [(10, "shared", 300), (11, "shared", 100), (12, "other", 200)] {
        let incident = of(id, key, Some("cranes"), None);
        keep(store, incident.clone()).await;
        keep(store, resolved(&incident, resolved_at)).await;
    }
    let present = of(13, "shared", Some("cranes"), None);
    let hosted = of(14, "a", None, Some("crane-7"));
    let alone = of(15, "b", None, None);
    for incident in [&present, &hosted, &alone, &of(16, "c", Some("pumps"), Some("crane-7"))] {
        keep(store, incident.clone()).await;
    }
    for (to, limit, expected) in
        [(&present, 10, &[10, 11, 12][..]), (&present, 2, &[10, 11]), (&hosted, 10, &[16]), (&alone, 10, &[])]
    {
        let found = store.related(to, limit).await.unwrap();
        let found: Vec<_> = found.iter().map(|incident| incident.id.as_i64()).collect();
        assert_eq!(found, expected, "{} up to {limit}", to.id);
    }
}

/// An alert's next cycle may belong to another incident; a fingerprint is one alert's only.
pub async fn an_alert_moves_to_its_next_incident(store: &dyn Store) {
    let (first, second) = (sample::incident(10, OF), sample::incident(11, OF));
    let mut alert = sample::alert(20, &first);
    let mut with = step(first.clone());
    with.incidents.push(second.clone());
    with.alerts.push(alert.clone());
    store.commit(with).await.unwrap();
    alert.signals = 2;
    store.commit(Step { alerts: vec![alert.clone()], ..Step::default() }).await.unwrap();
    assert_eq!(store.alerts_of(first.id, ALL).await.unwrap().data[0].signals, 2);
    alert.incident_id = Some(second.id);
    store.commit(Step { alerts: vec![alert.clone()], ..Step::default() }).await.unwrap();
    assert!(store.alerts_of(first.id, ALL).await.unwrap().data.is_empty());
    assert_eq!(store.alerts_of(second.id, ALL).await.unwrap().data.len(), 1);
    alert.id = Id::from_i64(21);
    let rival = Step { alerts: vec![alert], ..Step::default() };
    assert!(matches!(store.commit(rival).await, Err(CommitError::Conflict)));
}

/// Each filter alone and together, and as the incident changes.
pub async fn incidents_are_filtered(store: &dyn Store) {
    let annes = Incident { owner: Some("ann@example.com".to_owned()), ..sample::incident(1, OF) };
    let critical = Incident { severity: Severity::Critical, ..sample::incident(2, OF) };
    let elsewhere = Incident { platform: "prometheus".to_owned(), ..sample::incident(3, OF) };
    let over = sample::incident(4, OF);
    for incident in [annes.clone(), critical, elsewhere, over.clone()] {
        keep(store, incident).await;
    }
    keep(store, resolved(&over, 5)).await;
    let all = IncidentFilter::default;
    let statuses = |list: &[IncidentStatus]| IncidentFilter { statuses: list.to_vec(), ..all() };
    let owner = |text: &str| IncidentFilter { owner: Some(text.to_owned()), ..all() };
    let platform = |text: &str| IncidentFilter { platform: Some(text.to_owned()), ..all() };
    assert_eq!(ids(store, all()).await, [4, 3, 2, 1]);
    assert_eq!(ids(store, statuses(&[IncidentStatus::Open])).await, [3, 2, 1]);
    assert_eq!(ids(store, statuses(&[IncidentStatus::Fixed, IncidentStatus::Expected])).await, [4]);
    assert_eq!(ids(store, statuses(&[IncidentStatus::Fixed, IncidentStatus::Open])).await, [4, 3, 2, 1]);
    assert_eq!(ids(store, owner("ann@example.com")).await, [1]);
    assert_eq!(ids(store, owner("")).await, [4, 3, 2]);
    assert_eq!(ids(store, owner("bob@example.com")).await, [0_i64; 0]);
    assert_eq!(ids(store, platform("prometheus")).await, [3]);
    assert_eq!(ids(store, IncidentFilter { severity: Some(Severity::Critical), ..all() }).await, [2]);
    let narrow = IncidentFilter { statuses: vec![IncidentStatus::Open], ..platform("custom") };
    assert_eq!(ids(store, IncidentFilter { owner: Some(String::new()), ..narrow }).await, [2]);
    keep(store, Incident { owner: None, ..next(&annes) }).await;
    assert_eq!(ids(store, owner("ann@example.com")).await, [0_i64; 0]);
    assert_eq!(ids(store, owner("")).await, [4, 3, 2, 1]);
}

/// A whole service, whole labels; what merely holds the same words is not meant.
pub async fn services_and_labels_are_matched_whole(store: &dyn Store) {
    let labelled = |id, service: &str, labels: &[(&str, &str)]| Incident {
        title: "env prod billing".to_owned(),
        service: Some(service.to_owned()),
        labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..sample::incident(id, OF)
    };
    keep(store, labelled(1, "billing", &[("env", "prod"), ("tier", "1")])).await;
    keep(store, labelled(2, "billing-api", &[("env", "prod-eu"), ("tier", "1")])).await;
    keep(store, labelled(3, "-", &[("env", "prod"), ("-", "*")])).await;
    let filter = |service: &str, labels: &[(&str, &str)]| IncidentFilter {
        service: (!service.is_empty()).then(|| service.to_owned()),
        labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..IncidentFilter::default()
    };
    for (service, labels, expected) in [
        ("billing", &[][..], vec![1]),
        ("billing-api", &[], vec![2]),
        ("-", &[], vec![3]),
        ("api", &[], vec![]),
        ("", &[("env", "prod")], vec![3, 1]),
        ("", &[("env", "PROD")], vec![]),
        ("", &[("env", "prod"), ("tier", "1")], vec![1]),
        ("", &[("-", "*")], vec![3]),
        ("", &[("env", "")], vec![]),
        ("billing", &[("env", "prod-eu")], vec![]),
    ] {
        assert_eq!(ids(store, filter(service, labels)).await, expected, "{service} {labels:?}");
    }
    let both = IncidentFilter { query: Some("billing".to_owned()), ..filter("", &[("tier", "1")]) };
    assert_eq!(ids(store, both).await, [2, 1]);
}

/// The counts follow every change; the worst of those that nobody has taken come first.
pub async fn incidents_are_counted_and_the_worst_come_first(store: &dyn Store) {
    let counts = async || {
        let counted = store.incident_counts().await.unwrap();
        let mut counts: Vec<_> =
            counted.iter().map(|one| (one.status.as_str(), one.severity.as_str(), one.count)).collect();
        counts.sort_unstable();
        counts
    };
    let worst = async |limit| -> Vec<i64> {
        store.worst_open(limit).await.unwrap().iter().map(|incident| incident.id.as_i64()).collect()
    };
    assert_eq!((counts().await, worst(9).await), (vec![], vec![]));
    let critical = Incident { severity: Severity::Critical, ..sample::incident(1, OF) };
    for incident in [critical.clone(), sample::incident(2, OF), sample::incident(3, OF)] {
        keep(store, incident).await;
    }
    assert_eq!(counts().await, [("open", "critical", 1), ("open", "high", 2)]);
    assert_eq!((worst(9).await, worst(2).await), (vec![1, 3, 2], vec![1, 3]));
    let taken = Incident { status: IncidentStatus::Acknowledged, ..next(&critical) };
    keep(store, taken.clone()).await;
    assert_eq!(counts().await, [("acknowledged", "critical", 1), ("open", "high", 2)]);
    assert_eq!(worst(9).await, [3, 2]);
    keep(store, Incident { title: "Still long".to_owned(), ..next(&taken) }).await;
    keep(store, resolved(&sample::incident(3, OF), 5)).await;
    assert_eq!(counts().await, [("acknowledged", "critical", 1), ("fixed", "high", 1), ("open", "high", 1)]);
    let before = PruneBefore { receipts: None, incidents: Some(sample::after(60)) };
    while store.prune(before, 100).await.unwrap().more {}
    assert_eq!(counts().await, [("acknowledged", "critical", 1), ("open", "high", 1)]);
}

/// Counts add up, and what is old goes.
pub async fn calls_are_counted_by_minute(store: &dyn Store) {
    let calls = |minute, platform: &str, calls| CallCount { minute, platform: platform.to_owned(), calls };
    store.add_activity(vec![calls(10, "grafana", 2), calls(10, "datadog", 1)], 0).await.unwrap();
    store.add_activity(vec![calls(10, "grafana", 3), calls(11, "grafana", 4)], 10).await.unwrap();
    let all = [calls(10, "datadog", 1), calls(10, "grafana", 5), calls(11, "grafana", 4)];
    assert_eq!(store.activity(0).await.unwrap(), all);
    assert_eq!(store.activity(11).await.unwrap(), all[2..]);
    store.add_activity(Vec::new(), 11).await.unwrap();
    assert_eq!(store.activity(0).await.unwrap(), all[2..]);
}

/// Words of title, host, service and labels, as they are now; whatever a person types is a search and no syntax.
pub async fn words_find_incidents(store: &dyn Store) {
    let first = Incident {
        title: "Größe der Queue".to_owned(),
        host: Some("db-7.example.com".to_owned()),
        ..sample::incident(1, OF)
    };
    keep(store, first.clone()).await;
    keep(store, Incident { severity: Severity::Critical, ..sample::incident(2, OF) }).await;
    let query = |text: &str| IncidentFilter { query: Some(text.to_owned()), ..IncidentFilter::default() };
    for (text, expected) in [
        ("queue", vec![2, 1]),
        ("QUEUE billing", vec![2, 1]),
        ("grosse", vec![]),
        ("größe", vec![1]),
        ("db-7", vec![1]),
        ("db-7.example.com", vec![1]),
        ("queue-7.example.com", vec![2]),
        ("db-7.example.org", vec![]),
        ("example-7", vec![]),
        ("7.example", vec![2, 1]),
        ("db-7.ex*", vec![1]),
        ("region north", vec![2, 1]),
        ("region=north", vec![2, 1]),
        ("service:billing", vec![2, 1]),
        ("north-region", vec![]),
        ("bil", vec![]),
        ("bil*", vec![2, 1]),
        ("long OR größe", vec![]),
        ("\"", vec![]),
        ("queue\"; NEAR( * ) words:", vec![]),
        ("  ", vec![2, 1]),
        ("^queue", vec![2, 1]),
        ("-queue", vec![2, 1]),
    ] {
        assert_eq!(ids(store, query(text)).await, expected, "{text}");
    }
    let critical = IncidentFilter { severity: Some(Severity::Critical), ..query("queue") };
    assert_eq!(ids(store, critical).await, [2]);
    keep(store, Incident { title: "Länge".to_owned(), ..next(&first) }).await;
    assert_eq!(ids(store, query("größe")).await, [0_i64; 0]);
    assert_eq!(ids(store, query("länge")).await, [1]);
}

/// Incidents from the newest, a timeline from its beginning, each without a gap.
pub async fn lists_come_in_pages(store: &dyn Store) {
    for id in 1..=5 {
        keep(store, sample::incident(id, OF)).await;
    }
    let open = || IncidentFilter { statuses: vec![IncidentStatus::Open], ..IncidentFilter::default() };
    for filter in [IncidentFilter::default, open] {
        let (mut seen, mut cursor): (Vec<i64>, Option<Cursor>) = (Vec::new(), None);
        for length in [2, 2, 1] {
            let page = store.incidents(filter(), PageRequest { cursor, limit: 2 }).await.unwrap();
            assert_eq!(page.data.len(), length);
            seen.extend(page.data.iter().map(|incident| incident.id.as_i64()));
            cursor = page.next_cursor;
        }
        assert_eq!((seen, cursor), (vec![5, 4, 3, 2, 1], None));
    }
    let mut incident = sample::incident(9, OF);
    keep(store, incident.clone()).await;
    for number in 1..=3_u32 {
        incident.sequence = number;
        let event = sample::event(90 + i64::from(number), &incident);
        store.commit(Step { events: vec![event], ..Step::default() }).await.unwrap();
    }
    let first = store.timeline(incident.id, PageRequest { cursor: None, limit: 2 }).await.unwrap();
    let rest =
        store.timeline(incident.id, PageRequest { cursor: first.next_cursor, limit: 2 }).await.unwrap();
    let numbers: Vec<u32> = first.data.iter().chain(&rest.data).map(|event| event.sequence).collect();
    assert_eq!((numbers, rest.next_cursor), (vec![1, 2, 3], None));
    let again = Step { events: vec![sample::event(99, &incident)], ..Step::default() };
    assert!(matches!(store.commit(again).await, Err(CommitError::Conflict)), "a number is taken once");
}
