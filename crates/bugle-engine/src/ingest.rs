//! Receive, verify, persist, answer. [`Engine::admit`] comes before the body is read, [`Engine::ingest`] after.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bugle_model::{
    Integration, IntegrationId, Receipt, ReceiptId, ReceiptState, Timestamp, Verification,
    receipt::RequestHead,
};
use bugle_platforms::{
    DecodeError, Decoded, Inbound, Names, Source,
    scheme::{Scheme, VerifyContext, verify},
    source::SenderRetry,
    table,
};
use bugle_store::StoreError;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{
    Engine,
    correlate::Origin,
    health::Heard,
    pipeline::{Ready, decode, glance},
    stream::{News, ReceiptNews},
};

mod refuse;

/// One call, read whole. Header names are in lower case.
#[derive(Debug, Clone)]
pub struct Call {
    /// `POST` or `PUT`.
    pub method: String,
    /// The query string, without the question mark.
    pub query: String,
    /// Names in lower case, in order of arrival.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: Bytes,
    /// Who called.
    pub remote_ip: IpAddr,
    /// `X-Request-ID`, else made by the caller of this function.
    pub correlation_id: String,
}

/// Leave to send a body: the integration exists, is enabled, and the caller is within its limits.
#[derive(Clone)]
pub struct Admission {
    integration: Arc<Integration>,
    source: &'static dyn Source,
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission").field("integration", &self.integration.id).finish_non_exhaustive()
    }
}

impl Admission {
    /// The platform's slug, for metrics and logs.
    pub fn platform(&self) -> &'static str {
        self.source.slug()
    }

    /// The integration.
    pub fn integration_id(&self) -> IntegrationId {
        self.integration.id
    }
}

/// What a caller is told of a call that was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The integration it was sent to.
    pub integration_id: IntegrationId,
    /// What the sender calls the first alert in it.
    pub alert_id: Option<String>,
    /// The receipt that holds it.
    pub receipt_id: ReceiptId,
    /// What happens to it.
    pub status: Processing,
}

/// What happens to a call that was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processing {
    /// The pipeline will see to it.
    Queued,
    /// It was taken in before.
    Duplicate,
    /// Its sender is proven and it was not understood: kept until the mapping is mended.
    Quarantined,
}

impl Processing {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Duplicate => "duplicate",
            Self::Quarantined => "quarantined",
        }
    }
}

/// Why a call was not taken in. Each becomes one error answer.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No such platform, no such integration, or the two do not belong together.
    #[error("{0}")]
    IntegrationNotFound(String),
    /// The integration is switched off.
    #[error("this integration is disabled: enable it, or remove the webhook at the sender")]
    Disabled,
    /// The caller's address is not in the integration's list.
    #[error("calls from {0} are not allowed for this integration: add its range to `allowed_ips`")]
    SourceIpNotAllowed(IpAddr),
    /// Too many calls.
    #[error("this integration takes {limit}: wait {} s", retry_after.as_secs().max(1))]
    RateLimited {
        /// The limit, as it was configured.
        limit: String,
        /// When to try again.
        retry_after: Duration,
        /// 429, or 503 for a sender that retries on nothing else.
        status: u16,
    },
    /// The sender is not proven. The call is in quarantine, if there was room.
    #[error("{advice}")]
    ValidationFailed {
        /// A word for machines.
        reason: String,
        /// A sentence for the person who configures the sender.
        advice: String,
        /// Where it is kept.
        receipt_id: Option<ReceiptId>,
    },
    /// The sender is proven, and the body is not even well-formed. The call is in quarantine.
    #[error("{message}")]
    InvalidPayload {
        /// What is wrong with it.
        message: String,
        /// Where it is kept.
        receipt_id: ReceiptId,
    },
    /// The call could not be made durable, so it was not accepted. The sender should try again.
    #[error("the call could not be stored; try again")]
    StoreUnavailable(#[source] StoreError),
}

