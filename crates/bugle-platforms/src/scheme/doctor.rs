//! Why a request is not proven, found by asking what would have to be different for it to be.
//!
//! Every hypothesis is a scheme, a secret and a request of which one thing was changed, and is judged by [`verify()`](super::verify()) itself:
//! what is compared is compared in constant time, and no hash is ever seen here. A finding is told to the caller, so it
//! holds nothing that was not in the call: no secret, no signature, no name of another integration. It is certain only
//! where a signature held, which only somebody who has the secret can bring about.
//!
//! Bounded by [`TRIES_MAX`] and [`HASHED_BYTES_MAX`]; whoever calls bounds how often.
//!
//! - `shape`: how signatures are written.
//! - `names`: misspelt headers.
//! - `messages`: what a sender may have signed.
//! - `secrets`: what becomes of a secret on its way to the sender.
//! - `bodies`: what becomes of a body on its way here.
//! - `credential`: secrets that are sent as they are.

use bugle_model::{Secret, SecretId, Verification};

use super::{Hmac, KeyForm, Scheme, Signed, VerifyContext, shown_header, verify};
use crate::source::Inbound;

mod bodies;
mod credential;
mod messages;
mod names;
mod secrets;
mod shape;
#[cfg(test)]
mod tests;

/// Hypotheses that are tried for one request.
const TRIES_MAX: u32 = 64;
/// Bytes that are hashed for one request: a few milliseconds' worth.
const HASHED_BYTES_MAX: usize = 2 * 1024 * 1024;
/// What writing and hashing Python's form costs, compared with hashing the body.
const FORM_COST: usize = 8;
/// Of the active secrets, those whose variants are tried: the newest ones.
const VARIED_SECRETS_MAX: usize = 2;
/// Secrets of other integrations that are tried.
const OTHERS_MAX: usize = 16;
/// Headers that are tried in place of one that is missing.
const HEADERS_TRIED_MAX: usize = 3;
/// Unix times from here on are in milliseconds; in seconds they would be after the year 5000.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// What is wrong with a request that is not proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A word for machines, such as `body_reserialised`. Words are added, and do not change.
    pub reason: &'static str,
    /// A sentence for the person who configures the sender. Holds nothing secret.
    pub advice: String,
    /// The secret of another integration that the request holds with. Not for the caller.
    pub belongs_to: Option<SecretId>,
}

impl Finding {
    fn new(reason: &'static str, advice: impl Into<String>) -> Self {
        Self { reason, advice: advice.into(), belongs_to: None }
    }

    /// With what else is wrong.
    fn and(mut self, other: Option<Self>) -> Self {
        if let Some(other) = other {
            self.advice = format!("{}; also, {}", self.advice, other.advice);
        }
        self
    }
}

/// Looks for why `verify` failed with `reason` for the same arguments; `None` when nothing better is known than what it
/// said. `others` are secrets of other integrations, the likeliest first.
pub fn diagnose(
    schemes: &[Scheme],
    secrets: &[&Secret],
    others: &[&Secret],
    inbound: &Inbound<'_>,
    context: &VerifyContext<'_>,
    reason: &str,
) -> Option<Finding> {
    let (active, expired) = secrets.iter().copied().partition(|secret| secret.is_active(context.now));
    let mut exam = Exam {
        active,
        expired,
        others: others.get(..OTHERS_MAX).unwrap_or(others),
        inbound,
        context,
        tries_left: TRIES_MAX,
        bytes_left: HASHED_BYTES_MAX,
    };
    if exam.active.is_empty() {
        return None;
    }
    if reason == "timestamp_stale" {
        return exam.milliseconds(schemes);
    }
    let mut guess = None;
    for scheme in schemes {
        let opinion = match scheme {
            Scheme::Hmac(hmac) => exam.signature(hmac),
            _ => exam.credential(scheme, schemes),
        };
        match opinion {
            Some(Opinion::Certain(finding)) => return Some(finding),
            Some(Opinion::Guess(finding)) => guess = guess.or(Some(finding)),
            None => {}
        }
    }
    // With several schemes, a guess about one must not hide that another was used and did not hold.
    guess.filter(|_| schemes.len() == 1 || !reason.ends_with("_mismatch"))
}

