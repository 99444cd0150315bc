//! How bad a problem is, in Bugle's five words and in everybody else's.

use serde::{Deserialize, Serialize};

/// How bad it is. Ordered: `Critical` is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nobody is woken.
    Info,
    /// Can wait for the week.
    Low,
    /// Can wait for the morning. Also what a source that says nothing means, unless its integration says otherwise.
    #[default]
    Medium,
    /// Soon critical, or critical for some.
    High,
    /// Wake someone.
    Critical,
}

impl Severity {
    /// All, worst first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Info => "info",
        }
    }

    /// The words that monitoring people use for a severity, whatever their case; `None` for any other.
    pub fn from_common_word(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "critical" | "crit" | "page" | "fatal" | "emergency" | "disaster" | "p1" | "sev1" | "sev-1" => {
                Some(Self::Critical)
            }
            "high" | "error" | "err" | "major" | "p2" | "sev2" | "sev-2" => Some(Self::High),
            "medium" | "moderate" | "warning" | "warn" | "average" | "p3" | "sev3" | "sev-3" => {
                Some(Self::Medium)
            }
            "low" | "minor" | "p4" | "sev4" | "sev-4" => Some(Self::Low),
            "info" | "informational" | "information" | "notice" | "none" | "debug" | "ok" | "p5" | "sev5" => {
                Some(Self::Info)
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
