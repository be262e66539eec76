//! The addresses to listen on: free, or held by the server that runs already.

use std::io::ErrorKind;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

use super::unread;
use crate::finding::Outcome;
use crate::subject::Subject;

pub(crate) async fn are_free(subject: &Subject) -> Outcome {
    let Ok(local) = &subject.local else { return unread() };
    let listening = &local.listening;
    let wanted = [(listening.tcp, "--port"), (listening.metrics, "--metrics-bind")];
    let wanted = wanted.into_iter().filter_map(|(address, option)| Some((address?, option)));
    let outcomes = wanted.map(|(address, option)| look(address, option, local.running));
    outcomes.reduce(Outcome::and).unwrap_or_else(|| Outcome::skipped("It listens on no port."))
}

fn look(address: SocketAddr, option: &str, running: Option<u32>) -> Outcome {
    let error = match try_to_listen(address) {
        Ok(()) => return Outcome::pass(format!("{address} is free.")),
        Err(error) => error,
    };
    let (ip, port) = (address.ip(), address.port());
    match (error.kind(), running) {
        (ErrorKind::AddrInUse, Some(pid)) => Outcome::pass(format!(
            "{address} is taken, and a Moorline server (process {pid}) runs on this data folder."
        )),
        (ErrorKind::AddrInUse, None) => Outcome::fail(
            format!("Port {port} on {ip} is taken by another program."),
            "`moorline serve` refuses to start.",
            format!(
                "See who has it: ss -ltnp 'sport = :{port}'. Stop that program, or choose another port with {option}."
            ),
        ),
        (ErrorKind::PermissionDenied, _) => Outcome::fail(
            format!("This user may not listen on port {port}."),
            "`moorline serve` refuses to start.",
            format!(
                "Choose a port above 1023 with {option}, or let a proxy or systemd hold the low one."
            ),
        ),
        (ErrorKind::AddrNotAvailable, _) => Outcome::fail(
            format!("This machine has no address {ip}."),
            "`moorline serve` refuses to start.",
            "Use 127.0.0.1 for this machine only, or 0.0.0.0 or :: for all its addresses: --bind ADDRESS.",
        ),
        _ => Outcome::fail(
            format!("{address} cannot be listened on: {error}."),
            "`moorline serve` refuses to start.",
            format!("Check the address, or choose another one with --bind and {option}."),
        ),
    }
}

/// As the server does it, and given up at once.
fn try_to_listen(address: SocketAddr) -> std::io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::finding::Status;

    #[test]
    fn a_taken_port_fails_unless_our_own_server_has_it() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let outcome = look(address, "--port", None);
        assert_eq!(outcome.status, Status::Fail);
        assert!(outcome.advice.unwrap().fix.contains(&format!("sport = :{}", address.port())));
        assert_eq!(look(address, "--port", Some(1)).status, Status::Pass);
    }

    #[test]
    fn an_address_of_another_machine_fails() {
        let outcome = look("192.0.2.1:0".parse().unwrap(), "--port", None);
        assert!(
            outcome.status == Status::Fail && outcome.seen.contains("no address"),
            "{outcome:?}"
        );
    }
}
