//! What is added to a request of ours so that its receiver can prove who sent it.

use std::{borrow::Cow, fmt, iter};

use base64::Engine as _;

use super::{
    Hmac, Scheme, Signed,
    hmac::{BASE64, KeyError},
    python::{self, NoForm},
};
use crate::dialect::Stamp;

/// The user that a Basic secret without a colon is sent with: receivers that take any user do not look at it.
const BASIC_USER: &str = "bugle";

/// What is added to a request.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Proof {
    /// Headers, named in lower case.
    pub headers: Vec<(String, String)>,
    /// A query parameter, not yet percent-encoded.
    pub query: Option<(String, String)>,
}

/// Shows names only, as values may be the secret itself.
impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Proof")
            .field("headers", &names)
            .field("query", &self.query.as_ref().map(|(name, _)| name))
            .finish_non_exhaustive()
    }
}

impl Scheme {
    /// Proves a request with `secrets`, the newest first: with all of them where the scheme can say so, so that a
    /// receiver may hold the old one or the new one while rotating, and with the newest otherwise.
    pub fn sign(&self, secrets: &[&str], stamp: &Stamp<'_>, body: &[u8]) -> Result<Proof, KeyError> {
        let newest = *secrets.first().ok_or(KeyError::Missing)?;
        self.check_secret(newest)?;
        let header = |name: &str, value: String| Proof {
            headers: vec![(name.to_ascii_lowercase(), value)],
            query: None,
        };
        match self {
            Self::Hmac(hmac) => hmac.sign(secrets, stamp, body),
            Self::Header { name } => Ok(header(name, newest.to_owned())),
            Self::Bearer => Ok(header("authorization", format!("Bearer {newest}"))),
            Self::Basic => {
                let pair =
                    if newest.contains(':') { newest.to_owned() } else { format!("{BASIC_USER}:{newest}") };
                Ok(header("authorization", format!("Basic {}", BASE64.encode(pair))))
            }
            Self::Query { parameter } => {
                Ok(Proof { headers: Vec::new(), query: Some((parameter.to_string(), newest.to_owned())) })
            }
        }
    }
}

impl Hmac {
    fn sign(&self, secrets: &[&str], stamp: &Stamp<'_>, body: &[u8]) -> Result<Proof, KeyError> {
        let timestamp = stamp.at.as_seconds().to_string();
        let shared: Vec<(String, String)> = match &self.signed {
            Signed::Body | Signed::PythonUrlencode => Vec::new(),
            Signed::TimestampAndBody { timestamp_header, .. } => {
                vec![(timestamp_header.to_ascii_lowercase(), timestamp.clone())]
            }
            Signed::IdTimestampAndBody { id_header, timestamp_header, .. } => vec![
                (id_header.to_ascii_lowercase(), stamp.id.to_owned()),
                (timestamp_header.to_ascii_lowercase(), timestamp.clone()),
            ],
        };
        let message = self.messages(body).map_err(|_| KeyError::BodyHasNoForm)?.next().unwrap_or_default();
        let used = if self.separator.is_some() { secrets.len() } else { 1 };
        let mut value = String::new();
        for (position, secret) in secrets.iter().take(used).enumerate() {
            if position > 0 {
                value.extend(self.separator);
            }
            let tag = self.tag_of(&self.key(secret)?, stamp.id, &timestamp, &message);
            value.push_str(&self.prefix);
            value.push_str(&tag.encode(self.encoding));
        }
        let mut headers = shared;
        headers.push((self.header.to_ascii_lowercase(), value));
        Ok(Proof { headers, query: None })
    }

    /// What a sender may have signed in place of the body, the likeliest first: the body itself, unless the scheme signs
    /// another form of it.
    pub(super) fn messages<'a>(
        &self,
        body: &'a [u8],
    ) -> Result<Box<dyn Iterator<Item = Cow<'a, [u8]>> + 'a>, NoForm> {
        Ok(match &self.signed {
            Signed::PythonUrlencode => Box::new(python::forms(body)?.map(Cow::Owned)),
            _ => Box::new(iter::once(Cow::Borrowed(body))),
        })
    }

    /// The hash over what this scheme signs, of which `body` is one of [`Hmac::messages`].
    pub(super) fn tag_of(&self, key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> super::hmac::Tag {
        match &self.signed {
            Signed::Body | Signed::PythonUrlencode => self.tag(key, &[body]),
            Signed::TimestampAndBody { separator, .. } => {
                let mut buffer = [0; 4];
                let separator = separator.encode_utf8(&mut buffer).as_bytes();
                self.tag(key, &[timestamp.as_bytes(), separator, body])
            }
            Signed::IdTimestampAndBody { .. } => {
                self.tag(key, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body])
            }
        }
    }
}
