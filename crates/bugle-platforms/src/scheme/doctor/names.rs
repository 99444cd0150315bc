//! Names of headers that nearly are another name.

/// Longest name that is compared; longer ones are nobody's.
const NAME_CHARACTERS_MAX: usize = 64;
/// Letters that may differ.
const DISTANCE_MAX: usize = 2;

/// Headers that are known to carry signatures, and of whom.
const KNOWN: &[(&str, &str)] = &[
    ("stripe-signature", "Stripe"),
    ("svix-signature", "Svix"),
    ("webhook-signature", "Standard Webhooks"),
    ("x-datadog-signature", "Datadog"),
    ("x-esrihook-signature", "ArcGIS"),
    ("x-gitlab-token", "GitLab"),
    ("x-grafana-alerting-signature", "Grafana"),
    ("x-hub-signature", "GitHub and WebSub, by SHA-1"),
    ("x-hub-signature-256", "GitHub"),
    ("x-mcd-signature", "Monte Carlo"),
    ("x-pagerduty-signature", "PagerDuty"),
    ("x-slack-signature", "Slack"),
];

/// Whether `name` is `due` misspelt: other or no dashes, or a letter or two more, less or other.
pub(super) fn is_near(name: &str, due: &str) -> bool {
    let (name, due) = (letters(name), letters(due));
    if name.len() > NAME_CHARACTERS_MAX || due.len() > NAME_CHARACTERS_MAX {
        return false;
    }
    name == due || (due.len() >= 8 && distance(&name, &due) <= DISTANCE_MAX)
}

fn letters(name: &str) -> Vec<char> {
    name.chars()
        .filter(|character| character.is_alphanumeric())
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}

/// How many letters must be put in, taken out or replaced.
/// <https://en.wikipedia.org/wiki/Levenshtein_distance#Iterative_with_two_matrix_rows>
fn distance(one: &[char], two: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (line, letter) in one.iter().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        let mut next = vec![left];
        for (other, above) in two.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(letter != other);
            left = replaced.min(above + 1).min(left + 1);
            next.push(left);
            diagonal = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// Whether `name` carries somebody's signature.
pub(super) fn is_signature(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("signature") || name.contains("hmac") || KNOWN.iter().any(|(known, _)| *known == name)
}

/// Whether `name` carries a time.
pub(super) fn is_timestamp(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("timestamp") || name.ends_with("-time")
}

/// The name as it may be repeated to whoever sent it.
pub(super) fn shown(name: &str) -> String {
    let cut: String =
        name.chars().filter(|character| !character.is_control()).take(NAME_CHARACTERS_MAX).collect();
    match KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((_, whose)) => format!("`{cut}` (that of {whose})"),
        None => format!("`{cut}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_told_from_others() {
        for (name, due, expected) in [
            ("x-esri-hook-signature", "x-esriHook-Signature", true),
            ("x-esri Hook-Signature", "x-esriHook-Signature", true),
            ("x_pagerduty_signature", "X-PagerDuty-Signature", true),
            ("x-pagerduty-singature", "X-PagerDuty-Signature", true),
            ("pagerduty-signature", "X-PagerDuty-Signature", true),
            ("x-hub-signature", "x-hub-signature-256", false),
            ("x-grafana-signature", "X-PagerDuty-Signature", false),
            ("x-key", "x-kex", false),
            ("content-type", "webhook-signature", false),
            ("", "webhook-signature", false),
        ] {
            assert_eq!(is_near(name, due), expected, "{name} {due}");
        }
    }
}
