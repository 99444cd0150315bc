//! Signing in at an OpenID provider: the authorization code flow with PKCE.
//! <https://openid.net/specs/openid-connect-core-1_0.html>, <https://www.rfc-editor.org/rfc/rfc7636>
//!
//! - `flow`: what the browser keeps from the beginning to the end.
//! - `provider`: what is asked of the provider, by the guarded sender.
//! - `id_token`: whether what it says is proven. Pure.
//! - `roles`: which role follows from it. Pure.
//! - here: the way from the first to the last.
//!
//! What never lives here: cookies and pages. A code, a token and a secret are never logged.

mod flow;
mod id_token;
mod provider;
mod roles;

use std::net::IpAddr;

use bugle_model::{Identity, User};
use bugle_store::StoreError;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::SignInError;
use crate::{Engine, config::ConfigError, send::Sender};
use flow::{Flow, Flows};
use id_token::{Claims, Expected, Unproven};
use provider::Provider;

pub use roles::RoleRules;

/// Where people sign in, and what they may then do.
#[derive(Debug, Clone)]
pub struct OidcSettings {
    /// The provider: its configuration is found below this address.
    pub issuer: Url,
    /// What this hub is called there.
    pub client_id: String,
    /// What this hub proves itself with there; a public client has none.
    pub client_secret: Option<SecretString>,
    /// What is asked for, separated by spaces; `openid` is part of it.
    pub scopes: String,
    /// Who may do what.
    pub roles: RoleRules,
}

/// Why nobody was signed in by a provider. The text is for whoever tried, and tells nothing that helps another.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// No provider is configured.
    #[error("no provider to sign in at is configured on this hub")]
    NotConfigured,
    /// The answer belongs to no sign-in that this browser began and has not ended.
    #[error("this sign-in was begun too long ago, in another browser, or was used already: begin again")]
    Stale,
    /// The provider says no.
    #[error("the provider did not sign you in ({0})")]
    Refused(String),
    /// The provider was not reached, or did not answer as one does. The log says more.
    #[error("the provider cannot be asked at this moment: try again, or tell an admin that the log says why")]
    Unavailable,
    /// What the provider says of a person is not proven.
    #[error("what the provider says of you is not proven: {0}")]
    Unproven(#[from] Unproven),
    /// The provider gives no name.
    #[error(
        "the provider gives neither `preferred_username` nor `email`: an admin may have to ask for more scopes"
    )]
    NoName,
    /// No role follows from what the provider says.
    #[error("you have no role on this hub: ask an admin for one")]
    NoRole,
    /// Anything that may go wrong after that.
    #[error(transparent)]
    SignIn(#[from] SignInError),
}

impl From<ConfigError> for OidcError {
    fn from(error: ConfigError) -> Self {
        Self::SignIn(error.into())
    }
}

impl From<StoreError> for OidcError {
    fn from(error: StoreError) -> Self {
        Self::SignIn(error.into())
    }
}

/// A sign-in that has begun.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser goes.
    pub url: Url,
    /// What it keeps meanwhile, for [`Begun::SECONDS_MAX`] at most.
    pub kept: SecretString,
}

impl Begun {
    /// How long a person may take at the provider.
    pub const SECONDS_MAX: u64 = flow::AGE_MAX.as_secs();
}

/// What the browser brings back from the provider.
#[derive(Debug, Clone, Copy)]
pub struct ProviderAnswer<'a> {
    /// What is exchanged for a proof of who they are.
    pub code: Option<&'a str>,
    /// Which sign-in it belongs to.
    pub state: &'a str,
    /// Why there is no code, in a word of the specification.
    pub error: Option<&'a str>,
}

/// The provider, and who is on the way to it.
#[derive(Debug)]
pub(super) struct Oidc {
    settings: OidcSettings,
    provider: Provider,
    flows: Flows,
}

impl Oidc {
    pub(super) fn new(settings: OidcSettings, sender: Sender) -> Result<Self, ConfigError> {
        Ok(Self { provider: Provider::new(sender), flows: Flows::new()?, settings })
    }
}

impl Engine {
    /// Whether people may sign in at a provider.
    pub fn has_oidc(&self) -> bool {
        self.accounts().oidc.is_some()
    }

    fn oidc(&self) -> Result<&Oidc, OidcError> {
        self.accounts().oidc.as_ref().ok_or(OidcError::NotConfigured)
    }