impl Engine {
    /// Whether a call for this integration may go on to send its body. Cheap: nothing is read from the store.
    pub fn admit(
        &self,
        platform: &str,
        integration_id: &str,
        remote_ip: IpAddr,
    ) -> Result<Admission, Refusal> {
        let source = table::source(platform).ok_or_else(|| unknown_platform(platform))?;
        let integration = integration_id
            .parse()
            .ok()
            .and_then(|id| self.directory().integration(id))
            .ok_or_else(|| Refusal::IntegrationNotFound(unknown_integration(integration_id)))?;
        if integration.platform != platform {
            return Err(Refusal::IntegrationNotFound(format!(
                "integration {integration_id} is for {}: its URL ends in /{}/{integration_id}",
                integration.platform, integration.platform
            )));
        }
        if integration.is_built_in() {
            return Err(Refusal::IntegrationNotFound(
                "Bugle reports on itself by this integration: it takes no calls".to_owned(),
            ));
        }
        if !integration.enabled {
            return Err(Refusal::Disabled);
        }
        if !address_allowed(&integration, remote_ip) {
            return Err(Refusal::SourceIpNotAllowed(remote_ip));
        }
        self.check_rate(&integration, source)?;
        Ok(Admission { integration, source })
    }

    fn check_rate(&self, integration: &Integration, source: &dyn Source) -> Result<(), Refusal> {
        let (Some(limit), Err(wait)) = (integration.rate_limit, self.directory().rate().check(integration))
        else {
            return Ok(());
        };
        let status = match source.sender_retry() {
            SenderRetry::TooManyRequests => 429,
            SenderRetry::ServerErrorsOnly => 503,
        };
        Err(Refusal::RateLimited { limit: limit.to_string(), retry_after: wait, status })
    }

    /// Verifies a call, makes it durable, and says what happens to it. `Ok` is a promise that survives `kill -9`.
    pub async fn ingest(&self, admission: &Admission, call: Call) -> Result<Accepted, Refusal> {
        let Admission { integration, source } = admission;
        let now = self.clock().now();
        let inbound = Inbound { query: &call.query, headers: &call.headers, body: &call.body };
        let schemes = source.schemes(&integration.settings);
        let context = VerifyContext { now, sealer: self.sealer(), stored: false };
        let secrets: Vec<_> = integration.secrets.iter().collect();
        let verification = verify(&schemes, &secrets, &inbound, &context);
        if let Verification::Failed { reason, advice } = verification {
            return Err(self.refuse(admission, call, &schemes, reason, advice).await);
        }
        // What has no room to be handed over the pipeline decodes again: while a call waits for the store, its signals would
        // only take memory. So if its platform tells what it is called by a glance, it is not decoded twice.
        let settings = &integration.settings;
        let by_glance = if self.handover().has_room() { None } else { glance(*source, &inbound, settings) };
        let (names, decoded, error) = match by_glance {
            Some(names) => (names, None, None),
            None => match decode(*source, &inbound, settings) {
                Ok(decoded) => (decoded.names(), Some(decoded), None),
                Err(error) => (Names::default(), None, Some(error)),
            },
        };
        let receipt = self.receipt(integration.id, call, &schemes, verification, names, error.as_ref());
        if let Some(decoded) = decoded {
            self.hand_over(&receipt, decoded);
        }
        self.keep(admission, receipt, error).await
    }

    fn receipt(
        &self,
        integration_id: IntegrationId,
        call: Call,
        schemes: &[Scheme],
        verification: Verification,
        names: Names,
        error: Option<&DecodeError>,
    ) -> Receipt {
        let now = self.clock().now();
        let (state, problem) = match (&verification, error) {
            (Verification::Failed { advice, .. }, _) => (ReceiptState::Rejected, Some(advice.clone())),
            (_, Some(error)) => (ReceiptState::Undecodable, Some(error.to_string())),
            _ => (ReceiptState::Pending, None),
        };
        let head = RequestHead { method: call.method, query: call.query, headers: call.headers };
        Receipt {
            id: self.ids().next(now),
            integration_id,
            received_at: now,
            remote_ip: call.remote_ip,
            correlation_id: call.correlation_id,
            head: self.sealer().seal_head(head, schemes),
            body: call.body.into(),
            verification,
            state,
            problem,
            senders_id: names.delivery_id.as_deref().map(senders_id),
            alert_key: names.alert_id,
        }
    }

