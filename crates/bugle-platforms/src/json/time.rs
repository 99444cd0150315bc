//! The ways in which senders write a moment.

use bugle_model::Timestamp;

use super::Value;

/// From here on a count is of milliseconds, not seconds: 1e11 s is the year 5138, 1e11 ms is 1973.
const MILLIS_MIN: f64 = 1e11;
/// From here on it is of microseconds.
const MICROS_MIN: f64 = 1e14;
/// From here on it is of nanoseconds.
const NANOS_MIN: f64 = 1e17;

/// A moment as RFC 3339 text (`Z`, `+02:00` or `+0200`, any fraction), or as a count since 1970 of seconds,
/// milliseconds, microseconds or nanoseconds, told apart by magnitude, as a number or as text.
///
/// `None` for anything else, for 0, and for the year 1, which is how Go writes "no time".
pub fn rfc3339_or_epoch(value: &Value) -> Option<Timestamp> {
    let text = value.number_text().or_else(|| value.as_str())?.trim();
    let is_count = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    if let (true, Ok(count)) = (is_count, text.parse::<f64>()) {
        return epoch(count);
    }
    let moment: jiff::Timestamp = text.parse().ok()?;
    (moment.as_second() >= YEAR_TWO_SECONDS).then(|| Timestamp::from_millis(moment.as_millisecond()))
}

/// 0002-01-01T00:00:00Z.
const YEAR_TWO_SECONDS: i64 = -62_104_060_800;

/// A double holds today's nanoseconds to within 256, far below the millisecond that is kept.
fn epoch(count: f64) -> Option<Timestamp> {
    let millis = match count.abs() {
        size if size < MILLIS_MIN => count * 1e3,
        size if size < MICROS_MIN => count,
        size if size < NANOS_MIN => count / 1e3,
        _ => count / 1e6,
    };
    // The year 9999, and the year 1.
    if !(-62_135_596_800_000.0..=253_402_207_200_000.0).contains(&millis) || count == 0.0 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked above")]
    let millis = millis.round() as i64;
    Some(Timestamp::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_senders_write() {
        let cases = [
            (r#""2026-03-02T10:15:00Z""#, Some("2026-03-02T10:15:00.000Z")),
            (r#""2026-03-02T10:15:00.123456789+01:00""#, Some("2026-03-02T09:15:00.123Z")),
            (r#""2026-03-02T10:15:00+0000""#, Some("2026-03-02T10:15:00.000Z")),
            (r#""2026-03-02T10:15:00.5-0530""#, Some("2026-03-02T15:45:00.500Z")),
            (r#"" 1772446500 ""#, Some("2026-03-02T10:15:00.000Z")),
            ("1772446500", Some("2026-03-02T10:15:00.000Z")),
            ("1772446500.25", Some("2026-03-02T10:15:00.250Z")),
            ("1772446500123", Some("2026-03-02T10:15:00.123Z")),
            ("1.772446500123e12", Some("2026-03-02T10:15:00.123Z")),
            ("1772446500123456", Some("2026-03-02T10:15:00.123Z")),
            ("1772446500123456789", Some("2026-03-02T10:15:00.123Z")),
            (r#""1772446500123""#, Some("2026-03-02T10:15:00.123Z")),
            (r#""0001-01-01T00:00:00Z""#, None),
            ("0", None),
            (r#""0""#, None),
            ("1e400", None),
            (r#""""#, None),
            (r#""-""#, None),
            (r#""20260302""#, Some("1970-08-23T11:51:42.000Z")),
            (r#""yesterday""#, None),
            (r#""2026-03-02T10:15:00""#, None),
            ("null", None),
            ("true", None),
            ("{}", None),
        ];
        for (body, expected) in cases {
            let value = super::super::parse(body.as_bytes()).unwrap();
            let shown = rfc3339_or_epoch(&value).map(|moment| moment.to_string());
            assert_eq!(shown.as_deref(), expected, "{body}");
        }
    }
}
