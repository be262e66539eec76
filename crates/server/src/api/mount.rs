//! Mounts handlers by the operations of the protocol, so that method and path stand in one table, from which the
//! OpenAPI document is made as well. `api` and `auth` build their routers by it.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use moorline_protocol::api::{Method, Operation};

/// A router whose routes are operations.
pub(crate) trait Mount<S> {
    /// Lets this handler carry out the operation.
    #[must_use]
    fn at<H: Handler<T, S>, T: 'static>(self, operation: Operation, handler: H) -> Self;
}

impl<S: Clone + Send + Sync + 'static> Mount<S> for Router<S> {
    fn at<H: Handler<T, S>, T: 'static>(self, operation: Operation, handler: H) -> Self {
        self.route(operation.path(), on(filter(operation.method()), handler))
    }
}

fn filter(method: Method) -> MethodFilter {
    match method {
        Method::Get => MethodFilter::GET,
        Method::Put => MethodFilter::PUT,
        Method::Post => MethodFilter::POST,
        Method::Delete => MethodFilter::DELETE,
    }
}
