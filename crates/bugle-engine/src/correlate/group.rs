//! Which alerts belong together, and keys that are too long to be keys.

use bugle_model::{Integration, Signal};
use sha2::{Digest, Sha256};

/// Longest key kept as it is; a longer one keeps its beginning and a hash of the whole.
const KEY_BYTES_MAX: usize = 512;

/// The grouping key of a signal: the source's own group, or the alert by itself. Never shared between integrations.
pub fn grouping_key(integration: &Integration, signal: &Signal) -> String {
    let own = match &signal.grouping_key {
        Some(group) if integration.groups_by_source() => alert_key(group),
        _ => signal.fingerprint.clone(),
    };
    format!("{}:{own}", integration.id)
}

/// A fingerprint as it is stored.
pub fn alert_key(fingerprint: &str) -> String {
    if fingerprint.len() <= KEY_BYTES_MAX {
        return fingerprint.to_owned();
    }
    let mut short = fingerprint.to_owned();
    short.truncate(short.floor_char_boundary(KEY_BYTES_MAX / 2));
    short.push('#');
    short.push_str(&hex::encode(Sha256::digest(fingerprint.as_bytes())));
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_keys_stay_apart() {
        let (a, b) = ("x".repeat(4000) + "a", "x".repeat(4000) + "b");
        assert_ne!(alert_key(&a), alert_key(&b));
        assert!(alert_key(&a).len() <= KEY_BYTES_MAX);
        assert_eq!(alert_key("short"), "short");
    }
}
