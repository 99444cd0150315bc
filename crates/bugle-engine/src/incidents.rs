//! Acting on incidents: the pure lifecycle, committed with its event and its deliveries.

use bugle_model::{
    Actor, EventKind, Incident, IncidentId, ReceiptId, Verification,
    lifecycle::{self, Action, Refusal},
};
use bugle_store::{CommitError, Step, StoreError};

use crate::{Engine, correlate::Draft};

/// Why an action was not done.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// There is no such incident, receipt or delivery.
    #[error("there is no {what} `{id}`")]
    NotFound {
        /// `incident`, `receipt`, ...
        what: &'static str,
        /// What was asked for.
        id: String,
    },
    /// It makes no sense for it as it is.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is not in a state for that.
    #[error("{0}")]
    WrongState(String),
    /// Others kept changing it at the same moment.
    #[error("the incident is being changed by others: try again")]
    Busy,
    /// The store could not do it now.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How often an action is decided anew when others change the incident at the same moment.
const TRIES_MAX: u32 = 10;

impl Engine {
    /// Does `action` to an incident. What is already as asked changes nothing and makes no event.
    pub async fn act(&self, id: IncidentId, action: Action, actor: Actor) -> Result<Incident, ActError> {
        for _ in 0..TRIES_MAX {
            let incident = self.store().incident(id).await?;
            let mut incident =
                incident.ok_or_else(|| ActError::NotFound { what: "incident", id: id.to_string() })?;
            let at = self.clock().now();
            let Some(change) = lifecycle::apply(&mut incident, action.clone(), &actor, at)? else {
                return Ok(incident);
            };
            if change.kind == EventKind::Reopened {
                self.check_reopening(&incident).await?;
            }
            let mut draft = Draft::of(incident);
            draft.push(self.ids(), change, actor.clone(), at, None);
            let (incident, events) = draft.finish(at);
            let mut step = Step { at, incidents: vec![incident.clone()], events, ..Step::default() };
            self.route(&mut step);
            match self.commit(step).await {
                Ok(()) => return Ok(incident),
                Err(CommitError::Conflict) => {}
                Err(CommitError::Store(error)) => return Err(error.into()),
            }
        }
        Err(ActError::Busy)
    }

    /// Two incidents of one group are never open at once.
    async fn check_reopening(&self, incident: &Incident) -> Result<(), ActError> {
        let group = self.store().incidents_for(Vec::new(), vec![incident.grouping_key.clone()]).await?;
        match group.iter().find(|other| other.id != incident.id && !other.is_resolved()) {
            Some(other) => Err(ActError::WrongState(format!(
                "its alerts are in incident {} now, which is open",
                other.id
            ))),
            None => Ok(()),
        }
    }

    /// Puts a receipt before the pipeline again, as it was verified when it came.
    pub async fn replay(&self, id: ReceiptId) -> Result<(), ActError> {
        let receipt = self.stored_receipt(id).await?;
        if matches!(receipt.verification, Verification::Failed { .. }) {
            return Err(ActError::WrongState(
                "its sender was never proven: mend the secret and re-verify it instead".into(),
            ));
        }
        self.store().requeue(id, receipt.verification).await?;
        self.wake_pipeline();
        Ok(())
    }

    /// Verifies a receipt again with the secrets and settings of now, and puts it before the pipeline when it holds.
    pub async fn reverify(&self, id: ReceiptId) -> Result<Verification, ActError> {
        let receipt = self.stored_receipt(id).await?;
        let verification = self.verify_stored(&receipt)?;
        if !matches!(verification, Verification::Failed { .. }) {
            self.store().requeue(id, verification.clone()).await?;
            self.wake_pipeline();
        }
        Ok(verification)
    }

    async fn stored_receipt(&self, id: ReceiptId) -> Result<bugle_model::Receipt, ActError> {
        let found = self.store().receipt(id).await?;
        found
            .map(|(receipt, _)| receipt)
            .ok_or_else(|| ActError::NotFound { what: "receipt", id: id.to_string() })
    }

    /// Verifies a stored receipt as if it came now, but with the time it came at.
    fn verify_stored(&self, receipt: &bugle_model::Receipt) -> Result<Verification, ActError> {
        use bugle_platforms::{
            Inbound,
            scheme::{VerifyContext, verify},
            table,
        };
        let integration = self.directory().integration(receipt.integration_id);
        let integration = integration.ok_or_else(|| {
            ActError::WrongState("its integration was deleted, and its secrets with it".into())
        })?;
        let source = table::source(&integration.platform).ok_or_else(|| {
            ActError::WrongState(format!("this version knows no platform {}", integration.platform))
        })?;
        let inbound =
            Inbound { query: &receipt.head.query, headers: &receipt.head.headers, body: &receipt.body };
        let context = VerifyContext { now: receipt.received_at, sealer: self.sealer(), stored: true };
        let secrets: Vec<_> = integration.secrets.iter().collect();
        Ok(verify(&source.schemes(&integration.settings), &secrets, &inbound, &context))
    }
}

impl Engine {
    /// Sends a settled delivery again, with a fresh retry budget.
    pub async fn redeliver(&self, id: bugle_model::DeliveryId) -> Result<bugle_model::Delivery, ActError> {
        let not_found = || ActError::NotFound { what: "delivery", id: id.to_string() };
        let (before, _) = self.store().delivery(id).await?.ok_or_else(not_found)?;
        if self.directory().destination(before.destination_id).is_none() {
            return Err(ActError::WrongState("its destination was deleted".into()));
        }
        if !self.store().redeliver(id, self.clock().now()).await? {
            return Err(ActError::WrongState("it is still on its way: nothing to redeliver".into()));
        }
        self.dispatcher().wake(before.destination_id);
        let (after, _) = self.store().delivery(id).await?.ok_or_else(not_found)?;
        Ok(after)
    }
}
