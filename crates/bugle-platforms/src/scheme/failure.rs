//! Why a request is not proven: a word for machines and a sentence for people.

use std::borrow::Cow;

use bugle_model::Verification;

/// Why a request is not proven. The later ones came closer to being proven, so that among several schemes the greatest
/// is the most helpful to name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    CredentialMissing,
    SignatureMissing,
    SecretExpired,
    SecretInvalid,
    BodyUnsignable,
    PrefixMissing,
    EncodingWrong,
    TimestampMissing,
    TimestampInvalid,
    CredentialMismatch,
    SignatureMismatch,
    TimestampStale,
}

impl Reason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::CredentialMissing => "credential_missing",
            Self::SignatureMissing => "signature_missing",
            Self::SecretExpired => "secret_expired",
            Self::SecretInvalid => "secret_invalid",
            Self::BodyUnsignable => "body_unsignable",
            Self::PrefixMissing => "prefix_missing",
            Self::EncodingWrong => "encoding_wrong",
            Self::TimestampMissing => "timestamp_missing",
            Self::TimestampInvalid => "timestamp_invalid",
            Self::CredentialMismatch => "credential_mismatch",
            Self::SignatureMismatch => "signature_mismatch",
            Self::TimestampStale => "timestamp_stale",
        }
    }
}

#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reason: Reason,
    pub(super) advice: Cow<'static, str>,
}

impl Failure {
    pub(super) fn new(reason: Reason, advice: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, advice: advice.into() }
    }
}

impl From<Failure> for Verification {
    fn from(failure: Failure) -> Self {
        Self::Failed { reason: failure.reason.as_str().to_owned(), advice: failure.advice.into_owned() }
    }
}