    /// Begins a sign-in that comes back to `redirect_uri` and then leads to `next`.
    pub async fn begin_oidc(&self, redirect_uri: &str, next: &str) -> Result<Begun, OidcError> {
        let (oidc, now) = (self.oidc()?, self.clock().now());
        let known = oidc.provider.known(&oidc.settings, now).await?;
        let flow = Flow::new(next, now)?;
        let mut url = known.authorization_endpoint().clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &oidc.settings.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", &oidc.settings.scopes)
            .append_pair("state", &flow.state())
            .append_pair("nonce", &flow.nonce())
            .append_pair("code_challenge", &flow.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(Begun { url, kept: oidc.flows.seal(&flow)? })
    }

    /// Ends a sign-in: gives the session's token, and where one wanted to go. `kept` is what [`Begun::kept`] was.
    pub async fn finish_oidc(
        &self,
        redirect_uri: &str,
        kept: &str,
        answer: ProviderAnswer<'_>,
        address: IpAddr,
    ) -> Result<(SecretString, String), OidcError> {
        let (oidc, now) = (self.oidc()?, self.clock().now());
        let flow = oidc.flows.take(kept, answer.state, now).ok_or(OidcError::Stale)?;
        let code = answer.code.ok_or_else(|| OidcError::Refused(word(answer.error)))?;
        // Each code makes us ask the provider, which nobody may have us do without end.
        let attempts = &self.accounts().attempts;
        let begun = attempts.begin(None, address, now);
        begun.map_err(|retry_after| SignInError::TooMany { retry_after })?;
        let claims = match self.claims(oidc, &flow, redirect_uri, code).await {
            Ok(claims) => claims,
            Err(error) => {
                if let OidcError::Unproven(reason) = &error {
                    tracing::warn!(%address, %reason, "a provider's word on who signs in is not proven");
                    self.note_failed_sign_in(None, address).await;
                }
                return Err(error);
            }
        };
        let user = self.vouched(oidc, &claims, address).await?;
        if user.disabled {
            tracing::warn!(user = %user.id, %address, "somebody who is disabled tried to sign in");
            self.note_failed_sign_in(Some(&user), address).await;
            return Err(OidcError::NoRole);
        }
        attempts.forgive(None, address);
        tracing::info!(user = %user.id, %address, "signed in");
        let token = self.begin_session(&user).await?;
        self.note_sign_in(&user, "at the provider", Some(address)).await;
        Ok((token, flow.next))
    }

    /// Exchanges the code, and proves what comes for it.
    async fn claims(
        &self,
        oidc: &Oidc,
        flow: &Flow,
        redirect_uri: &str,
        code: &str,
    ) -> Result<Claims, OidcError> {
        let (Oidc { settings, provider, .. }, now) = (oidc, self.clock().now());
        let known = provider.known(settings, now).await?;
        let token = provider.exchange(settings, &known, redirect_uri, code, &flow.verifier()).await?;
        let nonce = flow.nonce();
        let expected =
            Expected { issuer: known.issuer(), client_id: &settings.client_id, nonce: &nonce, now };
        match id_token::verify(token.expose_secret(), known.keys(), &expected) {
            // Providers change their keys without a word.
            Err(Unproven::UnknownKey) => {
                let known = provider.renewed(settings, known.clone(), now).await?;
                Ok(id_token::verify(token.expose_secret(), known.keys(), &expected)?)
            }
            verified => Ok(verified?),
        }
    }

    /// The user that a person with these claims is on this hub.
    async fn vouched(&self, oidc: &Oidc, claims: &Claims, address: IpAddr) -> Result<User, OidcError> {
        let identity = Identity { issuer: claims.issuer.clone(), subject: claims.subject.clone() };
        let Some(role) = oidc.settings.roles.of(claims) else {
            tracing::warn!(%address, "somebody signed in at the provider and has no role here");
            let user = self.sign_out_unvouched(&identity).await?;
            self.note_failed_sign_in(user.as_ref(), address).await;
            return Err(OidcError::NoRole);
        };
        let name = claims.text("preferred_username").or_else(|| claims.text("email"));
        Ok(self.vouched_user(identity, name.ok_or(OidcError::NoName)?, role).await?)
    }
}

/// The word of an error, which anybody may have put into the address: shown only if it looks like one.
fn word(error: Option<&str>) -> String {
    let is_word = |text: &&str| {
        (1..=60).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    error.filter(is_word).unwrap_or("it does not say why").to_owned()
}
