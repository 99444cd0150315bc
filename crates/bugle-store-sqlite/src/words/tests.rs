use bugle_model::IntegrationId;
use bugle_store::conformance::sample;

use super::*;

#[test]
fn the_index_has_each_word_and_each_two_that_meet() {
    for (text, expected) in [
        ("Disk full", "disk full "),
        ("[prod] DB-7.example", "prod db 7 ·db·7 example ·7·example "),
        ("env=prod\nurl=a/b", "env prod ·env·prod url a ·url·a b ·a·b ··47de243cae043be5 "),
        ("Größe naïve e\u{301}cole ÅNGSTRÖM", "große naive ecole angstrom "),
        ("ガス 한글 ЙОД", "ガス 한글 иод "),
        ("· -- \u{301} \"", ""),
    ] {
        assert_eq!(entries(text), expected, "{text}");
    }
}

#[test]
fn a_text_has_the_service_as_a_label() {
    let incident = Incident {
        host: None,
        labels: [("a".to_owned(), "é".repeat(VALUE_BYTES_MAX)), ("b".to_owned(), "c d".to_owned())].into(),
        ..sample::incident(1, IntegrationId::from_i64(1))
    };
    let value = "é".repeat(VALUE_BYTES_MAX / 2 - 2);
    assert_eq!(text_of(&incident), format!("Queue 1 is long\nservice=billing\na={value}…\nb=c d"));
    let long = Incident { title: "word ".repeat(INDEXED_BYTES_MAX), ..incident };
    assert_eq!(text_of(&long).len(), INDEXED_BYTES_MAX);
}

fn stored() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    crate::migrate::migrate(&mut connection).unwrap();
    let many = (100..200).map(|number| format!("n{number}")).collect::<Vec<_>>().join(" ");
    for (id, text) in [
        (1, "Latency late host-17"),
        (2, "host-170 LÄTT école a-b-c-d-e-f-g-h-i-j-k"),
        (3, many.as_str()),
        (4, "service=pay api\nenv=prod 10.0.0.5 172.20.0.1"),
        (5, "service=pay-api-eu west"),
    ] {
        connection.execute(sql::WORDS_INSERT, (id, entries(text))).unwrap();
    }
    connection
}

