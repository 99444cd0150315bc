//! Realistic calls of a platform, signed as the platform signs them.

use bugle_model::Timestamp;
use bugle_platforms::{
    Source,
    dialect::Stamp,
    scheme::Proof,
    source::{Sample, SamplePhase},
};
use clap::ValueEnum;
use serde_json::{Map, Value};

/// The calls of an alert's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Phase {
    /// It begins
    Firing,
    /// It goes on, and something changed
    Update,
    /// It is over
    Resolved,
}

impl Phase {
    /// All, in the order of an alert's life.
    pub const ALL: [Self; 3] = [Self::Firing, Self::Update, Self::Resolved];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Update => "update",
            Self::Resolved => "resolved",
        }
    }
}

impl From<Phase> for SamplePhase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Firing => Self::Firing,
            Phase::Update => Self::Update,
            Phase::Resolved => Self::Resolved,
        }
    }
}

/// A call, ready to be sent.
#[derive(Debug, Clone)]
pub struct SignedSample {
    /// The path and query of the webhook's URL.
    pub path: String,
    /// The headers, signature included.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a sample is made of.
#[derive(Clone, Copy)]
pub struct SampleOf<'a> {
    /// The platform.
    pub source: &'static dyn Source,
    /// The integration that gets it.
    pub integration: &'a str,
    /// Which call of the alert's life.
    pub phase: Phase,
    /// Names the alert.
    pub key: &'a str,
    /// When it is sent.
    pub at: Timestamp,
    /// What it is signed with; unsigned without.
    pub secret: Option<&'a str>,
}

/// Why a sample could not be signed.
#[derive(Debug, thiserror::Error)]
#[error("{platform} calls cannot be signed with this secret: {reason}")]
pub struct SignError {
    platform: &'static str,
    reason: String,
}

impl SampleOf<'_> {
    /// Makes the call, signed by the platform's preferred scheme that can use the secret.
    pub fn make(&self) -> Result<SignedSample, SignError> {
        let Sample { mut headers, body } = self.source.sample(self.phase.into(), self.key, self.at);
        let proof = self.secret.map(|secret| self.sign(secret, &body)).transpose()?.unwrap_or_default();
        headers.extend(proof.headers);
        let mut path = format!("/api/v1/webhooks/{}/{}", self.source.slug(), self.integration);
        if let Some((name, value)) = proof.query {
            path = crate::client::with_query(&path, &[(&name, Some(&value))]);
        }
        Ok(SignedSample { path, headers, body })
    }

    fn sign(&self, secret: &str, body: &[u8]) -> Result<Proof, SignError> {
        let settings = Map::<String, Value>::new();
        let id = format!("{}-{}-{}", self.key, self.phase.as_str(), self.at.as_millis());
        let stamp = Stamp { id: &id, at: self.at };
        let mut reason = "it has no way to prove them".to_owned();
        for scheme in self.source.schemes(&settings) {
            match scheme.sign(&[secret], &stamp, body) {
                Ok(proof) => return Ok(proof),
                Err(error) => reason = error.to_string(),
            }
        }
        Err(SignError { platform: self.source.title(), reason })
    }
}

#[cfg(test)]
mod tests {
    use bugle_model::{Secret, SecretId, Verification};
    use bugle_platforms::{
        Inbound,
        scheme::{Sealer, VerifyContext, verify},
        table,
    };

    use super::*;

    #[test]
    fn every_platforms_sample_is_proven_by_its_own_secret_and_by_no_other() {
        let at = Timestamp::from_seconds(1_795_000_000);
        for source in table::SOURCES {
            let secret = "a-secret-of-the-sender";
            for phase in Phase::ALL {
                let sample = SampleOf {
                    source: *source,
                    integration: "int_1",
                    phase,
                    key: "cpu/web-01",
                    at,
                    secret: Some(secret),
                };
                let sample = sample.make().unwrap();
                let (_, query) = sample.path.split_once('?').unwrap_or_default();
                let inbound = Inbound { query, headers: &sample.headers, body: &sample.body };
                let proven = |value: &str| {
                    let secret = Secret {
                        id: SecretId::from_i64(1),
                        value: value.into(),
                        created_at: at,
                        expires_at: None,
                    };
                    let context = VerifyContext { now: at, sealer: &Sealer::new([7; 32]), stored: false };
                    let verdict = verify(&source.schemes(&Map::new()), &[&secret], &inbound, &context);
                    matches!(verdict, Verification::Verified { .. })
                };
                assert!(proven(secret), "{} {phase:?}", source.slug());
                assert!(!proven("another-secret-altogether"), "{} {phase:?}", source.slug());
            }
        }
    }
}
