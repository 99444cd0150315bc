//! What the browser keeps from the beginning of a sign-in to its end: sealed with a key of this process, for minutes, once.
//!
//! State, nonce and code verifier are made from one secret, so that nothing is stored for who never comes back. Which
//! ones were used is remembered until they would be too old anyway.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bugle_model::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::{ConfigError, random_bytes};

/// How long a person may take at the provider: time for a second factor.
pub(super) const AGE_MAX: Duration = Duration::from_mins(10);
/// Longest place to lead to afterwards, in bytes: the whole is a cookie, of which browsers keep 4 KiB.
const NEXT_BYTES_MAX: usize = 1024;
/// Used ones that are remembered; beyond it the oldest is forgotten. The provider takes no code twice either.
const USED_MAX: usize = 10_000;

/// One sign-in on its way. Not to be printed: the seed is what all that is secret about it is made from.
#[derive(Serialize, Deserialize)]
pub(super) struct Flow {
    seed: String,
    until: Timestamp,
    /// Where one wanted to go.
    pub(super) next: String,
}

impl Flow {
    pub(super) fn new(next: &str, now: Timestamp) -> Result<Self, ConfigError> {
        let seed = hex::encode(random_bytes::<32>()?);
        let next = if next.len() <= NEXT_BYTES_MAX { next } else { "/" };
        Ok(Self { seed, until: now.plus(AGE_MAX), next: next.to_owned() })
    }

    /// What the provider gives back with its answer.
    pub(super) fn state(&self) -> String {
        self.made("state")
    }

    /// What the provider puts into the token.
    pub(super) fn nonce(&self) -> String {
        self.made("nonce")
    }

    /// What proves that the code came to who began: 43 characters, as RFC 7636 wants.
    pub(super) fn verifier(&self) -> String {
        self.made("verifier")
    }

    /// What the provider holds the verifier against.
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier()))
    }

    fn made(&self, what: &str) -> String {
        let made = Sha256::new().chain_update("bugle ").chain_update(what).chain_update(" ");
        URL_SAFE_NO_PAD.encode(made.chain_update(&self.seed).finalize())
    }
}

/// Seals what is begun, and takes back each once.
#[derive(Debug)]
pub(super) struct Flows {
    key: hmac::Key,
    /// By their states, which were in the open anyway.
    used: Mutex<VecDeque<(String, Timestamp)>>,
}

impl Flows {
    pub(super) fn new() -> Result<Self, ConfigError> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random_bytes::<32>()?);
        Ok(Self { key, used: Mutex::default() })
    }

    /// As the browser keeps it.
    pub(super) fn seal(&self, flow: &Flow) -> Result<SecretString, ConfigError> {
        let text = serde_json::to_vec(flow)
            .map_err(|_| ConfigError::invalid("next", "this place cannot be led to: begin again"))?;
        let tag = hmac::sign(&self.key, &text);
        Ok(format!("{}.{}", URL_SAFE_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(tag)).into())
    }

    /// The sign-in that `kept` and `state` belong to, unless it is too old or was taken before.
    pub(super) fn take(&self, kept: &str, state: &str, now: Timestamp) -> Option<Flow> {
        let (text, tag) = kept.split_once('.')?;
        let (text, tag) = (URL_SAFE_NO_PAD.decode(text).ok()?, URL_SAFE_NO_PAD.decode(tag).ok()?);
        hmac::verify(&self.key, &text, &tag).ok()?;
        let flow: Flow = serde_json::from_slice(&text).ok()?;
        let is_its: bool = flow.state().as_bytes().ct_eq(state.as_bytes()).into();
        if !is_its || flow.until <= now {
            return None;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|(_, until)| *until > now);
        if used.iter().any(|(known, _)| known == state) {
            return None;
        }
        if used.len() >= USED_MAX {
            used.pop_front();
        }
        used.push_back((state.to_owned(), flow.until));
        Some(flow)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn one_is_taken_back_once_in_time_with_its_own_state() {
        let (flows, now) = (Flows::new().unwrap(), Timestamp::from_seconds(1_000_000));
        let flow = Flow::new("/incidents?status=open", now).unwrap();
        let (kept, state) = (flows.seal(&flow).unwrap(), flow.state());
        let kept = kept.expose_secret();
        let take = |kept: &str, state: &str, at| flows.take(kept, state, at).map(|flow| flow.next);
        assert_eq!(take(kept, &Flow::new("/", now).unwrap().state(), now), None);
        assert_eq!(take(kept, "", now), None);
        assert_eq!(take(kept, &state, now.plus(AGE_MAX)), None);
        let (text, tag) = kept.split_once('.').unwrap();
        let later = Flow { until: now.plus(AGE_MAX * 2), ..flow };
        let forged = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&later).unwrap());
        for wrong in [format!("{forged}.{tag}"), format!("{text}."), text.to_owned(), String::new()] {
            assert_eq!(take(&wrong, &state, now), None, "{wrong}");
        }
        assert!(Flows::new().unwrap().take(kept, &state, now).is_none(), "another process");
        assert_eq!(take(kept, &state, now).as_deref(), Some("/incidents?status=open"));
        assert_eq!(take(kept, &state, now), None, "used");
    }

    #[test]
    fn what_is_told_to_one_side_does_not_tell_the_rest() {
        let flow = Flow::new(&"/".repeat(2000), Timestamp::from_seconds(0)).unwrap();
        assert_eq!(flow.next, "/");
        let made = [flow.state(), flow.nonce(), flow.verifier(), flow.challenge()];
        assert!(made.iter().all(|text| text.len() == 43));
        assert!((1..4).all(|at| !made[..at].contains(&made[at])));
    }
}
