//! The types of the settings: each reads itself from text, says what is wrong with it, and shows itself without secrets.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};
use url::Url;

use super::{DefaultRole, Text};

/// The text is not a value of the setting. The message says what one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadValue(String);

impl BadValue {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// A value of a setting.
pub trait Value: FromStr<Err = BadValue> + fmt::Display {
    /// Whether it is a secret: never shown, and may be read from the file that the variable's `_FILE` twin names.
    const SECRET: bool = false;
}

/// Reads a setting from a string of the file, so that its error points at the very place.
macro_rules! read_from_text {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
        impl Value for $type {}
    )*};
}
read_from_text!(Folder, Listen, HttpUrl, LogFormat, LogLevel, Text, DefaultRole);

/// The same from a number.
macro_rules! read_from_number {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                i64::deserialize(deserializer)?.to_string().parse().map_err(de::Error::custom)
            }
        }
        impl Value for $type {}
    )*};
}
read_from_number!(BodyLimit, Seconds, Days);

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(pub PathBuf);

impl FromStr for Folder {
    type Err = BadValue;
    fn from_str(text: &str) -> Result<Self, BadValue> {
        match text {
            "" => Err(BadValue::new("a folder's name is not empty")),
            _ if text.contains('\0') => Err(BadValue::new("a folder's name holds no NUL")),
            _ => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// An address and a port to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

impl Listen {
    /// The URL at which this machine reaches what listens here.
    pub fn local_url(self) -> String {
        let ip = match self.0.ip() {
            std::net::IpAddr::V4(ip) if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.0.port()))
    }
}

impl FromStr for Listen {
    type Err = BadValue;
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let numeric = text.replacen("localhost:", "127.0.0.1:", 1);
        numeric.trim().parse().map(Self).map_err(|_| {
            BadValue::new(format!(
                "`{text}` is not an address and a port, such as 127.0.0.1:8000 or [::1]:8000"
            ))
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The address of a web server: http or https, a host, perhaps a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl(pub Url);

impl FromStr for HttpUrl {
    type Err = BadValue;
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let refuse =
            |why: &str| BadValue::new(format!("`{text}` {why}; write it like https://bugle.example.com"));
        let url: Url = text.trim().parse().map_err(|_| refuse("is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("begins with neither http:// nor https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadValue::new(
                "a URL must not hold a user name or a password: put the key in BUGLE_API_KEY",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("has a query or a fragment"));
        }
        Ok(Self(url))
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// A secret. It shows itself as hidden, everywhere.
#[derive(Debug, Clone)]
pub struct Hidden(pub SecretString);

impl Hidden {
    /// The secret itself.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl FromStr for Hidden {
    type Err = BadValue;
    fn from_str(text: &str) -> Result<Self, BadValue> {
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(BadValue::new("it is empty")),
            text => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Value for Hidden {
    const SECRET: bool = true;
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Ranges of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks(pub Vec<IpNet>);

impl FromStr for Networks {
    type Err = BadValue;
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(parse_network).collect::<Result<_, _>>().map(Self)
    }
}

fn parse_network(text: &str) -> Result<IpNet, BadValue> {
    text.parse::<IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from)).map_err(|_| {
        BadValue::new(format!("`{text}` is not an address or a range, such as 10.0.0.0/8 or fd00::/8"))
    })
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, network) in self.0.iter().enumerate() {
            write!(f, "{}{network}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Value for Networks {}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let networks = texts.iter().map(|text| parse_network(text.trim()));
        networks.collect::<Result<_, _>>().map(Self).map_err(de::Error::custom)
    }
}

/// The largest body that is taken in, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimit(pub usize);

/// Below this not even a small alert fits.
const BODY_LIMIT_BYTES_MIN: usize = 1024;
/// A body is held in memory whole, and so is every other one that comes at the same moment.
const BODY_LIMIT_BYTES_MAX: usize = 64 * 1024 * 1024;

impl FromStr for BodyLimit {
    type Err = BadValue;
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let bytes = text.trim().parse().ok();
        let fits = bytes.filter(|bytes| (BODY_LIMIT_BYTES_MIN..=BODY_LIMIT_BYTES_MAX).contains(bytes));
        fits.map(Self).ok_or_else(|| {
            BadValue::new(format!(
                "`{text}` is not a number of bytes from {BODY_LIMIT_BYTES_MIN} to {BODY_LIMIT_BYTES_MAX}"
            ))
        })
    }
}

impl fmt::Display for BodyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A short time, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub u64);

/// An hour: whoever waits longer for a process to stop, or for word of what is wrong, has forgotten it.
const SECONDS_MAX: u64 = 3600;

impl Seconds {
    /// The same as a bound; none is no bound.
    pub fn bound(self) -> Option<Duration> {
        (self.0 > 0).then(|| Duration::from_secs(self.0))
    }
}

impl FromStr for Seconds {
    type Err = BadValue;
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let seconds = text.trim().parse().ok().filter(|seconds| *seconds <= SECONDS_MAX);
        let refuse =
            || BadValue::new(format!("`{text}` is not a whole number of seconds from 0 to {SECONDS_MAX}"));
        seconds.map(Self).ok_or_else(refuse)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// For how long something is kept, in whole days. 0 is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(pub u32);

/// A hundred years.
const DAYS_MAX: u32 = 36_500;

impl Days {
    /// The same as a time; none is for ever.
    pub fn bound(self) -> Option<Duration> {
        (self.0 > 0).then(|| Duration::from_hours(24) * self.0)
    }
}

impl FromStr for Days {
    type Err = BadValue;
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let days = text.trim().parse().ok().filter(|days| *days <= DAYS_MAX);
        let refuse = || BadValue::new(format!("`{text}` is not a whole number of days from 0 to {DAYS_MAX}"));
        days.map(Self).ok_or_else(refuse)
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch(pub bool);

impl FromStr for Switch {
    type Err = BadValue;
    fn from_str(text: &str) -> Result<Self, BadValue> {
        match text.trim() {
            "true" | "1" | "yes" => Ok(Self(true)),
            "false" | "0" | "no" => Ok(Self(false)),
            _ => Err(BadValue::new(format!("`{text}` is neither `true` nor `false`"))),
        }
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Value for Switch {}

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bool::deserialize(deserializer).map(Self)
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = BadValue;
    fn from_str(text: &str) -> Result<Self, BadValue> {
        match text.trim() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(BadValue::new(format!("`{text}` is not a log format: it is `text` or `json`"))),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Which log lines are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevel(pub String);

impl FromStr for LogLevel {
    type Err = BadValue;
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let known = tracing_subscriber::EnvFilter::builder().parse(text).is_ok() && !text.trim().is_empty();
        let refuse = || {
            BadValue::new(format!(
                "`{text}` is not a log level: error, warn, info, debug or trace, also by part: info,bugle_web=debug"
            ))
        };
        known.then(|| Self(text.into())).ok_or_else(refuse)
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
