//! What is asked of the provider: where its endpoints and keys are, and who a code stands for. By the guarded sender, so a
//! provider in a private network must be allowed; bounded in size, time and number, and kept for an hour.
//! <https://openid.net/specs/openid-connect-discovery-1_0.html>

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bugle_model::Timestamp;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::Semaphore;
use url::{Url, form_urlencoded};

use super::{OidcError, OidcSettings, id_token::Keys};
use crate::{
    accounts::SignInError,
    send::{OutgoingRequest, Sender},
};

/// How long what a provider says of itself is believed.
const KNOWN_FOR: Duration = Duration::from_hours(1);
/// How often keys are asked for at most when a token names one that is not known.
const RENEWED_EVERY: Duration = Duration::from_mins(1);
/// Longest wait for one answer; a person is waiting.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Largest answer: the keys of large providers take tens of kilobytes.
const BYTES_MAX: usize = 256 * 1024;
/// People for whom the provider is asked at once.
const AT_ONCE_MAX: usize = 16;

/// What a provider says of itself.
#[derive(Debug, Deserialize)]
struct Discovery {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct KeyList {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: SecretString,
}

/// A provider as it was at one moment.
#[derive(Debug)]
pub(super) struct Known {
    discovery: Discovery,
    keys: Keys,
    at: Timestamp,
}

impl Known {
    pub(super) fn issuer(&self) -> &str {
        &self.discovery.issuer
    }

    pub(super) fn authorization_endpoint(&self) -> &Url {
        &self.discovery.authorization_endpoint
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }
}

/// The provider.
#[derive(Debug)]
pub(super) struct Provider {
    sender: Sender,
    known: Mutex<Option<Arc<Known>>>,
    turns: Semaphore,
}

impl Provider {
    pub(super) fn new(sender: Sender) -> Self {
        Self { sender, known: Mutex::default(), turns: Semaphore::new(AT_ONCE_MAX) }
    }

    /// What is known of it; asked for when that is an hour old.
    pub(super) async fn known(
        &self,
        settings: &OidcSettings,
        now: Timestamp,
    ) -> Result<Arc<Known>, OidcError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known.filter(|known| now.since(known.at) < KNOWN_FOR) {
            Some(known) => Ok(known),
            None => self.ask(settings, now).await,
        }
    }

    /// What is known of it now, unless that was asked for a moment ago.
    pub(super) async fn renewed(
        &self,
        settings: &OidcSettings,
        known: Arc<Known>,
        now: Timestamp,
    ) -> Result<Arc<Known>, OidcError> {
        if now.since(known.at) < RENEWED_EVERY { Ok(known) } else { self.ask(settings, now).await }
    }

    async fn ask(&self, settings: &OidcSettings, now: Timestamp) -> Result<Arc<Known>, OidcError> {
        let issuer = settings.issuer.as_str().trim_end_matches('/');
        let url = parsed(&format!("{issuer}/.well-known/openid-configuration"))?;
        let discovery: Discovery = self.call("its configuration", &url, HeaderMap::new(), None).await?;
        if discovery.issuer.trim_end_matches('/') != issuer {
            return Err(unavailable("its configuration", "it calls itself otherwise than `oidc_issuer`"));
        }
        let endpoints = [&discovery.authorization_endpoint, &discovery.token_endpoint, &discovery.jwks_uri];
        let is_safe = |url: &&Url| match url.scheme() {
            "https" => true,
            "http" => settings.issuer.scheme() == "http",
            _ => false,
        };
        if !endpoints.iter().all(is_safe) {
            return Err(unavailable("its configuration", "an endpoint of it is not reached by https"));
        }
        let list: KeyList = self.call("its keys", &discovery.jwks_uri, HeaderMap::new(), None).await?;
        let known = Arc::new(Known { discovery, keys: Keys::read(list.keys), at: now });
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        Ok(known)
    }

    /// The ID token that a code stands for.
    pub(super) async fn exchange(
        &self,
        settings: &OidcSettings,
        known: &Known,
        redirect_uri: &str,
        code: &str,
        verifier: &str,
    ) -> Result<SecretString, OidcError> {
        let (headers, body) = known.discovery.token_request(settings, redirect_uri, code, verifier)?;
        let tokens: Tokens =
            self.call("who a code stands for", &known.discovery.token_endpoint, headers, Some(body)).await?;
        Ok(tokens.id_token)
    }

    /// Reads a page of it; with a body, sends that. What went wrong is logged, without a word of the answer.
    async fn call<T: DeserializeOwned>(
        &self,
        what: &'static str,
        url: &Url,
        mut headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<T, OidcError> {
        let _turn = self.turns.try_acquire().map_err(|_| OidcError::SignIn(SignInError::Busy))?;
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let request = OutgoingRequest {
            method: if body.is_some() { Method::POST } else { Method::GET },
            uri: url.as_str().parse().map_err(|_| unavailable(what, "its address cannot be called"))?,
            headers,
            body: body.unwrap_or_default(),
            timeout: TIME_MAX,
        };
        let exchange = self.sender.send_for(request, BYTES_MAX).await;
        if let Some(failure) = exchange.failure {
            return Err(unavailable(what, &failure.detail));
        }
        let answer = exchange.answer.ok_or_else(|| unavailable(what, "no answer came"))?;
        if answer.status != 200 {
            return Err(unavailable(what, &format!("it answered {}", answer.status)));
        }
        if answer.truncated {
            return Err(unavailable(what, &format!("its answer is longer than {BYTES_MAX} bytes")));
        }
        // The parser's message may quote the answer, which may hold tokens: where it stopped is enough.
        serde_json::from_slice(&answer.body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            unavailable(what, &format!("its answer is not what it should be, at {line}:{column}"))
        })
    }
}

impl Discovery {
    /// What exchanges a code: by whom is said in a header or in the form, as the provider wants it.
    fn token_request(
        &self,
        settings: &OidcSettings,
        redirect_uri: &str,
        code: &str,
        verifier: &str,
    ) -> Result<(HeaderMap, Bytes), OidcError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("code_verifier", verifier);
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, form_type)]);
        match &settings.client_secret {
            Some(secret) if self.takes_basic() => {
                headers.insert(header::AUTHORIZATION, basic(&settings.client_id, secret)?);
            }
            Some(secret) => {
                form.append_pair("client_id", &settings.client_id)
                    .append_pair("client_secret", secret.expose_secret());
            }
            None => {
                form.append_pair("client_id", &settings.client_id);
            }
        }
        Ok((headers, form.finish().into()))
    }

    /// Whether the secret goes into a header, which is the way unless the provider says otherwise.
    fn takes_basic(&self) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_ref();
        methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"))
    }
}

fn parsed(url: &str) -> Result<Url, OidcError> {
    url.parse().map_err(|_| unavailable("its configuration", "`oidc_issuer` is not an address"))
}

/// Name and secret in a header, each encoded first: <https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1>
fn basic(id: &str, secret: &SecretString) -> Result<HeaderValue, OidcError> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(id), encoded(secret.expose_secret()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
        .map_err(|_| unavailable("who a code stands for", "the secret cannot be sent"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unavailable(what: &'static str, reason: &str) -> OidcError {
    tracing::warn!(asked_for = what, reason, "the provider to sign in at cannot be asked");
    OidcError::Unavailable
}
