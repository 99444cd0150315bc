//! What becomes of a call whose sender is not proven: the doctor's word, a place in quarantine, a refusal.

use std::sync::Arc;

use bugle_model::{Integration, ReceiptState, Secret, Verification};
use bugle_platforms::{
    Inbound, Names,
    scheme::{Finding, Scheme, VerifyContext, diagnose},
};

use super::{Admission, Call, Refusal};
use crate::{Engine, health::Heard};

/// Secrets of other integrations that are offered to the doctor.
const OTHER_SECRETS_MAX: usize = 16;

impl Engine {
    /// Keeps a call that failed verification, and says why it did. When so many come that keeping them would be the
    /// attack, they are neither kept nor examined, as that is what costs.
    pub(super) async fn refuse(
        &self,
        admission: &Admission,
        call: Call,
        schemes: &[Scheme],
        mut reason: String,
        mut advice: String,
    ) -> Refusal {
        let integration = &admission.integration;
        let now = self.clock().now();
        self.heard(admission, Heard::Rejected, now);
        if !self.directory().rate().may_quarantine(integration.id) {
            self.metrics().quarantine_overflow.inc();
            return Refusal::ValidationFailed { reason, advice, receipt_id: None };
        }
        let mut owner = None;
        if let Some(finding) = self.examine(integration, &call, schemes, &reason) {
            owner = self.owner_of(&finding);
            (reason, advice) = (finding.reason.to_owned(), finding.advice);
        }
        let verdict = Verification::Failed { reason: reason.clone(), advice: advice.clone() };
        let mut receipt = self.receipt(integration.id, call, schemes, verdict, Names::default(), None);
        if let (Some(problem), Some(owner)) = (&mut receipt.problem, owner) {
            // The caller is not told whose secret it is; whoever may read receipts is.
            *problem = format!("{problem} (it is a secret of integration {} \"{}\")", owner.id, owner.name);
        }
        let id = receipt.id;
        match self.store().append(receipt).await {
            Ok(_) => {
                self.tell_receipt(admission, id, ReceiptState::Rejected);
                Refusal::ValidationFailed { reason, advice, receipt_id: Some(id) }
            }
            Err(error) => {
                self.metrics().inbox.not_stored.inc();
                Refusal::StoreUnavailable(error)
            }
        }
    }

    fn examine(
        &self,
        integration: &Integration,
        call: &Call,
        schemes: &[Scheme],
        reason: &str,
    ) -> Option<Finding> {
        let now = self.clock().now();
        let mut integrations = self.directory().integrations();
        integrations.retain(|other| other.id != integration.id);
        // A URL is mixed up most often with that of the same platform's other integration, and a new one before an old.
        integrations.reverse();
        integrations.sort_by_key(|other| other.platform != integration.platform);
        let others: Vec<&Secret> =
            integrations.iter().flat_map(|other| other.active_secrets(now)).take(OTHER_SECRETS_MAX).collect();
        let secrets: Vec<&Secret> = integration.secrets.iter().collect();
        let inbound = Inbound { query: &call.query, headers: &call.headers, body: &call.body };
        let context = VerifyContext { now, sealer: self.sealer(), stored: false };
        diagnose(schemes, &secrets, &others, &inbound, &context, reason)
    }

    fn owner_of(&self, finding: &Finding) -> Option<Arc<Integration>> {
        let secret_id = finding.belongs_to?;
        let mut integrations = self.directory().integrations().into_iter();
        integrations.find(|other| other.secrets.iter().any(|secret| secret.id == secret_id))
    }
}
