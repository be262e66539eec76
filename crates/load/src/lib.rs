//! People who talk to a Moorline over its public protocol, whichever it is: clients over all transports, the history of what
//! they sent and saw, and what is measured on the way.
//!
//! `moorline soak` and `moorline bench` run it against any installation, the fault tests against servers that they break.
//! Nothing here judges a history, and nothing here knows a server from inside. Errors are texts: they are only ever shown
//! to whom started the run.

pub mod client;
mod http;
pub mod meter;
pub mod probe;
pub mod recorder;
pub mod run;
pub mod target;
pub mod tokens;
pub mod wire;
