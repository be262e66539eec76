//! The admin interface in the binary: its options in `serve`, its socket, and the commands that ask a running server.
//!
//! `socket` opens it, `client` speaks with it, the others are commands. They decide nothing: the server answers, and
//! each says it as text or JSON. No output holds a token.

mod client;
mod clients;
mod listing;
mod options;
mod people;
mod rooms;
mod send;
pub(crate) mod shown;
mod socket;
mod tail;

pub use client::{AdminAt, AdminClient};
pub use clients::{ClientsCommand, ClientsListArgs, KickArgs, ShowClientArgs};
pub use listing::{ListArgs, ShowArgs};
pub use options::{AdminArgs, AdminConfig, SOCKET, SocketAt};
pub use rooms::RoomsCommand;
pub use send::SendArgs;
pub use socket::AdminSocket;
pub use tail::TailArgs;

pub(crate) use people::{list as list_people, show as show_person};

use std::io::Write;

use crate::failure::{Exit, Failure};
use crate::settings::Environment;

/// Runs what needs no more than one thread.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        let fix = "Check the limits of this user: ulimit -a.";
        Failure::new(Exit::Failed, "The command cannot be started.", fix).because(error)
    })?;
    runtime.block_on(work)
}

/// `moorline clients`.
///
/// # Errors
/// Where the server cannot be asked, or refuses.
pub fn clients(
    command: &ClientsCommand,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    block_on(clients::run(command, environment, out))
}

/// `moorline tail`.
///
/// # Errors
/// Where the server cannot be asked, refuses, or is lost.
pub fn tail(
    args: &TailArgs,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    block_on(tail::run(args, environment, out))
}

/// `moorline rooms`.
///
/// # Errors
/// Where the server cannot be asked, or refuses.
pub fn rooms(
    command: &RoomsCommand,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    block_on(rooms::run(command, environment, out))
}

/// `moorline send`.
///
/// # Errors
/// Where the server cannot be asked, or refuses.
pub fn send(
    args: &SendArgs,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    block_on(send::run(args, environment, out))
}
