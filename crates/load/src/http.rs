//! Requests of HTTP on a connection that is kept: what streams, polls and commands are carried by, and what asks whether a
//! server answers. Knows no frames.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::timeout;

use crate::target::{PATIENCE, Target};

/// Of an answer that is no success, what an error message shows.
const SHOWN_CHARS: usize = 300;

/// A kept connection.
#[derive(Debug)]
pub(crate) struct Http {
    target: Target,
    token: Option<String>,
    sender: SendRequest<Full<Bytes>>,
}

impl Http {
    /// Connects; the token, if any, goes with each request.
    pub(crate) async fn connect(target: &Target, token: Option<&str>) -> Result<Self> {
        let stream = TokioIo::new(target.reach().await?);
        let (sender, connection) = http1::handshake(stream).await?;
        // It ends with the sender and the last body; how it ends shows at the requests.
        tokio::spawn(connection);
        Ok(Self { target: target.clone(), token: token.map(str::to_owned), sender })
    }

    /// One request; its answer's body is still to be read.
    pub(crate) async fn ask(
        &mut self,
        path: &str,
        body: Option<&str>,
    ) -> Result<Response<Incoming>> {
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut request = Request::builder()
            .method(method)
            .uri(self.target.path(path))
            .header(header::HOST, self.target.authority())
            .header(header::USER_AGENT, concat!("moorline-load/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::from(body.unwrap_or_default().to_owned()))?;
        self.sender.ready().await?;
        Ok(timeout(PATIENCE, self.sender.send_request(request))
            .await
            .context("no answer in time")??)
    }

    /// A command as JSON, and its answer. A connection that was closed meanwhile, since nothing was asked for a while, is
    /// opened again: whatever is asked here may be asked twice.
    pub(crate) async fn post(&mut self, path: &str, body: &str) -> Result<Value> {
        let answer = match self.ask(path, Some(body)).await {
            Ok(answer) => answer,
            Err(error) if error.downcast_ref::<hyper::Error>().is_some() => {
                *self = Self::connect(&self.target, self.token.as_deref()).await.context(error)?;
                self.ask(path, Some(body)).await?
            }
            Err(error) => return Err(error),
        };
        let (status, body) = whole(answer).await?;
        if status != StatusCode::OK {
            bail!("{path} was answered with {status}: {}", shown(&body));
        }
        Ok(serde_json::from_slice(&body)?)
    }
}

/// The status and all of a body.
pub(crate) async fn whole(answer: Response<Incoming>) -> Result<(StatusCode, Bytes)> {
    let status = answer.status();
    let body =
        timeout(PATIENCE, answer.into_body().collect()).await.context("half an answer")??;
    Ok((status, body.to_bytes()))
}

/// The beginning of a body, as text.
pub(crate) fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(SHOWN_CHARS).collect()
}
