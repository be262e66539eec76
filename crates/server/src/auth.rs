//! Who is asking: tokens, passwords, sessions, and the HTTP that signs people in and out.
//! The session calls `Authenticator` at `hello`; the binary mounts the routes. Knows rooms only as names in a token.

pub mod attempts;
mod authenticator;
mod backend;
pub mod cookie;
pub(crate) mod csrf;
mod device;
mod invites;
pub mod jwt;
pub mod names;
pub mod passwords;
mod profile;
mod sign_in;
mod ticket;

pub use authenticator::{Authenticator, Identity, RESERVED, Refused, Signed, Vouched, read_token};
pub use backend::{Backend, Forwarded, Unanswered};
pub use invites::Invites;
pub use sign_in::{SignIn, SignInSettings};
pub(crate) use ticket::{ByTicket, TicketOf};
