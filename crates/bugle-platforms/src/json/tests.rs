use proptest::prelude::*;

use super::*;
use crate::source::DecodeError;

fn fault(body: &[u8]) -> String {
    match parse(body) {
        Err(DecodeError::Malformed(message)) => message,
        other => panic!("{:?} should be malformed, and is {other:?}", String::from_utf8_lossy(body)),
    }
}

#[test]
fn what_is_well_formed_is_kept_as_it_was_written() {
    for (body, expected) in [
        ("null", "null"),
        (" \t\r\n[ true ,false,null ] \n", "[true,false,null]"),
        ("\u{feff}{\"a\":1}", r#"{"a":1}"#),
        ("[1.10,-0,1E+400,18446744073709551616,0.0e-1]", "[1.10,-0,1E+400,18446744073709551616,0.0e-1]"),
        (r#"{"b":1,"a":{"d":[],"c":{}}}"#, r#"{"b":1,"a":{"d":[],"c":{}}}"#),
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
        (r#"{"\u0061":1,"a":3}"#, r#"{"a":3}"#),
        (r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#, r#""\"\\/\b\f\n\r\té😀""#),
        (r#""\ud83d""#, "\"\u{fffd}\""),
        ("\"\u{7f}\"", "\"\u{7f}\""),
        (r#"{"":[""]}"#, r#"{"":[""]}"#),
    ] {
        assert_eq!(parse(body.as_bytes()).unwrap().to_string(), expected, "{body}");
    }
}

#[test]
fn what_stands_in_the_body_as_it_is_meant_is_borrowed_from_it() {
    let body = br#"{"plain":"text","number":1.10,"b\u0061":"a\nb","lone":["\ud800"]}"#;
    let value = parse(body).unwrap();
    let is_borrowed = |text: &Cow<'_, str>| matches!(text, Cow::Borrowed(_));
    let found: Vec<_> = value
        .pairs()
        .iter()
        .map(|(name, value)| match value {
            Value::String(text) | Value::Number(text) => (is_borrowed(name), is_borrowed(text)),
            _ => (is_borrowed(name), false),
        })
        .collect();
    assert_eq!(found, [(true, true), (true, true), (false, false), (true, false)]);
    assert_eq!(value.clone().into_owned(), value);
    let ill_named = parse_as_python(br#"{"\ud800":["x"]}"#).unwrap();
    assert_eq!(ill_named.clone().into_owned(), ill_named);
}

#[test]
fn what_is_malformed_is_said_with_its_place() {
    for (body, expected) in [
        (&b""[..], "the body is empty"),
        (b" \n", "the body is empty"),
        (b"{\"a\":\"\xff\"}", "not UTF-8: byte 7"),
        (b"\xff\xfe{\0", "not UTF-8: byte 1"),
        (b"{\"a\": 1,\n \"b\" 2}", "`:` was expected at line 2, column 6, found `2`"),
        (b"{\"a\": [1, 2", "`,` or `]` was expected at line 1, column 12, but the body ends there"),
        (b"{\"a\": \"b", "closing quote was expected at line 1, column 9, but the body ends there"),
        (b"{\"a\"", "`:` was expected at line 1, column 5, but the body ends there"),
        (b"{\"a\":1} x", "something follows the JSON value at line 1, column 9, found `x`"),
        (b"{a:1}", "a member's name in quotes was expected at line 1, column 2"),
        (b"{\"a\":1,}", "a member's name in quotes was expected at line 1, column 8"),
        (b"[1,]", "a value was expected at line 1, column 4, found `]`"),
        (b"nulL", "a value was expected at line 1, column 1, found `n`"),
        (b"[nul", "`null` was expected at line 1, column 5, but the body ends there"),
        (b"NaN", "a value was expected at line 1, column 1"),
        (b"[01]", "superfluous 0 at line 1, column 3"),
        (b"[1.]", "a digit was expected at line 1, column 4"),
        (b"[-]", "a digit was expected"),
        (b"[1e+]", "a digit was expected"),
        (b"[+1]", "a value was expected"),
        (b"\"a\tb\"", "a control character stands unescaped in a string at line 1, column 3"),
        (b"\"\\x\"", "an escape was expected"),
        (b"\"\\u12g4\"", "a hexadecimal digit was expected"),
        ("{\"é\":tru}".as_bytes(), "a value was expected at line 1, column 6, found `t`"),
        (b"title=x&b=c", "a value was expected at line 1, column 1, found `t`"),
        (b"name=x&b=c", "a value was expected at line 1, column 1, found `n`"),
    ] {
        let message = fault(body);
        assert!(message.contains(expected), "{message:?} should contain {expected:?}");
    }
}

#[test]
fn depth_is_bounded_and_does_not_overflow() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(nested(128).as_bytes()).is_ok());
    assert!(fault(nested(129).as_bytes()).contains("nested deeper than 128 levels at line 1, column 129"));
    assert!(fault("[".repeat(1_000_000).as_bytes()).contains("nested deeper"));
    assert!(fault("{\"a\":".repeat(1_000_000).as_bytes()).contains("nested deeper"));
}

#[test]
fn many_members_and_duplicates_take_no_quadratic_time() {
    let members: Vec<String> = (0..60_000).map(|n| format!("\"k{}\":{n}", n % 40_000)).collect();
    let body = format!("{{{}}}", members.join(","));
    let value = parse(body.as_bytes()).unwrap();
    assert_eq!(value.pairs().len(), 40_000);
    assert_eq!((&*value.pairs()[0].0, value["k0"].as_i64()), ("k0", Some(40_000)));
    assert_eq!(value["k39999"].as_i64(), Some(39_999));
}

#[test]
fn several_documents_without_a_separator_are_read_one_by_one() {
    let shown = |body: &str| {
        stream(body.as_bytes())
            .map(|values| values.iter().map(Value::to_string).collect::<Vec<_>>())
            .map_err(|error| error.to_string())
    };
    assert_eq!(
        shown("{\"a\":1}{\"a\":2}\n[3] 4"),
        Ok(vec!["{\"a\":1}".into(), "{\"a\":2}".into(), "[3]".into(), "4".into()])
    );
    assert!(shown("{\"a\":1},{\"a\":2}").unwrap_err().contains("a value was expected at line 1, column 8"));
    assert!(shown(" ").unwrap_err().contains("empty"));
}

#[test]
fn values_are_found_by_path_and_read_by_type() {
    let value = parse(
        br#"{"a":{"b":[{"c":1.10},{"c":"x"}],"d.e":" t ","/":7,"m~n":8},"n":null,"t":true,"big":18446744073709551616,"s":""}"#,
    )
    .unwrap();
    for (path, expected) in [
        ("a.b.0.c", Some("1.10")),
        ("a.b[1].c", Some("x")),
        ("a.b[1]c", None),
        ("/a/b/0/c", Some("1.10")),
        ("/a/d.e", Some(" t ")),
        ("/a/~1", Some("7")),
        ("/a/m~0n", Some("8")),
        ("a.b.2.c", None),
        ("a.b.-1", None),
        ("a.b.c", None),
        ("t", Some("true")),
        ("n", None),
        ("missing.deeper", None),
        ("big", Some("18446744073709551616")),
    ] {
        let text = value.at(path).and_then(Value::text);
        assert_eq!(text, expected, "{path}");
    }
    assert_eq!(value.at("").map(Value::is_object), Some(true));
    assert_eq!(value.text_at("/a/d.e").as_deref(), Some("t"));
    assert_eq!(value.text_at("s"), None);
    assert_eq!((value.get("n").map(Value::is_null), value.get("x")), (Some(true), None));
    assert_eq!(value["a"]["b"].items().len(), 2);
    assert_eq!(value["nothing"]["at"]["all"], Value::Null);
    assert_eq!((value["big"].as_i64(), value["a"]["/"].as_i64()), (None, Some(7)));
    assert_eq!(value["a"]["b"].items()[0]["c"].as_f64(), Some(1.1));
    assert_eq!(value["t"].as_bool(), Some(true));
    assert_eq!(value.to_raw().unwrap().get(), value.to_string());
}

#[test]
fn lone_surrogates_are_kept_beside_the_text() {
    let value = parse(br#"["a\ud800b\udc00","\ud83d\u0041","\ud83d\ud83d\ude00"]"#).unwrap();
    let expected = ["a\u{fffd}b\u{fffd}", "\u{fffd}A", "\u{fffd}😀"];
    for (item, expected) in value.items().iter().zip(expected) {
        assert_eq!(item.as_str(), Some(expected));
        assert!(matches!(item, Value::IllFormed(_)));
    }
    let Value::IllFormed(first) = &value.items()[0] else { panic!("{value:?}") };
    assert_eq!(*first.surrogates, [(1, 0xd800), (5, 0xdc00)]);
}

#[test]
fn what_only_python_reads_is_read_when_asked_for() {
    for (body, expected) in [
        ("[NaN,Infinity,-Infinity,-1]", Some("[NaN,Infinity,-Infinity,-1]")),
        (r#"{"\ud800":1,"a":2,"\ud801":3,"\ud800":4}"#, Some("{\"\u{fffd}\":4,\"a\":2,\"\u{fffd}\":3}")),
        ("[nan]", None),
        ("[Inf]", None),
        ("[-NaN]", None),
        ("\u{feff}{}", None),
    ] {
        let read = parse_as_python(body.as_bytes()).ok().map(|value| value.to_string());
        assert_eq!(read.as_deref(), expected, "{body}");
        let has_a_word = body.contains(['N', 'I']);
        let raw = parse_as_python(body.as_bytes()).ok().and_then(|value| value.to_raw());
        assert_eq!(raw.is_some(), expected.is_some() && !has_a_word, "{body}");
    }
    fault(b"[NaN]");
    let Value::IllNamed(object) = parse_as_python(br#"{"b\udfff":null,"c":1}"#).unwrap() else { panic!() };
    assert_eq!(object.surrogates, [vec![(1, 0xdfff)].into_boxed_slice(), Box::default()]);
}

#[test]
fn serde_has_the_same_with_its_own_numbers() {
    let value = parse(br#"{"b":[1,-2,1.5,18446744073709551615,1e999],"a":null}"#).unwrap();
    assert_eq!(value.to_serde().to_string(), r#"{"b":[1,-2,1.5,18446744073709551615,"1e999"],"a":null}"#);
}

/// What this reader takes and `serde_json` does not, on purpose.
fn is_known_difference(text: &str, value: &Value) -> bool {
    fn inside(value: &Value) -> bool {
        match value {
            Value::IllFormed(_) => true,
            Value::Number(text) => text.parse::<f64>().is_ok_and(f64::is_infinite),
            Value::Array(items) => items.iter().any(inside),
            Value::Object(members) => {
                members.iter().any(|(name, value)| name.contains('\u{fffd}') || inside(value))
            }
            _ => false,
        }
    }
    text.starts_with('\u{feff}') || inside(value)
}

fn agrees_with_serde(text: &str) {
    match (parse(text.as_bytes()), serde_json::from_str::<serde_json::Value>(text)) {
        (Ok(value), Ok(theirs)) => assert_eq!(value.to_serde(), theirs, "{text}"),
        (Ok(value), Err(error)) => assert!(is_known_difference(text, &value), "{text}: {error}"),
        (Err(error), Ok(_)) => panic!("{text}: {error}"),
        (Err(_), Err(_)) => {}
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            proptest::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Long strings are looked at in pieces.
#[test]
fn a_string_ends_where_it_ends_however_long() {
    for length in 0..100 {
        for end in ["", "\\n", "é", "\\\"x", "\\\\"] {
            let body = format!("[\"{}{end}\",\"b\"]", "a".repeat(length));
            let expected: serde_json::Value = serde_json::from_str(&body).unwrap();
            let read = parse(body.as_bytes()).unwrap();
            assert_eq!(read.to_serde(), expected, "{body}");
            assert_eq!(read.to_raw().unwrap().get(), body, "{body}");
        }
        let torn = format!("\"{}\u{1}\"", "a".repeat(length));
        assert!(parse(torn.as_bytes()).is_err(), "{torn:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        if parse(&body).is_ok() {
            prop_assert_eq!(stream(&body).map(|values| values.len()), Ok(1));
        }
    }

    #[test]
    fn near_json_is_judged_as_serde_judges_it(text in "[\\[\\]{}:,\"\\\\0-9eE+. udDtrufalsn-]{0,24}") {
        agrees_with_serde(&text);
    }

    #[test]
    fn any_json_and_its_mutations_are_judged_as_serde_judges_them(
        json in any_json(),
        pretty in any::<bool>(),
        at in any::<proptest::sample::Index>(),
        byte in prop_oneof![Just(None), proptest::sample::select(b"[]{},:\"\\0-e. \n".to_vec()).prop_map(Some)],
    ) {
        let text = if pretty { serde_json::to_string_pretty(&json).unwrap() } else { json.to_string() };
        agrees_with_serde(&text);
        let ours = parse(text.as_bytes()).unwrap();
        prop_assert_eq!(ours.to_string(), json.to_string());
        let mut mutated = text.into_bytes();
        let at = at.index(mutated.len());
        match byte {
            Some(byte) => mutated[at] = byte,
            None => mutated.truncate(at),
        }
        if let Ok(text) = String::from_utf8(mutated) {
            agrees_with_serde(&text);
        }
    }
}
