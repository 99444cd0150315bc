//! What a sender may have signed in place of what is due.

use std::borrow::Cow;

use super::names;
use crate::scheme::Signed;

/// The header whose time is signed.
pub(super) const fn timestamp_header(signed: &Signed) -> Option<&Cow<'static, str>> {
    match signed {
        Signed::Body | Signed::PythonUrlencode => None,
        Signed::TimestampAndBody { timestamp_header, .. }
        | Signed::IdTimestampAndBody { timestamp_header, .. } => Some(timestamp_header),
    }
}

/// What is signed, in words.
pub(super) fn title(signed: &Signed) -> String {
    match signed {
        Signed::Body => "the body as it is sent".to_owned(),
        Signed::PythonUrlencode => "Python's `urlencode` of the body".to_owned(),
        Signed::TimestampAndBody { timestamp_header, separator, .. } => {
            format!("the value of `{timestamp_header}`, `{separator}` and the body")
        }
        Signed::IdTimestampAndBody { id_header, timestamp_header, .. } => {
            format!("the value of `{id_header}`, `.`, the value of `{timestamp_header}`, `.` and the body")
        }
    }
}

/// What a sender may sign in place of what is `due`, with a word and in words.
pub(super) fn others(due: &Signed, headers: &[(String, String)]) -> Vec<(&'static str, String, Signed)> {
    let time = |name: &Cow<'static, str>, separator| Signed::TimestampAndBody {
        timestamp_header: name.clone(),
        separator,
        tolerance_s: u32::MAX,
    };
    let word = match due {
        Signed::Body => "signed_with_timestamp",
        Signed::PythonUrlencode => "signed_raw_body",
        Signed::TimestampAndBody { .. } => "signed_without_timestamp",
        Signed::IdTimestampAndBody { .. } => "signed_without_id",
    };
    let carried = headers.iter().find(|(name, _)| names::is_timestamp(name));
    let carried: Option<Cow<'static, str>> = carried.map(|(name, _)| Cow::Owned(name.clone()));
    let mut found: Vec<(&'static str, Signed)> = match due {
        Signed::Body => vec![("signed_python_form", Signed::PythonUrlencode)],
        Signed::PythonUrlencode | Signed::TimestampAndBody { .. } => vec![(word, Signed::Body)],
        Signed::IdTimestampAndBody { .. } => vec![("signed_without_timestamp", Signed::Body)],
    };
    if let Some(name) = timestamp_header(due).or(carried.as_ref()) {
        for separator in ['.', ':'] {
            let signed = time(name, separator);
            match due {
                Signed::TimestampAndBody { separator: known, .. } if *known == separator => {}
                Signed::TimestampAndBody { .. } => found.push(("timestamp_separator_wrong", signed)),
                Signed::PythonUrlencode => found.push(("signed_with_timestamp", signed)),
                Signed::Body | Signed::IdTimestampAndBody { .. } => found.push((word, signed)),
            }
        }
    }
    found.into_iter().map(|(word, signed)| (word, title(&signed), signed)).collect()
}