fn found(connection: &Connection, search: &Search) -> Vec<i64> {
    let Some(asked) = search.asked() else { return vec![] };
    let mut statement = connection.prepare(sql::IDS_WITH_WORDS).unwrap();
    statement.query_map((i64::MAX, 9, asked), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn what_people_type_is_words_and_no_syntax() {
    let connection = stored();
    for (text, expected, ids) in [
        ("LATE Host", r#""late" AND "host""#, vec![1]),
        ("host-17", r#""·host·17""#, vec![1]),
        ("host-17.", r#""·host·17""#, vec![1]),
        ("17 host", r#""17" AND "host""#, vec![1]),
        ("late*", r#"("late" OR "latency")"#, vec![1]),
        ("LAT*", r#"("late" OR "latency" OR "latt")"#, vec![2, 1]),
        ("host-17*", r#"("·host·17" OR "·host·170")"#, vec![2, 1]),
        ("host-* 17", r#"("host") AND "17""#, vec![1]),
        ("n1*", r#""n1"*"#, vec![3]),
        (
            "n19* n1*",
            r#"("n190" OR "n191" OR "n192" OR "n193" OR "n194" OR "n195" OR "n196" OR "n197" OR "n198" OR "n199") AND "n1"*"#,
            vec![3],
        ),
        ("Éc*", r#"("ecole")"#, vec![2]),
        ("10.0.0.1", r#""·10·0" AND "·0·0" AND "·0·1""#, vec![4]),
        ("b-c-d*", r#"("·c·d") AND "·b·c""#, vec![2]),
        (
            "a-b-c-d-e-f-g-h-i-j*",
            r#""·a·b" AND "·b·c" AND "·c·d" AND "·d·e" AND "·e·f" AND "·f·g" AND "·g·h" AND "·h·i""#,
            vec![2],
        ),
        (r#"a"b OR NEAR(c"#, r#""·a·b" AND "or" AND "·near·c""#, vec![]),
        ("a\0b", r#""·a·b""#, vec![2]),
        ("école·A", r#""·ecole·a""#, vec![]),
        (" ", "", vec![]),
    ] {
        let filter = IncidentFilter { query: Some(text.to_owned()), ..IncidentFilter::default() };
        let search = Search::of(&connection, &filter).unwrap().unwrap();
        assert_eq!(search.asked().unwrap_or_default(), expected, "{text}");
        assert_eq!(found(&connection, &search), ids, "{text}");
    }
    for text in ["- * \"", "*", "latencyx*", "host-18*"] {
        let filter = IncidentFilter { query: Some(text.to_owned()), ..IncidentFilter::default() };
        assert!(Search::of(&connection, &filter).unwrap().is_none(), "{text}");
    }
}

/// Of each entry there are many incidents, or one.
#[test]
fn a_beginning_is_spelled_out_however_many_incidents_there_are() {
    let connection = stored();
    for id in 10..10 + 3 * i64::from(GONE_THROUGH_MAX) {
        connection.execute(sql::WORDS_INSERT, (id, entries(&format!("queue queues-{}", id % 2)))).unwrap();
    }
    connection.execute(sql::WORDS_INSERT, (9, entries("queued quest"))).unwrap();
    let spelled = |beginning, max| entries_from(&connection, beginning, max).unwrap();
    assert_eq!(spelled("que", 9), ["quest", "queue", "queued", "queues"]);
    assert_eq!(spelled("que", 2), ["quest", "queue"]);
    assert_eq!(spelled("·queues·", 9), ["·queues·0", "·queues·1"]);
    assert_eq!(spelled("n", 3), ["n100", "n101", "n102"]);
    assert!(spelled("x", 9).is_empty());
}

#[test]
fn services_and_labels_are_looked_for_by_name() {
    let connection = stored();
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for (service, labels, expected, ids) in [
        (None, vec![], "", vec![]),
        (Some("Pay \"API\""), vec![], r#""·service·pay" AND "api""#, vec![5, 4]),
        (None, vec![label("env", "prod"), label("a", "b*")], r#""·env·prod" AND "·a·b""#, vec![]),
        (Some("Pay-API-eu west"), vec![], r#""··c8f537b25e677a5b" AND "west""#, vec![5]),
        (Some("-"), vec![label("-", "*")], r#""service""#, vec![5, 4]),
    ] {
        let filter =
            IncidentFilter { service: service.map(str::to_owned), labels, ..IncidentFilter::default() };
        let search = Search::of(&connection, &filter).unwrap().unwrap();
        assert_eq!(search.asked().unwrap_or_default(), expected, "{filter:?}");
        assert_eq!(found(&connection, &search), ids, "{filter:?}");
    }
}

#[test]
fn three_words_and_more_are_looked_up() {
    let connection = stored();
    for (text, title, expected) in [
        ("10.0.0.1", "from 10.0.0.5 to 172.20.0.1", false),
        ("10.0.0.1", "at (10.0.0.1)", true),
        ("10.0.0.1", "at 10.0.0.1.5", true),
        ("10.0.0.1", "at 10.0.0.17", false),
        ("10.0.0.1*", "at 10.0.0.17", true),
        ("10.0.0.1", "at 10.0. 0.1", false),
        ("10.0", "at 10.1, which the index has told already", true),
    ] {
        let filter = IncidentFilter { query: Some(text.to_owned()), ..IncidentFilter::default() };
        let incident =
            Incident { title: title.to_owned(), ..sample::incident(1, IntegrationId::from_i64(1)) };
        let search = Search::of(&connection, &filter).unwrap().unwrap();
        assert_eq!(search.holds(&incident), expected, "{text} in {title}");
    }
}

#[test]
fn a_hash_is_the_same_in_every_build() {
    assert_eq!(hash("").cast_unsigned(), 0xcbf2_9ce4_8422_2325);
    assert_eq!(hash("a").cast_unsigned(), 0xaf63_dc4c_8601_ec8c);
}