/// How well founded a finding is.
enum Opinion {
    /// The request holds once the thing is mended.
    Certain(Finding),
    /// The thing is wrong, and perhaps not the only one.
    Guess(Finding),
}

struct Exam<'a> {
    /// The newest last.
    active: Vec<&'a Secret>,
    expired: Vec<&'a Secret>,
    others: &'a [&'a Secret],
    inbound: &'a Inbound<'a>,
    context: &'a VerifyContext<'a>,
    tries_left: u32,
    bytes_left: usize,
}

/// A request as it would be with one fault mended.
struct Mended<'a> {
    hmac: Hmac,
    headers: Vec<(String, String)>,
    body: &'a [u8],
}

impl<'a> Exam<'a> {
    /// Whether a request would be proven by `secret` if it counted. A request that is proven and stale counts: whoever
    /// mends the one fault is told of the other.
    fn holds(&mut self, scheme: &Scheme, secret: &Secret, headers: &[(String, String)], body: &[u8]) -> bool {
        let cost = match scheme {
            Scheme::Hmac(Hmac { signed: Signed::PythonUrlencode, .. }) => {
                body.len().saturating_mul(FORM_COST)
            }
            Scheme::Hmac(_) => body.len(),
            _ => 0,
        };
        let (Some(tries), Some(bytes)) = (self.tries_left.checked_sub(1), self.bytes_left.checked_sub(cost))
        else {
            return false;
        };
        (self.tries_left, self.bytes_left) = (tries, bytes);
        let secret = Secret { expires_at: None, ..secret.clone() };
        let inbound = Inbound { query: self.inbound.query, headers, body };
        match verify(std::slice::from_ref(scheme), &[&secret], &inbound, self.context) {
            Verification::Verified { .. } => true,
            Verification::Failed { reason, .. } => reason == "timestamp_stale",
            Verification::Unverified => false,
        }
    }

    fn holds_mended(&mut self, mended: &Mended<'_>, secret: &Secret) -> bool {
        self.holds(&Scheme::Hmac(mended.hmac.clone()), secret, &mended.headers, mended.body)
    }

    fn holds_with_own(&mut self, mended: &Mended<'_>) -> bool {
        self.newest().any(|secret| self.holds_mended(mended, secret))
    }

    /// The active secrets, the newest first. Does not borrow the exam.
    fn newest(&self) -> impl Iterator<Item = &'a Secret> + use<'a> {
        self.active.clone().into_iter().rev()
    }

    // Signatures.