    async fn keep(
        &self,
        admission: &Admission,
        receipt: Receipt,
        error: Option<DecodeError>,
    ) -> Result<Accepted, Refusal> {
        let (id, integration_id, alert_id) = (receipt.id, receipt.integration_id, receipt.alert_key.clone());
        let (at, state) = (receipt.received_at, receipt.state);
        let by_senders_id = receipt.senders_id.is_some();
        let waits = self.arrivals().wait();
        let appended = self.store().append(receipt).await;
        drop(waits);
        let appended = appended.map_err(|error| {
            self.handover().take(id);
            self.heard(admission, Heard::StoreFailed, at);
            self.metrics().inbox.not_stored.inc();
            Refusal::StoreUnavailable(error)
        })?;
        let is_duplicate = by_senders_id && appended.duplicate_of.is_some();
        self.tell_receipt(admission, id, if is_duplicate { ReceiptState::Duplicate } else { state });
        let status = match error {
            Some(DecodeError::Malformed(message)) => {
                self.heard(admission, Heard::Undecodable, at);
                return Err(Refusal::InvalidPayload { message, receipt_id: id });
            }
            Some(DecodeError::NotUnderstood(_)) => {
                self.heard(admission, Heard::Undecodable, at);
                Processing::Quarantined
            }
            None => {
                self.heard(admission, Heard::Accepted, at);
                if is_duplicate {
                    self.handover().take(id);
                }
                self.wake_pipeline();
                if appended.duplicate_of.is_some() { Processing::Duplicate } else { Processing::Queued }
            }
        };
        Ok(Accepted { integration_id, alert_id, receipt_id: id, status })
    }

    /// Before the receipt is stored, as the pipeline may see it before the caller does.
    fn hand_over(&self, receipt: &Receipt, decoded: Decoded) {
        self.handover().put(Ready {
            origin: Origin::of(receipt),
            integration_id: receipt.integration_id,
            decoded,
            bytes: receipt.body.len(),
        });
    }

    fn heard(&self, admission: &Admission, what: Heard, at: Timestamp) {
        self.health().heard(admission.platform(), what, at);
        self.activity().heard(admission.platform(), admission.integration_id(), what, at);
    }

    fn tell_receipt(&self, admission: &Admission, id: ReceiptId, state: ReceiptState) {
        let (integration_id, platform) = (admission.integration_id(), admission.platform());
        self.feed().tell(|| News::Receipt(ReceiptNews { id, integration_id, platform, state }));
    }
}

/// Whether the integration takes calls from this address. An IPv4 address that came over an IPv6 socket counts as IPv4.
fn address_allowed(integration: &Integration, remote_ip: IpAddr) -> bool {
    let remote_ip = remote_ip.to_canonical();
    integration.allowed_ips.is_empty() || integration.allowed_ips.iter().any(|net| net.contains(&remote_ip))
}

fn senders_id(delivery_id: &str) -> [u8; 16] {
    let hash = Sha256::new().chain_update([1]).chain_update(delivery_id).finalize();
    let mut short = [0; 16];
    for (to, from) in short.iter_mut().zip(hash) {
        *to = from;
    }
    short
}

fn unknown_platform(platform: &str) -> Refusal {
    let known: Vec<_> = table::SOURCES.iter().map(|source| source.slug()).collect();
    let shown: String = platform.chars().take(40).collect();
    Refusal::IntegrationNotFound(format!("`{shown}` is not a platform: known are {}", known.join(", ")))
}

fn unknown_integration(id: &str) -> String {
    let shown: String = id.chars().take(60).collect();
    format!("there is no integration `{shown}`: copy the whole URL from the integration's page")
}

#[cfg(test)]
mod tests;
