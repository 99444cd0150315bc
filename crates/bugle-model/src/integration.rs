//! One configured inbound source.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{id::IntegrationId, secret::Secret, text::parsed, time::Timestamp};

/// One configured inbound source.
#[derive(Debug, Clone)]
pub struct Integration {
    /// Names it, in its webhook URL too.
    pub id: IntegrationId,
    /// The platform's slug.
    pub platform: String,
    /// What a person calls it.
    pub name: String,
    /// A disabled integration refuses calls.
    pub enabled: bool,
    /// What its calls must be proven with; with none, unsigned calls are accepted.
    pub secrets: Vec<Secret>,
    /// Where its calls may come from; with none, anywhere.
    pub allowed_ips: Vec<IpNet>,
    /// How many calls it may make.
    pub rate_limit: Option<RateLimit>,
    /// The platform's settings, checked by the platform when they are set.
    pub settings: Map<String, Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The integration by which Bugle reports on itself. It is part of the program and not of the configuration, so it is the
/// same in every hub, in no list of integrations, and can be neither changed nor deleted.
pub const BUILT_IN_ID: IntegrationId = IntegrationId::from_i64(1);

impl Integration {
    /// Whether it is Bugle's own, which takes no calls from outside.
    pub fn is_built_in(&self) -> bool {
        self.id == BUILT_IN_ID
    }

    /// The secrets that count at `now`.
    pub fn active_secrets(&self, now: Timestamp) -> impl Iterator<Item = &Secret> {
        self.secrets.iter().filter(move |secret| secret.is_active(now))
    }

    /// For how long after it resolved an incident reopens when an alert of it fires again: the setting
    /// `reopen_window_seconds`, 600 by default.
    pub fn reopen_window(&self) -> Duration {
        let seconds = self.settings.get("reopen_window_seconds").and_then(Value::as_u64).unwrap_or(600);
        Duration::from_secs(seconds.min(30 * 24 * 3600))
    }

    /// Whether an incident resolves by itself when all its alerts have: the setting `resolve` is `source` (default) or
    /// `person`.
    pub fn resolves_by_source(&self) -> bool {
        self.settings.get("resolve").and_then(Value::as_str) != Some("person")
    }

    /// Whether the source's own groups become incidents: the setting `group_by` is `source` (default) or `alert`.
    pub fn groups_by_source(&self) -> bool {
        self.settings.get("group_by").and_then(Value::as_str) != Some("alert")
    }

    /// The severity of an alert whose source says none: the setting `default_severity`, `medium` by default.
    pub fn default_severity(&self) -> crate::Severity {
        self.settings
            .get("default_severity")
            .and_then(Value::as_str)
            .and_then(crate::Severity::from_common_word)
            .unwrap_or_default()
    }
}

/// `100/minute`: how many calls in how long. Bursts up to the count are fine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many.
    pub count: NonZeroU32,
    /// In how long.
    pub per: RatePeriod,
}

/// The periods that the limit's syntax knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RatePeriod {
    /// A second.
    Second,
    /// Sixty seconds.
    Minute,
    /// Sixty minutes.
    Hour,
    /// Twenty-four hours.
    Day,
}

impl RatePeriod {
    /// Its length.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
        })
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// The text is not a rate limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a rate limit: write a count and a period, such as `100/minute` (second, minute, hour or day)"
)]
pub struct ParseRateLimitError(String);

impl FromStr for RateLimit {
    type Err = ParseRateLimitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || ParseRateLimitError(text.chars().take(40).collect());
        let (count, period) = text.split_once('/').ok_or_else(refuse)?;
        let per = match period.trim().to_ascii_lowercase().trim_end_matches('s') {
            "second" | "sec" => RatePeriod::Second,
            "minute" | "min" => RatePeriod::Minute,
            "hour" => RatePeriod::Hour,
            "day" => RatePeriod::Day,
            _ => return Err(refuse()),
        };
        Ok(Self { count: count.trim().parse().map_err(|_| refuse())?, per })
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.per.as_str())
    }
}

impl Serialize for RateLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RateLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limits_read_as_people_write_them() {
        for (text, shown) in [("100/minute", "100/minute"), (" 5 / Seconds ", "5/second"), ("1/day", "1/day")]
        {
            assert_eq!(text.parse::<RateLimit>().unwrap().to_string(), shown);
        }
        for text in ["", "100", "0/minute", "-1/minute", "100/fortnight", "x/minute", "/"] {
            assert!(text.parse::<RateLimit>().is_err(), "{text}");
        }
    }
}
