//! Template: Bugle's own form.

use super::{Dialect, Notice, Outbound, RenderError, Wishes};
use crate::scheme::Scheme;

/// Template.
#[derive(Debug, Clone, Copy)]
pub struct Template;

impl Dialect for Template {
    fn slug(&self) -> &'static str {
        "template"
    }

    fn title(&self) -> &'static str {
        "Template"
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
