use bugle_model::IntegrationId;
use bugle_store::conformance::sample;

use super::*;
use crate::{
    codec::Packer,
    document::Document,
    incidents::{self, WrittenIncident},
    tally::Tally,
};

const STORED: i64 = 2_500;
/// Less than it costs to go through what is common.
const LITTLE: u32 = 6_500;

/// Many incidents, of which one in 500 is of a status, one of a severity, one of an owner, one of a platform, and one
/// has a word of its own. Every other one is of a service of its own.
fn stored() -> Connection {
    stored_as(|id, usual| Incident {
        status: if id % 500 == 1 { IncidentStatus::Acknowledged } else { IncidentStatus::Open },
        severity: if id % 500 == 2 { Severity::Critical } else { Severity::High },
        owner: (id % 500 == 3).then(|| "ada@example.com".to_owned()),
        platform: if id % 500 == 4 { "grafana" } else { "datadog" }.to_owned(),
        title: if id % 500 == 5 { "Disk nearly full" } else { "Disk full" }.to_owned(),
        service: Some(if id % 2 == 0 { "even" } else { "odd" }.to_owned()),
        ..usual
    })
}

fn stored_as(of: impl Fn(i64, Incident) -> Incident) -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    crate::migrate::migrate(&mut connection).unwrap();
    let transaction = connection.transaction().unwrap();
    let mut packer = Packer::default();
    for id in 1..=STORED {
        let usual = Incident {
            grouping_key: format!("key-{id}"),
            ..sample::incident(id, IntegrationId::from_i64(1))
        };
        let incident = of(id, usual);
        let document = Document::own(&incident, &mut packer).unwrap();
        let written = WrittenIncident::new(incident, document);
        let words = incidents::store(&transaction, &written, &mut Tally::of_incidents()).unwrap();
        incidents::index(&transaction, &written, &words).unwrap();
    }
    transaction.commit().unwrap();
    connection
}

/// What nearly all of them have.
fn common() -> IncidentFilter {
    IncidentFilter {
        statuses: vec![IncidentStatus::Open, IncidentStatus::Acknowledged],
        severity: Some(Severity::High),
        owner: Some(String::new()),
        platform: Some("datadog".to_owned()),
        query: Some("disk".to_owned()),
        ..IncidentFilter::default()
    }
}

/// The ids of all pages, and how many pages there were.
fn all(connection: &Connection, filter: &IncidentFilter, limit: u32, room: u32) -> (Vec<i64>, u32) {
    let (mut found, mut pages, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = matching_within(connection, filter, PageRequest { cursor, limit }, room).unwrap();
        assert!(page.next_cursor.is_none() || page.next_cursor != cursor, "{filter:?} goes on");
        found.extend(page.data.iter().map(|incident| incident.id.as_i64()));
        (pages, cursor) = (pages + 1, page.next_cursor);
        if cursor.is_none() {
            return (found, pages);
        }
    }
}

fn where_it_is(rest: impl Fn(i64) -> bool) -> Vec<i64> {
    (1..=STORED).rev().filter(|id| rest(id % 500)).collect()
}

#[test]
fn what_is_rare_is_found_at_once() {
    let connection = stored();
    for (rest, filter) in [
        (1, IncidentFilter { statuses: vec![IncidentStatus::Acknowledged], ..common() }),
        (2, IncidentFilter { severity: Some(Severity::Critical), ..common() }),
        (3, IncidentFilter { owner: Some("ada@example.com".to_owned()), ..common() }),
        (4, IncidentFilter { platform: Some("grafana".to_owned()), ..common() }),
        (5, IncidentFilter { query: Some("near*".to_owned()), ..common() }),
    ] {
        let expected = where_it_is(|of| of == rest);
        assert_eq!(all(&connection, &filter, 200, LITTLE), (expected, 1), "{filter:?}");
    }
}

/// Whatever is fixed somebody has, and it is every other one.
#[test]
fn a_status_and_nobody_that_never_meet_cost_little() {
    let connection = stored_as(|id, usual| {
        let is_fixed = id % 2 == 0;
        Incident {
            status: if is_fixed { IncidentStatus::Fixed } else { IncidentStatus::Open },
            severity: Severity::High,
            owner: is_fixed.then(|| "ada@example.com".to_owned()),
            resolved_at: is_fixed.then_some(usual.updated_at),
            ..usual
        }
    });
    let nobodys = |status, severity| IncidentFilter {
        statuses: vec![status],
        severity,
        owner: Some(String::new()),
        ..IncidentFilter::default()
    };
    let every_other: Vec<i64> = (1..=STORED).rev().filter(|id| id % 2 == 1).collect();
    for severity in [None, Some(Severity::High)] {
        let of = |status| all(&connection, &nobodys(status, severity), 200, 1);
        assert_eq!(of(IncidentStatus::Fixed), (vec![], 1), "{severity:?}");
        assert_eq!(of(IncidentStatus::Open).0, every_other, "{severity:?}");
        let adas = IncidentFilter {
            owner: Some("ada@example.com".to_owned()),
            ..nobodys(IncidentStatus::Open, severity)
        };
        assert!(all(&connection, &adas, 200, COST_MAX).0.is_empty(), "{severity:?}");
    }
}

/// Half of all are found by either word, and those of the platform are far from each other.
#[test]
fn a_search_finds_one_that_is_far_away_or_not() {
    let connection = stored();
    for (word, expected) in [("even", where_it_is(|of| of == 4)), ("odd", vec![])] {
        let (platform, query) = (Some("grafana".to_owned()), Some(word.to_owned()));
        let filter = IncidentFilter { platform, query, ..IncidentFilter::default() };
        assert_eq!(all(&connection, &filter, 200, LITTLE), (expected, 1), "{word}");
    }
}

/// Each of the platform's has the words, but of its service and of no label: finding that out is paid for too.
#[test]
fn a_page_of_what_only_seems_to_match_ends_early() {
    let connection = stored();
    let (platform, labels) = (Some("grafana".to_owned()), vec![("service".to_owned(), "even".to_owned())]);
    let filter = IncidentFilter { platform, labels, ..IncidentFilter::default() };
    assert_eq!(all(&connection, &filter, 200, COST_MAX), (vec![], 1));
    let (found, pages) = all(&connection, &filter, 200, 1);
    assert!(found.is_empty() && pages > 1, "{pages} pages of little room");
}

#[test]
fn pages_meet_whatever_the_room() {
    let connection = stored();
    let even = IncidentFilter { service: Some("even".to_owned()), ..common() };
    for (filter, expected) in [
        (common(), where_it_is(|of| ![2, 3, 4].contains(&of))),
        (even, where_it_is(|of| of % 2 == 0 && of != 2 && of != 4)),
        (IncidentFilter { owner: Some("nobody@example.com".to_owned()), ..common() }, vec![]),
        (IncidentFilter::default(), where_it_is(|_| true)),
    ] {
        let (whole, few) = all(&connection, &filter, 50, COST_MAX);
        assert_eq!(whole, expected, "{filter:?}");
        let (parts, many) = all(&connection, &filter, 50, 1);
        assert_eq!(parts, expected, "{filter:?}, with little room");
        assert!(many >= few, "{filter:?}: {many} and {few} pages");
    }
}
