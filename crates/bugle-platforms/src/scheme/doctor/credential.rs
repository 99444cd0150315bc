//! Credentials that are right and came in the wrong place, or wrong in a way that can be named.

use std::borrow::Cow;

use bugle_model::Secret;

use super::{Exam, Finding, HEADERS_TRIED_MAX, Opinion, expired, names, of_another};
use crate::scheme::{Scheme, is_credential_header};

/// Query parameters that are looked at.
const PARAMETERS_MAX: usize = 8;

impl Exam<'_> {
    pub(super) fn credential(&mut self, due: &Scheme, taken: &[Scheme]) -> Option<Opinion> {
        let found =
            self.other_secret(due).or_else(|| self.other_text(due)).or_else(|| self.other_place(due, taken));
        found.map(Opinion::Certain).or_else(|| self.misspelt(due).map(Opinion::Guess))
    }

    fn credential_holds(&mut self, scheme: &Scheme, secret: &Secret) -> bool {
        self.holds(scheme, secret, self.inbound.headers, self.inbound.body)
    }

    fn other_secret(&mut self, due: &Scheme) -> Option<Finding> {
        if self.expired.clone().into_iter().any(|secret| self.credential_holds(due, secret)) {
            return Some(expired());
        }
        self.others.iter().find(|secret| self.credential_holds(due, secret)).map(|secret| of_another(secret))
    }

    /// The secret came with something around it, or is stored so.
    fn other_text(&mut self, due: &Scheme) -> Option<Finding> {
        let name = due.name();
        for secret in self.newest() {
            let text = secret.expose();
            let trimmed = text.trim();
            let hypotheses = [
                (
                    trimmed.to_owned(),
                    "secret_with_whitespace",
                    "white space around it here, and came without: set it here anew",
                ),
                (
                    trimmed.trim_matches(['"', '\'']).to_owned(),
                    "secret_with_quotes",
                    "quotation marks around it here, and came without: set it here anew",
                ),
                (
                    format!("\"{trimmed}\""),
                    "secret_with_quotes",
                    "none around it here, and came in quotation marks: set it at the sender anew",
                ),
                (
                    format!("Bearer {trimmed}"),
                    "credential_with_prefix",
                    "nothing before it here, and came with `Bearer` before it: let the sender send it alone",
                ),
            ];
            for (other, word, how) in hypotheses {
                let made = Secret { value: other.clone().into(), ..secret.clone() };
                if other != text && !other.is_empty() && self.credential_holds(due, &made) {
                    return Some(Finding::new(word, format!("the secret in {name} has {how}")));
                }
            }
        }
        None
    }

    /// The right secret came where it is not looked for.
    fn other_place(&mut self, due: &Scheme, taken: &[Scheme]) -> Option<Finding> {
        let headers = self.inbound.headers.iter().filter(|(name, _)| is_credential_header(name));
        let headers = headers
            .take(HEADERS_TRIED_MAX)
            .map(|(name, _)| Scheme::Header { name: Cow::Owned(name.clone()) });
        let parameters = form_urlencoded::parse(self.inbound.query.as_bytes()).take(PARAMETERS_MAX);
        let parameters =
            parameters.map(|(name, _)| Scheme::Query { parameter: Cow::Owned(name.into_owned()) });
        let places: Vec<Scheme> =
            [Scheme::Bearer, Scheme::Basic].into_iter().chain(headers).chain(parameters).collect();
        for place in places.iter().filter(|place| !taken.contains(place)) {
            if self.newest().any(|secret| self.credential_holds(place, secret)) {
                let came = match place {
                    Scheme::Header { name } => names::shown(name),
                    Scheme::Query { .. } => "the query".to_owned(),
                    _ => format!("`{}`", place.name()),
                };
                let advice = format!(
                    "the right secret came in {came}, and {} is where it is due: move it there",
                    due.name()
                );
                return Some(Finding::new("credential_in_another_place", advice));
            }
        }
        None
    }

    fn misspelt(&self, due: &Scheme) -> Option<Finding> {
        let Scheme::Header { name: due } = due else { return None };
        let headers = self.inbound.headers;
        if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(due)) {
            return None;
        }
        let (name, _) = headers.iter().find(|(name, _)| names::is_near(name, due))?;
        let advice = format!(
            "the call carries {}, and this integration expects `{due}`: mend the name at the sender",
            names::shown(name)
        );
        Some(Finding::new("credential_misspelt_header", advice))
    }
}
