//! Values for samples: invented, realistic, and always the same for the same key.

use sha2::{Digest, Sha256};

/// 64 lower-case hexadecimal digits that depend on the key and on what they are for.
pub(crate) fn hex_digits(purpose: &str, key: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(purpose.as_bytes());
    hash.update([0]);
    hash.update(key.as_bytes());
    hex::encode(hash.finalize())
}

/// A number of nine digits.
pub(crate) fn number(purpose: &str, key: &str) -> u64 {
    let digits: String = hex_digits(purpose, key).chars().take(12).collect();
    100_000_000 + u64::from_str_radix(&digits, 16).unwrap_or_default() % 900_000_000
}

/// A version 4 UUID.
pub(crate) fn uuid(purpose: &str, key: &str) -> String {
    let mut text = String::with_capacity(36);
    for (index, digit) in hex_digits(purpose, key).chars().take(32).enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(match index {
            12 => '4',
            16 => 'a',
            _ => digit,
        });
    }
    text
}

/// `P` or `Q` and thirteen capital letters and digits, as PagerDuty's newer ids are.
pub(crate) fn capitals(purpose: &str, key: &str, length: usize) -> String {
    hex_digits(purpose, key).chars().take(length).map(|digit| digit.to_ascii_uppercase()).collect()
}

/// The part of an alert's key that names a host: `web-01` of `cpu/web-01`.
pub(crate) fn host(key: &str) -> &str {
    key.rsplit('/').next().filter(|host| !host.is_empty()).unwrap_or("web-01")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_depend_on_key_and_purpose_and_on_nothing_else() {
        assert_eq!(uuid("alert", "a"), uuid("alert", "a"));
        assert_ne!(uuid("alert", "a"), uuid("alert", "b"));
        assert_ne!(number("alert", "a"), number("rule", "a"));
        assert_eq!(uuid("alert", "a").len(), 36);
        assert_eq!(number("x", "y").to_string().len(), 9);
    }
}
