//! Letting a whole quarantine go once the secret or the mapping is mended. One call is [`Engine::reverify`]'s.

use bugle_model::{IntegrationId, ReceiptId, ReceiptState, Verification, limits};
use bugle_store::{PageRequest, ReceiptFilter, StoreError};
use serde::Serialize;

use crate::{Engine, incidents::ActError};

/// What a release did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Released {
    /// Calls that hold now and are before the pipeline.
    pub released: u32,
    /// Calls that still do not hold, and stay.
    pub refused: u32,
}

impl Engine {
    /// Verifies what is in quarantine of an integration again, the oldest first, and puts what holds before the pipeline.
    /// A quarantine is bounded, so this ends. Calls that leave meanwhile are passed over.
    pub async fn release_quarantine(
        &self,
        integration_id: IntegrationId,
        states: &[ReceiptState],
    ) -> Result<Released, ActError> {
        let mut quarantined = Vec::new();
        for state in states {
            quarantined.extend(self.receipts_in(integration_id, *state).await?);
        }
        quarantined.sort_unstable();
        let mut done = Released::default();
        for id in quarantined {
            match self.reverify(id).await {
                Ok(Verification::Failed { .. }) => done.refused += 1,
                Ok(_) => done.released += 1,
                Err(ActError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    async fn receipts_in(
        &self,
        integration_id: IntegrationId,
        state: ReceiptState,
    ) -> Result<Vec<ReceiptId>, StoreError> {
        let filter = ReceiptFilter { integration_id: Some(integration_id), state: Some(state) };
        let mut page = PageRequest { cursor: None, limit: limits::PAGE_MAX };
        let mut found = Vec::new();
        while found.len() < limits::QUARANTINE_PER_INTEGRATION_MAX as usize {
            let receipts = self.store().receipts(filter, page).await?;
            found.extend(receipts.data.iter().map(|receipt| receipt.id));
            page.cursor = receipts.next_cursor;
            if page.cursor.is_none() {
                break;
            }
        }
        Ok(found)
    }
}
