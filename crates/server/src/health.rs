//! `/livez`, `/readyz` and `/metrics`: what operators and their machines ask.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};
use moorline_protocol::api::{DegradedPart, FailingPart, Operation, Readiness};

use crate::answer;
use crate::api::failure::json;
use crate::metrics::Metrics;

/// One part's word on whether it can serve; the text says what is wrong.
pub type ReadyCheck = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// A part that does not work as it should while the server goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Degraded {
    /// Which.
    pub part: &'static str,
    /// Why, in one word for programs.
    pub cause: &'static str,
    /// What failed, why, and what to do.
    pub error: String,
}

/// Says which parts are degraded now.
pub type DegradedCheck = Box<dyn Fn() -> Vec<Degraded> + Send + Sync>;

/// Whether this server wants new work.
#[derive(Default)]
pub(crate) struct Health {
    pub(crate) checks: Vec<(&'static str, ReadyCheck)>,
    pub(crate) degraded: Vec<DegradedCheck>,
    draining: AtomicBool,
}

impl Health {
    pub(crate) fn begin_drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    fn ready(&self) -> Response {
        let failing = self.checks.iter().filter_map(|(part, check)| {
            Some(FailingPart { part: (*part).into(), error: check().err()? })
        });
        let failing: Vec<_> = failing.collect();
        let (draining, ready) = (self.is_draining(), failing.is_empty() && !self.is_draining());
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let degraded = self.degraded.iter().flat_map(|check| check());
        let degraded = degraded
            .map(|Degraded { part, cause, error }| DegradedPart {
                part: part.into(),
                cause: cause.into(),
                error,
            })
            .collect();
        json(status, &Readiness { ready, draining, failing, degraded })
    }

    /// The answer, if the path is one of the three. `may_read_metrics` says whether this peer or listener may.
    pub(crate) fn answer(
        &self,
        method: &Method,
        path: &str,
        metrics: &Metrics,
        may_read_metrics: bool,
    ) -> Option<Response> {
        let known = [Operation::Livez, Operation::Readyz, Operation::Metrics];
        let operation = known.into_iter().find(|operation| operation.path() == path)?;
        if !matches!(*method, Method::GET | Method::HEAD) {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let mut response =
                answer::error(status, "method_not_allowed", "Only GET is known here.");
            // RFC 9110 section 15.5.6 asks for it.
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Some(response);
        }
        Some(match operation {
            Operation::Livez => {
                typed((StatusCode::OK, "ok\n".to_owned()), "text/plain; charset=utf-8")
            }
            Operation::Readyz => self.ready(),
            _ if may_read_metrics => {
                let form = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                typed((StatusCode::OK, metrics.render()), form)
            }
            _ => {
                let text =
                    "Metrics are for this machine only; --metrics-bind opens them elsewhere.";
                answer::error(StatusCode::FORBIDDEN, "forbidden", text)
            }
        })
    }
}

fn typed(response: (StatusCode, String), form: &'static str) -> Response {
    let mut response = response.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(form));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
