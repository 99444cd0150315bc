//! Standard Webhooks: Bugle's own form.

use super::{Dialect, Notice, Outbound, RenderError, Wishes};
use crate::scheme::Scheme;

/// Standard Webhooks.
#[derive(Debug, Clone, Copy)]
pub struct StandardWebhooks;

impl Dialect for StandardWebhooks {
    fn slug(&self) -> &'static str {
        "standard-webhooks"
    }

    fn title(&self) -> &'static str {
        "Standard Webhooks"
    }

    fn check(&self, _: &Wishes<'_>) -> Result<(), String> {
        Ok(())
    }

    fn render(&self, _: &Notice<'_>, _: &Wishes<'_>) -> Result<Option<Outbound>, RenderError> {
        Ok(None)
    }

    fn scheme(&self, _: &serde_json::Map<String, serde_json::Value>) -> Option<Scheme> {
        None
    }
}
