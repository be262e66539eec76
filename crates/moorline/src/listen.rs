//! Binds what `serve` listens on, before anything else is touched, so that a taken port is the first thing one hears.
//! Every failure says what is in the way and what to do.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use listenfd::ListenFd;
use moorline_server::Listener;
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Listen;
use crate::failure::{Exit, Failure};

/// Connections that the kernel holds while they wait to be accepted: all clients come back at once after a restart.
const BACKLOG: i32 = 4_096;

/// What was bound.
#[derive(Debug, Default)]
pub struct Bound {
    /// To be given to the server.
    pub listeners: Vec<Listener>,
    /// Where the page is, for a browser on this machine.
    pub addresses: Vec<SocketAddr>,
    /// The Unix socket; the file is removed at the end.
    pub unix: Option<SocketFile>,
}

/// A Unix socket's file, removed when this is dropped.
#[derive(Debug)]
pub struct SocketFile(pub PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Whoever removed it before has done the same.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Begins this program anew as one that was handed sockets in systemd's way, where a descriptor was handed over without:
/// a descriptor can be taken over safely only by those who are told of it by the environment. The process stays the same.
/// Comes back only where there is nothing to do, or where it is not possible.
pub fn adopt(listen: &Listen) -> Result<(), Failure> {
    let Some(number) = listen.fd.filter(|_| std::env::var_os("LISTEN_FDS").is_none()) else {
        return Ok(());
    };
    let again = std::env::current_exe().map(|program| {
        Command::new(program)
            .args(std::env::args_os().skip(1))
            .env_remove("LISTEN_PID")
            .env("LISTEN_FDS", (number - 2).to_string())
            .exec()
    });
    let error = again.unwrap_or_else(|error| error);
    let what = format!("Descriptor {number} cannot be taken over.");
    Err(Failure::new(Exit::Refused, what, "Use --port, or set LISTEN_FDS.").because(error))
}

/// Binds everything that the configuration names.
pub fn bind_all(listen: &Listen) -> Result<Bound, Failure> {
    let mut bound = Bound::default();
    if let Some(address) = listen.tcp {
        let listener = bind_tcp(address, "--port")?;
        bound.addresses.extend(listener.local_addr().ok());
        bound.listeners.push(listener.into());
    }
    if let Some(path) = &listen.unix {
        bound.listeners.push(bind_unix(path)?.into());
        bound.unix = Some(SocketFile(path.clone()));
    }
    if let Some(number) = listen.fd {
        let (listener, address) = inherited(number)?;
        bound.addresses.extend(address);
        bound.listeners.push(listener);
    }
    Ok(bound)
}

/// Binds one address; `option` is the flag that chooses another.
pub fn bind_tcp(address: SocketAddr, option: &str) -> Result<TcpListener, Failure> {
    open(address).map_err(|error| explain(address, option, &error))
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait until the old connections' ports are forgotten.
    socket.set_reuse_address(true)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn explain(address: SocketAddr, option: &str, error: &io::Error) -> Failure {
    let (ip, port) = (address.ip(), address.port());
    let failure = |what: String, fix: String| Failure::new(Exit::Refused, what, fix).because(error);
    match error.kind() {
        ErrorKind::AddrInUse => failure(
            format!("Port {port} on {ip} is taken by another program."),
            format!(
                "Stop that program, or choose another port with {option}; 0 takes any free one."
            ),
        ),
        ErrorKind::PermissionDenied => failure(
            format!("This user may not listen on port {port}."),
            format!(
                "Choose a port above 1023 with {option}, or let a proxy or systemd hold the low one."
            ),
        ),
        ErrorKind::AddrNotAvailable => failure(
            format!("This machine has no address {ip}."),
            "Use 127.0.0.1 for this machine only, or 0.0.0.0 or :: for all its addresses.".into(),
        ),
        _ => failure(
            format!("Cannot listen on {address}."),
            "Check the address and the port.".into(),
        ),
    }
}

/// A socket file that a crashed server left behind is replaced; one that answers is not.
fn bind_unix(path: &Path) -> Result<UnixListener, Failure> {
    let shown = path.display();
    if UnixStream::connect(path).is_ok() {
        let what = format!("Another program listens on the socket `{shown}`.");
        return Err(Failure::new(Exit::Refused, what, "Stop it, or choose another path."));
    }
    let is_socket = path
        .symlink_metadata()
        .is_ok_and(|found| std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()));
    if is_socket {
        // If it cannot be removed, binding says why.
        let _ = std::fs::remove_file(path);
    }
    UnixListener::bind(path).map_err(|error| {
        let fix = match error.kind() {
            ErrorKind::AddrInUse => {
                "A file that is no socket is there: remove it or choose another path."
            }
            _ => "Check that its folder exists and that this user may write to it.",
        };
        Failure::new(Exit::Refused, format!("Cannot listen on the socket `{shown}`."), fix)
            .because(error)
    })
}

fn inherited(number: usize) -> Result<(Listener, Option<SocketAddr>), Failure> {
    let missing = || {
        Failure::new(
            Exit::Refused,
            format!("No listening socket was handed over as descriptor {number}."),
            "Whoever starts the server must open it, listen on it and leave it open; systemd sets LISTEN_FDS as well. Or \
             use --port.",
        )
    };
    let mut handed = ListenFd::from_env();
    let index = number.checked_sub(3).filter(|index| *index < handed.len()).ok_or_else(missing)?;
    if let Ok(Some(listener)) = handed.take_tcp_listener(index) {
        let address = listener.local_addr().ok();
        return Ok((listener.into(), address));
    }
    let mut handed_again = handed;
    match handed_again.take_unix_listener(index) {
        Ok(Some(listener)) => Ok((listener.into(), None)),
        _ => Err(missing()),
    }
}

/// Where a browser on this machine finds an address that means every interface.
pub fn for_browser(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(port: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

    #[test]
    fn a_taken_port_is_explained_with_a_way_out() {
        let first = bind_tcp(local(0), "--port").unwrap();
        let taken = first.local_addr().unwrap();
        let failure = bind_tcp(taken, "--port").unwrap_err();
        let port = taken.port();
        assert_eq!(failure.exit, Exit::Refused);
        assert_eq!(failure.what, format!("Port {port} on 127.0.0.1 is taken by another program."));
        assert!(failure.fix.contains("--port") && failure.why.is_some());
    }

    #[test]
    fn a_foreign_address_is_explained() {
        let failure = bind_tcp("192.0.2.1:0".parse().unwrap(), "--port").unwrap_err();
        assert_eq!(failure.what, "This machine has no address 192.0.2.1.");
    }

    #[test]
    fn a_socket_file_left_behind_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("moorline.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let listen = Listen { unix: Some(path.clone()), ..Listen::default() };
        let bound = bind_all(&listen).unwrap();
        let failure = bind_all(&listen).unwrap_err();
        assert!(failure.what.contains("Another program listens"), "{failure}");
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_in_the_way_of_a_socket_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "precious").unwrap();
        let listen = Listen { unix: Some(path.clone()), ..Listen::default() };
        let failure = bind_all(&listen).unwrap_err();
        assert!(failure.fix.contains("no socket"), "{failure}");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "precious");
    }

    #[test]
    fn a_descriptor_that_nobody_handed_over_is_explained() {
        let failure = bind_all(&Listen { fd: Some(3), ..Listen::default() }).unwrap_err();
        assert!(
            failure.what.contains("descriptor 3") && failure.fix.contains("LISTEN_FDS"),
            "{failure}"
        );
    }

    #[test]
    fn the_page_of_every_interface_is_opened_on_this_machine() {
        assert_eq!(for_browser("0.0.0.0:80".parse().unwrap()).to_string(), "127.0.0.1:80");
        assert_eq!(for_browser("[::]:80".parse().unwrap()).to_string(), "127.0.0.1:80");
        assert_eq!(for_browser("[::1]:80".parse().unwrap()).to_string(), "[::1]:80");
    }
}
