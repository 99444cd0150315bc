//! Signatures, written a second time and from the specifications alone, so that they can disagree with Bugle's.

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::http::{Headers, header};

/// `sha256=` and the hexadecimal HMAC-SHA256 of `body`, as senders write it.
pub(crate) fn sha256_header(secret: &str, body: &[u8]) -> Result<String> {
    Ok(format!(
        "sha256={}",
        hex::encode(keyed(secret.as_bytes())?.chain_update(body).finalize().into_bytes())
    ))
}

/// Whether `value` is [`sha256_header`] of `body`, compared in constant time.
pub(crate) fn is_sha256_header(secret: &str, body: &[u8], value: &str) -> bool {
    let Some(Ok(given)) = value.strip_prefix("sha256=").map(hex::decode) else { return false };
    keyed(secret.as_bytes()).is_ok_and(|mac| mac.chain_update(body).verify_slice(&given).is_ok())
}

/// Checks a request against Standard Webhooks, version `v1`. `secret` is `whsec_` and base64 of the key.
/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
pub(crate) fn check_standard_webhooks(secret: &str, headers: &Headers, body: &[u8]) -> Result<()> {
    let wanted = |name| header(headers, name).with_context(|| format!("header {name} is missing"));
    let (id, timestamp) = (wanted("webhook-id")?, wanted("webhook-timestamp")?);
    let expected = standard_webhooks(secret, id, timestamp, body)?;
    let given = wanted("webhook-signature")?;
    if given.split(' ').any(|one| one == expected) {
        return Ok(());
    }
    bail!("webhook-signature does not fit the body")
}

/// What stands in `webhook-signature` by Standard Webhooks, version `v1`.
pub(crate) fn standard_webhooks(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> Result<String> {
    let key = secret.strip_prefix("whsec_").context("the secret does not begin with whsec_")?;
    let key = BASE64.decode(key).context("the secret is not base64")?;
    let mac = keyed(&key)?.chain_update(format!("{id}.{timestamp}.")).chain_update(body);
    Ok(format!("v1,{}", BASE64.encode(mac.finalize().into_bytes())))
}

fn keyed(key: &[u8]) -> Result<Hmac<Sha256>> {
    Hmac::new_from_slice(key).context("the key has a length that HMAC refuses")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_what_other_tools_print() {
        // printf hello | openssl dgst -sha256 -hmac key
        let value = "sha256=9307b3b915efb5171ff14d8cb55fbcc798c6c0ef1456d66ded1a6aa723a58b7b";
        assert_eq!(sha256_header("key", b"hello").unwrap(), value);
        assert!(is_sha256_header("key", b"hello", value));
        assert!(!is_sha256_header("key", b"hello!", value));
        assert!(!is_sha256_header("key", b"hello", "sha256=zz"));
    }

    #[test]
    fn a_changed_body_or_id_is_refused() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mac = keyed(&key).unwrap().chain_update("evt_1.1700000000.{}");
        let signature = format!("v1,AAAA v1,{}", BASE64.encode(mac.finalize().into_bytes()));
        let headers = |id: &str| {
            vec![
                ("webhook-id".to_owned(), id.to_owned()),
                ("webhook-timestamp".to_owned(), "1700000000".to_owned()),
                ("webhook-signature".to_owned(), signature.clone()),
            ]
        };
        assert!(check_standard_webhooks(secret, &headers("evt_1"), b"{}").is_ok());
        assert!(check_standard_webhooks(secret, &headers("evt_2"), b"{}").is_err());
        assert!(check_standard_webhooks(secret, &headers("evt_1"), b"{ }").is_err());
    }
}
