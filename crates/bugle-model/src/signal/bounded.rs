//! What a sender may write, cut to what a row may hold and a page may show.

use super::{Labels, Patch, Signal, SourceFacts};
use crate::limits;

impl Signal {
    /// Cuts every text to its limit and drops links that are not http or https, so that nothing a sender writes can
    /// grow a row without bound or become a script in a page. Fingerprints and grouping keys are left alone: the engine
    /// shortens them with a hash, so that two long ones stay apart.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        cut(&mut self.title, limits::TITLE_BYTES_MAX);
        if let Some(text) = &mut self.description {
            cut(text, limits::DESCRIPTION_BYTES_MAX);
        }
        for text in [&mut self.service, &mut self.host, &mut self.status_text, &mut self.severity_text]
            .into_iter()
            .flatten()
        {
            cut(text, limits::KEY_BYTES_MAX);
        }
        self.labels = bounded_labels(self.labels);
        self.annotations = bounded_labels(self.annotations);
        self.links.retain(|link| is_page(&link.url));
        self.links.truncate(limits::LABELS_MAX);
        self.measurements.truncate(limits::FINDINGS_MAX);
        self.correlations.truncate(limits::FINDINGS_MAX);
        self.related.truncate(limits::FINDINGS_MAX);
        self.source = self.source.bounded();
        self
    }
}

impl SourceFacts {
    /// Cuts what people wrote at the source, and drops the addresses of tickets that no page may link to.
    fn bounded(mut self) -> Self {
        if let Some(text) = &mut self.comment {
            cut(text, limits::DESCRIPTION_BYTES_MAX);
        }
        if let Patch::Set(owner) = &mut self.owner {
            cut(owner, limits::KEY_BYTES_MAX);
        }
        self.tickets.truncate(limits::LABELS_MAX);
        for ticket in self.tickets.iter_mut().filter(|ticket| !is_page(&ticket.url)) {
            ticket.url.clear();
        }
        self
    }
}

/// Whether a page may link to it: anything but http and https could be a script.
fn is_page(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

fn bounded_labels(labels: Labels) -> Labels {
    labels
        .into_iter()
        .take(limits::LABELS_MAX)
        .map(|(mut name, mut value)| {
            cut(&mut name, limits::KEY_BYTES_MAX);
            cut(&mut value, limits::DESCRIPTION_BYTES_MAX);
            (name, value)
        })
        .collect()
}

/// Cuts `text` to at most `bytes_max` bytes on a character's edge and marks the cut with an ellipsis.
pub fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max.saturating_sub('…'.len_utf8())));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{incident::Ticket, signal::Related};

    #[test]
    fn what_people_wrote_at_the_source_is_bounded_too() {
        let ticket = |url: &str| Ticket { system: "jira".into(), key: "OPS-7".into(), url: url.into() };
        let mut signal = Signal::default();
        signal.source.comment = Some("x".repeat(limits::DESCRIPTION_BYTES_MAX * 2));
        signal.source.owner = Patch::Set("o".repeat(limits::KEY_BYTES_MAX * 2));
        signal.source.tickets = vec![ticket("javascript:alert(1)"), ticket("https://jira.example.com/OPS-7")];
        signal.related = vec![Related::default(); limits::FINDINGS_MAX + 1];
        let bounded = signal.bounded();
        assert_eq!(bounded.source.comment.map(|text| text.len()), Some(limits::DESCRIPTION_BYTES_MAX));
        assert!(matches!(bounded.source.owner, Patch::Set(owner) if owner.len() == limits::KEY_BYTES_MAX));
        let urls: Vec<_> = bounded.source.tickets.iter().map(|ticket| ticket.url.as_str()).collect();
        assert_eq!(urls, ["", "https://jira.example.com/OPS-7"]);
        assert_eq!(bounded.related.len(), limits::FINDINGS_MAX);
    }
}