    fn signature(&mut self, hmac: &Hmac) -> Option<Opinion> {
        let values = self.inbound.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(&hmac.header));
        let values: Vec<&str> = values.map(|(_, value)| value.as_str()).collect();
        if values.iter().all(|value| value.trim().is_empty()) {
            return self.misplaced_signature(hmac);
        }
        let mut guess = None;
        for reading in shape::readings(values.iter().copied(), hmac) {
            let fault = reading.fault.map(|fault| fault.finding(reading.algorithm, hmac));
            let mended = Mended {
                hmac: reading.scheme(hmac),
                headers: replaced(self.inbound.headers, &hmac.header, &reading.text),
                body: self.inbound.body,
            };
            if let Some(finding) = self.deeper(&mended, fault.as_ref()) {
                return Some(Opinion::Certain(finding));
            }
            guess = guess.or(fault);
        }
        guess.map(Opinion::Guess)
    }

    /// What is wrong beside, or instead of, how the signature is written.
    fn deeper(&mut self, mended: &Mended<'_>, fault: Option<&Finding>) -> Option<Finding> {
        if let Some(fault) = fault
            && self.holds_with_own(mended)
        {
            return Some(fault.clone());
        }
        let found = self
            .misspelt_timestamp(mended)
            .or_else(|| self.own_secret_otherwise(mended))
            .or_else(|| self.signed_otherwise(mended))
            .or_else(|| self.secret_of_another(mended))
            .or_else(|| self.body_otherwise(mended))?;
        Some(found.and(fault.cloned()))
    }

    /// The header is missing, and another may hold the signature.
    fn misplaced_signature(&mut self, hmac: &Hmac) -> Option<Opinion> {
        let due = shown_header(&hmac.header);
        let headers = self.inbound.headers;
        let named = |wanted: &dyn Fn(&str) -> bool| headers.iter().filter(|(name, _)| wanted(name)).collect();
        let near: Vec<_> =
            named(&|name| names::is_near(name, &hmac.header) && !name.eq_ignore_ascii_case(&hmac.header));
        let other: Vec<_> = named(&|name| names::is_signature(name) && !names::is_near(name, &hmac.header));
        let candidates = near
            .into_iter()
            .map(|header| ("signature_misspelt_header", header))
            .chain(other.into_iter().map(|header| ("signature_in_another_header", header)));
        let mut guess = None;
        for (word, (name, value)) in candidates.take(HEADERS_TRIED_MAX) {
            let shown = names::shown(name);
            let mended = |hmac: Hmac, value: &str| {
                let mut headers = replaced(headers, name, value);
                headers.retain(|(known, _)| !known.eq_ignore_ascii_case(&hmac.header));
                Mended { hmac: hmac.in_header(name.clone()), headers, body: self.inbound.body }
            };
            let readings = shape::readings(std::iter::once(value.as_str()), hmac);
            let requests: Vec<_> =
                readings.iter().map(|reading| mended(reading.scheme(hmac), &reading.text)).collect();
            if requests.iter().any(|request| self.holds_with_own(request)) {
                let advice = format!(
                    "the call carries {shown}, and this integration expects `{due}`: the signature itself is right, let the sender write it there"
                );
                return Some(Opinion::Certain(Finding::new(word, advice)));
            }
            let advice = format!(
                "the call carries {shown}, and this integration expects `{due}`: let the sender sign as this platform does, and see that no proxy between renames headers"
            );
            guess = guess.or(Some(Finding::new(word, advice)));
        }
        guess.map(Opinion::Guess)
    }

    fn own_secret_otherwise(&mut self, mended: &Mended<'_>) -> Option<Finding> {
        for secret in self.expired.clone() {
            if self.holds_mended(mended, secret) {
                return Some(expired());
            }
        }
        for secret in self.newest().take(VARIED_SECRETS_MAX) {
            for variant in secrets::variants(secret.expose(), mended.hmac.key) {
                let hmac = Hmac { key: variant.form, ..mended.hmac.clone() };
                let made = Secret { value: variant.text.clone().into(), ..secret.clone() };
                if self.holds(&Scheme::Hmac(hmac), &made, &mended.headers, mended.body) {
                    return Some(variant.finding());
                }
            }
        }
        None
    }

    fn secret_of_another(&mut self, mended: &Mended<'_>) -> Option<Finding> {
        self.others.iter().find_map(|secret| {
            // A key that Standard Webhooks cannot use may still be what another platform's sender signs with.
            let text = Mended {
                hmac: Hmac { key: KeyForm::Text, ..mended.hmac.clone() },
                headers: mended.headers.clone(),
                body: mended.body,
            };
            let differs = mended.hmac.key != KeyForm::Text;
            (self.holds_mended(mended, secret) || (differs && self.holds_mended(&text, secret)))
                .then(|| of_another(secret))
        })
    }

    /// The time's header is missing, and one has nearly its name.
    fn misspelt_timestamp(&mut self, mended: &Mended<'_>) -> Option<Finding> {
        let due = messages::timestamp_header(&mended.hmac.signed)?.clone();
        if mended.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(&due)) {
            return None;
        }
        let (found, value) = mended.headers.iter().find(|(name, _)| names::is_near(name, &due))?;
        let mut headers = mended.headers.clone();
        headers.push((due.to_ascii_lowercase(), value.clone()));
        let renamed = Mended { hmac: mended.hmac.clone(), headers, body: mended.body };
        self.holds_with_own(&renamed).then(|| {
            let shown = names::shown(found);
            Finding::new(
                "timestamp_misspelt_header",
                format!(
                    "the call carries its time in {shown}, and `{due}` is due: mend the name at the sender"
                ),
            )
        })
    }

    /// Something else was signed than is due: with or without the time, or another form of the body.
    fn signed_otherwise(&mut self, mended: &Mended<'_>) -> Option<Finding> {
        let due = &mended.hmac.signed;
        for (word, what, signed) in messages::others(due, &mended.headers) {
            let request = Mended {
                hmac: mended.hmac.clone().over(signed),
                headers: mended.headers.clone(),
                body: mended.body,
            };
            if self.holds_with_own(&request) {
                return Some(Finding::new(
                    word,
                    format!("the sender signs {what}, and {} is due", messages::title(due)),
                ));
            }
        }
        let empty = Mended { hmac: mended.hmac.clone(), headers: mended.headers.clone(), body: b"" };
        let is_empty = mended.body.is_empty();
        (!is_empty && self.holds_with_own(&empty)).then(|| {
            Finding::new(
                "signed_empty_body",
                "the sender signs an empty body: it must sign the bytes that it sends, after it has written them",
            )
        })
    }

    fn body_otherwise(&mut self, mended: &Mended<'_>) -> Option<Finding> {
        if mended.body.len() > bodies::BODY_BYTES_MAX {
            return None;
        }
        let is_form = mended.hmac.signed == Signed::PythonUrlencode;
        let form = is_form.then(|| bodies::reordered(mended.body)).flatten();
        let bytes = (!is_form).then(|| bodies::rewritten(mended.body));
        for (written, body) in form.into_iter().chain(bytes.into_iter().flatten()) {
            let request = Mended { hmac: mended.hmac.clone(), headers: mended.headers.clone(), body: &body };
            if self.holds_with_own(&request) {
                let advice = format!(
                    "the signature was made over this body written {written}: something between the sender's signing and here reads the body and writes it anew, let it pass the bytes as they came"
                );
                return Some(Finding::new("body_reserialised", advice));
            }
            // What cannot be tried need not be written.
            if self.tries_left == 0 || self.bytes_left < mended.body.len() {
                break;
            }
        }
        None
    }

    /// The signature is right, and the time is far off: perhaps because it is in another unit.
    fn milliseconds(&self, schemes: &[Scheme]) -> Option<Finding> {
        schemes.iter().find_map(|scheme| {
            let Scheme::Hmac(hmac) = scheme else { return None };
            let header = messages::timestamp_header(&hmac.signed)?;
            let value = self.inbound.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(header))?;
            let time: i64 = value.1.trim().parse().ok()?;
            (time >= MILLISECONDS_FROM).then(|| {
                Finding::new(
                    "timestamp_in_milliseconds",
                    format!("the header `{header}` holds milliseconds, and whole seconds since 1970-01-01 are due: divide by 1000 at the sender"),
                )
            })
        })
    }
}

fn expired() -> Finding {
    Finding::new(
        "secret_expired",
        "the call was proven with a secret of this integration that has expired: set the new one at the sender",
    )
}

fn of_another(secret: &Secret) -> Finding {
    let advice = "the call was proven with the secret of another integration: check the URL that the sender calls, or set this integration's secret there";
    Finding { belongs_to: Some(secret.id), ..Finding::new("secret_of_another_integration", advice) }
}

/// The headers with the value of `name` replaced, in the one place where it first stood.
fn replaced(headers: &[(String, String)], name: &str, value: &str) -> Vec<(String, String)> {
    let mut kept: Vec<_> =
        headers.iter().filter(|(known, _)| !known.eq_ignore_ascii_case(name)).cloned().collect();
    kept.push((name.to_ascii_lowercase(), value.to_owned()));
    kept
}
