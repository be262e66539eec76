//! Requests that open a stream or wait for something: the scope as for a WebSocket, then the socket handed over, or the
//! answer awaited.

use axum::body::{Body, to_bytes};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Desk, Handoff, Transport, overloaded};
use crate::body::TimedBody;
use crate::connection::Connection;
use crate::consumer::{Accept, Refusal};
use crate::poll::{Page, PollOpening};
use crate::route::{Accepted, Begin, Route, Start};
use crate::scope::{ClientAddress, Scope};
use crate::site_name;
use crate::stream::{Events, head};
use crate::websocket::Wire;

/// The body of a `POST`, in the scope's extensions; a `GET` has none.
#[derive(Debug, Clone)]
pub(crate) struct Posted(pub(crate) Bytes);

impl Desk {
    /// Answers a poll, or none where a stream takes the socket.
    pub(super) async fn open(
        &self,
        request: Request<Incoming>,
        client: ClientAddress,
        route: &Route,
        parameters: Vec<(String, String)>,
    ) -> Result<Option<Response>, Refusal> {
        let mut scope = self.scope(request, client, parameters).await?;
        if route.transport == Transport::Stream {
            self.check_limits(&client)?;
        } else if self.site.health.is_draining() {
            let text = "The server restarts.";
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "draining", text));
        }
        let Accepted { accept, start } =
            timeout(self.site.config.connect_timeout, route.connect(&mut scope))
                .await
                .unwrap_or_else(|_| Err(overloaded("The server took too long to decide.")))?;
        let connection = self.connection(&accept, &mut scope, route.transport)?;
        if route.transport == Transport::Poll {
            return Ok(Some(self.poll(accept, start, connection).await?));
        }
        let mut head = head(client.secure, accept.set_cookie);
        site_name::sign_head(&mut head, self.site.config.server_name.as_ref());
        let wire = Wire::Stream { events: Box::new(Events::new(accept.positions)), head };
        let transport = Transport::Stream;
        *self.handoff.lock() = Some(Handoff { start, wire, transport, connection, silence: None });
        Ok(None)
    }

    /// What the request says, its body with it.
    async fn scope(
        &self,
        request: Request<Incoming>,
        client: ClientAddress,
        parameters: Vec<(String, String)>,
    ) -> Result<Scope, Refusal> {
        let (head, body) = request.into_parts();
        let mut extensions = http::Extensions::new();
        match head.method {
            Method::GET => {}
            Method::POST => {
                // The body is read in any case, so that the connection can carry the next request.
                let body = self.read(body).await?;
                check_type(&head.headers)?;
                extensions.insert(Posted(body));
            }
            _ => {
                let text = "This path takes GET and POST.";
                return Err(Refusal::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "method_not_allowed",
                    text,
                ));
            }
        }
        Ok(Scope {
            subprotocols: Vec::new(),
            uri: head.uri,
            headers: head.headers,
            client,
            user: None,
            extensions,
            parameters,
        })
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, Refusal> {
        let limit = self.site.config.body_bytes;
        let body = Body::new(TimedBody::new(body, limit));
        to_bytes(body, limit).await.map_err(|error| {
            if crate::api::body::is_too_long(&error) {
                let text = format!("The body may have at most {limit} bytes.");
                return Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text);
            }
            let text = "The body did not arrive in time.";
            Refusal::new(StatusCode::BAD_REQUEST, "invalid", text)
        })
    }

    /// Waits for something to say. A client that leaves meanwhile takes this future with it, and so its receiver, which
    /// the poll's task notices.
    async fn poll(
        &self,
        accept: Accept,
        start: Start,
        connection: Connection,
    ) -> Result<Response, Refusal> {
        let registration = self.site.registry.register(&connection, Transport::Poll);
        if self.site.health.is_draining() {
            connection.shared().begin_drain(self.site.config.drain_spread);
        }
        let (answer, answered) = oneshot::channel();
        start(Begin::Poll(PollOpening {
            connection,
            registration,
            settings: std::sync::Arc::clone(&self.site.settings),
            wait: accept.wait,
            page: Page::new(accept.positions.unwrap_or_default(), accept.tells_id),
            answer,
        }));
        let page = answered.await.map_err(|_| {
            let text = "The server failed at this request.";
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text)
        })?;
        Ok(page.response())
    }
}

fn check_type(headers: &http::HeaderMap) -> Result<(), Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let essence = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(b"application/json") {
        return Ok(());
    }
    let text = "The body must be application/json.";
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", text))
}
