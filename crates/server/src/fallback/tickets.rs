//! `POST /api/v1/tickets`, and what a ticket in the URL of a stream is worth. `auth` has their secrets and their cookie;
//! here is who may ask for one, from where its cookie is taken, and what is answered where it is not good.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use moorline_protocol::ErrorCode;
use tokio::time::Instant;

use super::Shared;
use super::asker::Asker;
use crate::admission::OriginCheck;
use crate::answer::SignedIn;
use crate::api::failure::{Failure, json};
use crate::auth::{ByTicket, TicketOf};
use crate::consumer::Refusal;
use crate::scope::{ClientAddress, Scope};
use crate::session::{self, Proof, Verdict};

/// How long one who does not slow down is asked to wait.
const PAUSE: Duration = Duration::from_secs(1);

const REFUSED: &str = "The ticket was used, has expired or is none, and no cookie goes on with it. Ask for a new one with \
    POST /api/v1/tickets, and open the stream anew with it and, as `from`, the last id.";

/// Makes a ticket for whoever asks; it counts as a command for the rates.
pub(super) async fn make(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Failure> {
    let unknown = ClientAddress { peer: None, forwarded: None, secure: false };
    let client = request.extensions().get().copied().unwrap_or(unknown);
    let asker = Asker::of(&shared, request.headers(), client.secure).await?;
    if shared.limits(&client) && shared.rates.take(asker.user(), Instant::now()) != Verdict::Pass {
        return Err(Failure::of(ErrorCode::RateLimited).after(PAUSE));
    }
    let identity = asker.identity(&shared).await?;
    let ticket = shared.settings.auth.make_ticket(identity).await?;
    let mut response = json(StatusCode::CREATED, &ticket);
    response.extensions_mut().insert(SignedIn);
    Ok(response)
}

/// Who comes with this ticket, and the cookie to set where it was used just now.
///
/// # Errors
/// 401 where it is not good, 403 where a foreign page goes on with its visitor's cookie, 503 where that cannot be told now.
pub(super) async fn take(
    shared: &Shared,
    scope: &Scope,
    ticket: String,
) -> Result<(Asker, Option<HeaderValue>), Refusal> {
    let revocations = shared.settings.chat.hub().revocations();
    let (headers, is_secure) = (&scope.headers, scope.client.secure);
    let taken = shared.settings.auth.by_ticket(ticket, headers, is_secure).await;
    let taken = taken.map_err(|refused| session::refusal(&refused))?;
    let Some(ByTicket { of, set_cookie }) = taken else {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "ticket_refused", REFUSED));
    };
    let is_from_page =
        shared.origins.is_own_page(headers, is_secure) || is_silent_on_page(headers, is_secure);
    if set_cookie.is_none() && !is_from_page {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "bad_origin", OriginCheck::REFUSED));
    }
    let proof = match of {
        TicketOf::Token(signed) => Proof::Ticket(signed),
        TicketOf::Session(identity) => Proof::Session { identity, revocations },
    };
    Ok((Asker::Known(proof), set_cookie))
}

/// Over plain HTTP a browser says of an `EventSource` nothing about the page that it is of (Fetch Metadata, section 2: only
/// trustworthy URLs). The cookie alone must do then: it is `SameSite=Strict`, and good only with a URL that no other page knows.
fn is_silent_on_page(headers: &HeaderMap, is_secure: bool) -> bool {
    !is_secure && !headers.contains_key(header::ORIGIN) && !headers.contains_key("sec-fetch-site")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_over_plain_http_may_a_request_say_nothing_of_its_page() {
        let none = HeaderMap::new();
        assert!(is_silent_on_page(&none, false));
        assert!(!is_silent_on_page(&none, true));
        for (name, value) in [("origin", "null"), ("sec-fetch-site", "cross-site")] {
            let headers =
                HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))]);
            assert!(!is_silent_on_page(&headers, false), "{name}");
        }
    }
}
