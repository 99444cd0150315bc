//! Where every request comes in: senders' calls go straight to where they are taken in, all others through the router.
//!
//! A sender's call is what a storm is made of, and the router's layers would cost it as much as its commit does.

use axum::{Router, body::Body, response::Response};
use http::Request;
use hyper::body::Incoming;
use tower::ServiceExt;

use crate::{
    app::App,
    client_ip::Peer,
    envelope::{self, CorrelationId},
    routes::{self, webhooks},
    server::Stopping,
};

/// All that is served.
#[derive(Clone)]
pub(crate) struct Entrance {
    app: App,
    router: Router,
}

impl Entrance {
    pub(crate) fn new(app: App) -> Self {
        Self { router: routes::router(&app), app }
    }

    /// Answers a request, whatever it is.
    pub(crate) async fn answer(
        &self,
        peer: Peer,
        stopping: &Stopping,
        request: Request<Incoming>,
    ) -> Response {
        envelope::wrap(&self.app, request, |request, id| self.lead(peer, stopping, id, request)).await
    }

    async fn lead(
        &self,
        peer: Peer,
        stopping: &Stopping,
        id: CorrelationId,
        request: Request<Incoming>,
    ) -> Response {
        let (mut head, body) = request.into_parts();
        if let Some(hook) = webhooks::Hook::called(&head) {
            return webhooks::receive(&self.app, &hook, peer, id, &head, body).await;
        }
        head.extensions.insert(peer);
        head.extensions.insert(stopping.clone());
        head.extensions.insert(id);
        let Ok(response) = self.router.clone().oneshot(Request::from_parts(head, Body::new(body))).await;
        response
    }
}
