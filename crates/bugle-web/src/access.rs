//! Who may call what. The table of routes says it for each route; here it is enforced, before the handler runs.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bugle_model::{Actor, ApiKey, ApiKeyId, Scope};
use http::{HeaderMap, StatusCode, header, request::Parts};

use crate::{app::App, error::ApiError, input::Query, routes::Param};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody. Webhooks are proven by their integration's scheme instead.
    Open,
    /// Anybody, unless the settings ask for a key that may read.
    Metrics,
    /// An API key with at least this scope.
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
pub(crate) async fn pass(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    match gate.check(&mut request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

impl Gate {
    fn check(&self, request: &mut Request) -> Result<(), ApiError> {
        if let Some(needed) = self.access.needs(self.app.settings.metrics_auth) {
            let key = self.key(request.headers())?;
            if key.scope < needed {
                return Err(forbidden(&key, needed));
            }
            request.extensions_mut().insert(Caller(key));
        }
        match self.query {
            Some(known) => Query::of(request.uri()).only(known),
            None => Ok(()),
        }
    }

    fn key(&self, headers: &HeaderMap) -> Result<Arc<ApiKey>, ApiError> {
        let unauthenticated =
            |message: &str| ApiError::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message);
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Err(unauthenticated(
                "send `Authorization: Bearer <api key>`; `bugle key create` makes a key",
            ));
        };
        let presented = value.to_str().ok().and_then(bearer);
        let presented = presented.ok_or_else(|| {
            unauthenticated("the Authorization header is not of the form `Bearer <api key>`")
        })?;
        let key = self.app.engine.authenticate(presented);
        key.ok_or_else(|| {
            unauthenticated("this API key is not known: it may have been deleted, or cut when copied")
        })
    }
}

fn forbidden(key: &ApiKey, needed: Scope) -> ApiError {
    let (has, needed) = (scope_word(key.scope), scope_word(needed));
    let message = format!("this needs an API key with scope `{needed}`; yours, `{}`, has `{has}`", key.name);
    ApiError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
        .detail("needed_scope", needed)
        .detail("scope", has)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.trim().split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

/// The API key that a request came with.
#[derive(Debug, Clone)]
pub(crate) struct Caller(Arc<ApiKey>);

impl Caller {
    pub(crate) fn key_id(&self) -> ApiKeyId {
        self.0.id
    }

    /// As it stands on timelines.
    pub(crate) fn actor(&self) -> Actor {
        Actor::ApiKey { id: self.0.id, name: self.0.name.clone() }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Absent only if a route that acts were declared open: refuse rather than act as nobody.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            ApiError::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", "this needs an API key")
        })
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
