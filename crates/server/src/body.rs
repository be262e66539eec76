//! A request's body with a deadline: a peer that drips its bytes is given up. What a handler leaves unread of it is read
//! after it, so that the connection can carry the next request.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use parking_lot::Mutex;
use tokio::time::{Sleep, sleep};

/// How long a whole body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A body of limited size that must be here in time.
pub(crate) struct TimedBody {
    inner: Limited<Incoming>,
    deadline: Pin<Box<Sleep>>,
}

impl TimedBody {
    pub(crate) fn new(body: Incoming, limit: usize) -> Self {
        Self { inner: Limited::new(body, limit), deadline: Box::pin(sleep(BODY_TIMEOUT)) }
    }
}

/// A body that comes back from a handler which did not want all of it.
pub(crate) struct LentBody {
    body: Option<TimedBody>,
    lender: Lender,
}

/// Whoever lent a body.
#[derive(Clone, Default)]
pub(crate) struct Lender(Arc<Mutex<Option<TimedBody>>>);

impl Lender {
    /// Lends a body.
    pub(crate) fn lend(&self, body: TimedBody) -> LentBody {
        LentBody { body: Some(body), lender: self.clone() }
    }

    /// Reads what came back to its end. Answers whether that was reached, so that the connection can be kept.
    pub(crate) async fn finish(&self) -> bool {
        let Some(mut body) = self.0.lock().take() else { return true };
        while let Some(frame) = body.frame().await {
            if frame.is_err() {
                return false;
            }
        }
        true
    }
}

impl Drop for LentBody {
    fn drop(&mut self) {
        *self.lender.0.lock() = self.body.take();
    }
}

impl Body for LentBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        if this.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err("the body did not arrive in time".into())));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
