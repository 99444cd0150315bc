//! Monte Carlo's words for statuses, severities and comparisons, in both directions.

use bugle_model::{
    IncidentStatus, Severity, SignalStatus,
    incident::{DeclaredSeverity, Ticket},
};

/// What `alert_feedback` says: a status, no status, or a word that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feedback {
    /// Nobody has said anything.
    None,
    /// Somebody set this.
    Status(IncidentStatus),
    /// A word that the page does not have, such as `helpful` from the API.
    Unknown,
}

impl Feedback {
    pub(super) fn read(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "no_status" => Self::None,
            "investigating" => Self::Status(IncidentStatus::Acknowledged),
            "work_in_progress" => Self::Status(IncidentStatus::WorkInProgress),
            "fixed" => Self::Status(IncidentStatus::Fixed),
            "expected" => Self::Status(IncidentStatus::Expected),
            "no_action_needed" => Self::Status(IncidentStatus::NoActionNeeded),
            "false_positive" => Self::Status(IncidentStatus::FalsePositive),
            _ => Self::Unknown,
        }
    }

    pub(super) fn signal_status(self) -> SignalStatus {
        match self {
            Self::None => SignalStatus::Firing,
            Self::Status(status) if status.is_resolved() => SignalStatus::Resolved,
            Self::Status(_) => SignalStatus::Acknowledged,
            Self::Unknown => SignalStatus::Updated,
        }
    }
}

/// The word for `status`.
pub(super) const fn feedback(status: IncidentStatus) -> &'static str {
    match status {
        IncidentStatus::Open => "no_status",
        IncidentStatus::Acknowledged => "investigating",
        IncidentStatus::WorkInProgress
        | IncidentStatus::Fixed
        | IncidentStatus::Expected
        | IncidentStatus::NoActionNeeded
        | IncidentStatus::FalsePositive => status.as_str(),
    }
}

/// What `declared_alert_severity` says.
pub(super) fn declared_severity(word: &str) -> Option<DeclaredSeverity> {
    DeclaredSeverity::ALL.into_iter().find(|severity| severity.as_str().eq_ignore_ascii_case(word))
}

/// How bad a declared severity is among the severities of all platforms.
pub(super) const fn severity(declared: DeclaredSeverity) -> Severity {
    match declared {
        DeclaredSeverity::Sev1 => Severity::Critical,
        DeclaredSeverity::Sev2 => Severity::High,
        DeclaredSeverity::Sev3 => Severity::Medium,
        DeclaredSeverity::Sev4 => Severity::Low,
    }
}

/// An operator as Monte Carlo writes it: the sign for people, and the name in the rule. Others stay as they are.
pub(super) fn operator(word: &str) -> (&str, &str) {
    match word.trim().to_ascii_lowercase().as_str() {
        ">" | "gt" | "above" | "greater_than" => (">", "GT"),
        ">=" | "gte" | "ge" | "at_or_above" => (">=", "GTE"),
        "<" | "lt" | "below" | "less_than" => ("<", "LT"),
        "<=" | "lte" | "le" | "at_or_below" => ("<=", "LTE"),
        "=" | "==" | "eq" | "equal" => ("=", "EQ"),
        "!=" | "<>" | "neq" | "ne" | "not_equal" => ("!=", "NEQ"),
        _ => (word, word),
    }
}

/// The ticket at `url`: its key is the last part of the path, its system what the address gives away.
pub(super) fn ticket(url: &str) -> Option<Ticket> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let key = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(host);
    let host = host.to_ascii_lowercase();
    let system = if host.contains("service-now") || host.contains("servicenow") {
        "servicenow"
    } else if host.contains("jira") || host.contains("atlassian") {
        "jira"
    } else {
        "ticket"
    };
    Some(Ticket { system: system.to_owned(), key: key.to_owned(), url: url.to_owned() })
}
