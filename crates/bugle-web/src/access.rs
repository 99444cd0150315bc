//! Who may call what. The table of routes says it for each route; here it is enforced, before the handler runs. A caller is
//! a program with an API key, or a person with a session, whose role is a scope.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bugle_engine::{Engine, audit::on_behalf_of};
use bugle_model::{Actor, ApiKey, Scope};
use bugle_store::StoreError;
use http::{HeaderMap, StatusCode, header, request::Parts};

use crate::{
    app::App,
    error::ApiError,
    input::Query,
    routes::Param,
    ui::{csrf, session::Viewer},
};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody. Webhooks are proven by their integration's scheme instead.
    Open,
    /// Anybody, unless the settings ask for a key that may read.
    Metrics,
    /// An API key, or a signed-in user, with at least this scope.
    Key(Scope),
}

impl Access {
    fn needs(self, metrics_auth: bool) -> Option<Scope> {
        match self {
            Self::Open => None,
            Self::Metrics => metrics_auth.then_some(Scope::Read),
            Self::Key(scope) => Some(scope),
        }
    }
}

/// The word for a scope in the API.
pub(crate) const fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Operate => "operate",
        Scope::Admin => "admin",
    }
}

/// What stands before one route.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) app: App,
    pub(crate) access: Access,
    /// The parameters it knows; `None` lets any pass (webhook URLs may carry what the sender likes).
    pub(crate) query: Option<&'static [Param]>,
}

/// Lets a request through to its handler, or says why not.
pub(crate) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    if let Err(error) = gate.check(&mut head).await {
        return error.into_response();
    }
    let actor = head.extensions.get::<Caller>().map(Caller::actor);
    let answering = next.run(Request::from_parts(head, body));
    match actor {
        Some(actor) => on_behalf_of(actor, answering).await,
        None => answering.await,
    }
}

impl Gate {
    async fn check(&self, head: &mut Parts) -> Result<(), ApiError> {
        if let Some(needed) = self.access.needs(self.app.settings.metrics_auth) {
            let caller = self.caller(head).await?;
            if caller.scope() < needed {
                return Err(forbidden(&caller, needed));
            }
            head.extensions.insert(caller);
        }
        match self.query {
            Some(known) => Query::of(&head.uri).only(known),
            None => Ok(()),
        }
    }

    /// A key counts before a session. What a session changes must have been meant: a browser sends its cookie with what
    /// other sites make it do, too.
    async fn caller(&self, head: &Parts) -> Result<Caller, ApiError> {
        if head.headers.contains_key(header::AUTHORIZATION) {
            return self.key(&head.headers).map(Caller::Key);
        }
        let viewer = Viewer::of(&self.app, &head.headers, head.uri.path()).await?;
        let viewer = viewer.ok_or_else(ApiError::not_signed_in)?;
        csrf::check(&viewer, &head.method, &head.headers, &self.app.settings)?;
        Ok(Caller::User(viewer))
    }

    fn key(&self, headers: &HeaderMap) -> Result<Arc<ApiKey>, ApiError> {
        let unauthenticated =
            |message: &str| ApiError::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message);
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let presented = value.and_then(bearer);
        let presented = presented.ok_or_else(|| {
            unauthenticated("the Authorization header is not of the form `Bearer <api key>`")
        })?;
        let key = self.app.engine.authenticate(presented);
        key.ok_or_else(|| {
            unauthenticated("this API key is not known: it may have been deleted, or cut when copied")
        })
    }
}

fn forbidden(caller: &Caller, needed: Scope) -> ApiError {
    let (has, needed) = (scope_word(caller.scope()), scope_word(needed));
    let message = match caller {
        Caller::Key(key) => {
            format!("this needs an API key with scope `{needed}`; yours, `{}`, has `{has}`", key.name)
        }
        Caller::User(_) => format!("this needs the role `{needed}`; yours is `{has}`"),
    };
    ApiError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
        .detail("needed_scope", needed)
        .detail("scope", has)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.trim().split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// A program, or a person at a command line.
    Key(Arc<ApiKey>),
    /// A person in a browser.
    User(Viewer),
}

impl Caller {
    pub(crate) fn scope(&self) -> Scope {
        match self {
            Self::Key(key) => key.scope,
            Self::User(viewer) => viewer.user().role,
        }
    }

    /// As it stands on timelines.
    pub(crate) fn actor(&self) -> Actor {
        match self {
            Self::Key(key) => Actor::ApiKey { id: key.id, name: key.name.clone() },
            Self::User(viewer) => viewer.actor(),
        }
    }

    /// Whether what let it in still does: the key is there, or the session is not over.
    pub(crate) async fn is_still_known(&self, engine: &Engine) -> Result<bool, StoreError> {
        match self {
            Self::Key(key) => Ok(engine.api_keys().iter().any(|known| known.id == key.id)),
            Self::User(viewer) => engine.is_session_good(viewer.session()).await,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Absent only if a route that acts were declared open: refuse rather than act as nobody.
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::not_signed_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_is_read_as_clients_write_it() {
        for (value, expected) in [
            ("Bearer bgl_1", Some("bgl_1")),
            ("bearer  bgl_1 ", Some("bgl_1")),
            ("BEARER bgl_1", Some("bgl_1")),
            ("Basic bgl_1", None),
            ("bgl_1", None),
            ("Bearer ", None),
            ("", None),
        ] {
            assert_eq!(bearer(value), expected, "{value}");
        }
    }

    #[test]
    fn metrics_are_open_unless_configured_otherwise() {
        assert_eq!(Access::Metrics.needs(false), None);
        assert_eq!(Access::Metrics.needs(true), Some(Scope::Read));
        assert_eq!(Access::Open.needs(true), None);
        assert_eq!(Access::Key(Scope::Admin).needs(false), Some(Scope::Admin));
    }
}
