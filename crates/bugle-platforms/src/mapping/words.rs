//! Which words mean that an alert fires, is had, changed or is over.

use bugle_model::SignalStatus;

/// The status that `word` means, whatever its case, with `_`, `-` or spaces within; `None` for a word not known.
pub(super) fn status(word: &str) -> Option<SignalStatus> {
    let plain = plain(word);
    Some(match plain.as_str() {
        "firing" | "fired" | "fire" | "triggered" | "trigger" | "open" | "opened" | "reopened" | "alert"
        | "alerting" | "alerted" | "alarm" | "inalarm" | "problem" | "critical" | "crit" | "warning"
        | "warn" | "error" | "fatal" | "down" | "active" | "activated" | "new" | "created" | "started"
        | "failed" | "failing" | "failure" | "unhealthy" | "degraded" | "bad" | "red" | "yellow"
        | "nodata" | "unknown" | "breached" | "raised" | "unreachable" | "offline" => SignalStatus::Firing,
        "acknowledged" | "acknowledge" | "acknowledgement" | "ack" | "acked" | "investigating"
        | "inprogress" | "assigned" => SignalStatus::Acknowledged,
        "updated" | "update" | "changed" | "ongoing" => SignalStatus::Updated,
        "resolved" | "resolve" | "ok" | "okay" | "recovered" | "recovery" | "closed" | "close"
        | "cleared" | "clear" | "up" | "normal" | "healthy" | "inactive" | "deactivated" | "success"
        | "succeeded" | "passed" | "passing" | "fixed" | "solved" | "done" | "ended" | "finished"
        | "green" | "good" | "online" | "expired" => SignalStatus::Resolved,
        _ => return None,
    })
}

/// Whether `name` is how a sender may write `usual`, which is in the form of [`plain`]. It compares without building a
/// text, because a body may hold many thousands of names; nearly all of them are ASCII, of which each byte is a character.
pub(super) fn is_called(name: &str, usual: &str) -> bool {
    if name.is_ascii() {
        let plain = name.bytes().filter(|byte| !is_between_words(char::from(*byte)));
        return plain.map(|byte| byte.to_ascii_lowercase()).eq(usual.bytes());
    }
    plain_characters(name).eq(usual.chars())
}

/// Lower case, without what people put between words.
pub(super) fn plain(word: &str) -> String {
    plain_characters(word).collect()
}

fn plain_characters(word: &str) -> impl Iterator<Item = char> {
    word.chars().filter(|character| !is_between_words(*character)).flat_map(char::to_lowercase)
}

fn is_between_words(character: char) -> bool {
    matches!(character, '_' | '-' | ' ' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_many_products_are_known() {
        use SignalStatus::{Acknowledged, Firing, Resolved, Updated};
        for (word, expected) in [
            ("FIRING", Some(Firing)),
            ("In Alarm", Some(Firing)),
            ("no_data", Some(Firing)),
            ("PROBLEM", Some(Firing)),
            ("Acked", Some(Acknowledged)),
            ("in-progress", Some(Acknowledged)),
            ("update", Some(Updated)),
            (" OK ", Some(Resolved)),
            ("Recovery", Some(Resolved)),
            ("up", Some(Resolved)),
            ("", None),
            ("beendet", None),
        ] {
            assert_eq!(status(word), expected, "{word}");
        }
    }

    #[test]
    fn a_name_is_known_however_its_words_are_put_together() {
        for (name, usual, expected) in [
            ("alertname", "alertname", true),
            ("Alert-Name", "alertname", true),
            ("_alert. NAME_", "alertname", true),
            ("alertnames", "alertname", false),
            ("alert", "alertname", false),
            ("", "alertname", false),
            ("alert/name", "alertname", false),
            // The Kelvin sign, which is a `k` in lower case.
            ("\u{212a}ey", "key", true),
            ("schlüssel", "key", false),
        ] {
            assert_eq!(is_called(name, usual), expected, "{name}");
            assert_eq!(plain(name) == usual, expected, "{name}");
        }
    }
}
