//! The admin interface's options in `serve`, as typed and with types.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::SECRET_BYTES;
use crate::failure::Failure;
use crate::secret::Secret;
use crate::settings::Environment;

/// The name of the socket in the data folder.
pub const SOCKET: &str = "admin.sock";

/// Who may ask what the server does, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct AdminArgs {
    /// Unix socket for `moorline clients`, `tail` and the like, for this user only; off for none
    /// [default: admin.sock in the data folder]
    #[arg(long, value_name = "PATH|off", help_heading = "Operators")]
    pub admin_socket: Option<String>,
    /// File that holds a token with which the same is answered on --metrics-bind; - is standard input [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Operators")]
    pub admin_token_file: Option<String>,
}

/// Where the admin socket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketAt {
    /// In the data folder; if it cannot be there, the server goes on without one.
    Folder,
    /// Here, or the server does not start.
    Path(PathBuf),
    /// Nowhere.
    Off,
}

/// Who may ask what the server does.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// The socket.
    pub socket: SocketAt,
    /// What opens the interface on the internal address.
    pub token: Option<Secret>,
}

impl AdminConfig {
    /// Gives types to what was typed; `internal` is the address of the metrics.
    pub fn resolve(
        args: &AdminArgs,
        environment: &Environment,
        internal: Option<SocketAddr>,
    ) -> Result<Self, Failure> {
        let socket = environment.pick(args.admin_socket.as_ref(), "admin-socket");
        let socket = match socket.map(|setting| setting.value) {
            None => SocketAt::Folder,
            Some(word) if word == "off" => SocketAt::Off,
            Some(path) => SocketAt::Path(path.into()),
        };
        let token = environment.secret(None, args.admin_token_file.as_ref(), "admin-token")?;
        if let Some(token) = &token {
            check(token, internal)?;
        }
        Ok(Self { socket, token })
    }

    /// The socket's path, if there is to be one.
    pub fn path(&self, folder: &Path) -> Option<PathBuf> {
        match &self.socket {
            SocketAt::Folder => Some(folder.join(SOCKET)),
            SocketAt::Path(path) => Some(path.clone()),
            SocketAt::Off => None,
        }
    }
}

fn check(token: &Secret, internal: Option<SocketAddr>) -> Result<(), Failure> {
    let Some(internal) = internal else {
        return Err(Failure::usage(
            "An admin token is given, but no internal address that it could open.",
            "Add --metrics-bind 127.0.0.1:9000, or leave the token away: the admin socket needs none.",
        ));
    };
    if token.len() < SECRET_BYTES && !internal.ip().to_canonical().is_loopback() {
        return Err(Failure::usage(
            format!(
                "The admin token has {} bytes; an address that others can reach needs {SECRET_BYTES}.",
                token.len()
            ),
            "Whoever guesses it can act as anyone. Make one with: openssl rand -hex 32",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)], internal: Option<&str>) -> Result<AdminConfig, Failure> {
        let pair = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let environment = variables.iter().map(pair).collect();
        let internal = internal.map(|address| address.parse().unwrap());
        AdminConfig::resolve(&AdminArgs::default(), &environment, internal)
    }

    #[test]
    fn the_socket_is_in_the_folder_unless_it_is_elsewhere_or_off() {
        let path = |value: &str| {
            let config = of(&[("MOORLINE_ADMIN_SOCKET", value)], None).unwrap();
            config.path(Path::new("/data"))
        };
        assert_eq!(path(""), Some("/data/admin.sock".into()));
        assert_eq!(path("/run/m.sock"), Some("/run/m.sock".into()));
        assert_eq!(path("off"), None);
    }

    #[test]
    fn a_token_needs_an_address_and_length_where_others_reach_it() {
        let short = ("MOORLINE_ADMIN_TOKEN", "hunter2");
        let nowhere = of(&[short], None).unwrap_err().to_string();
        assert!(nowhere.contains("--metrics-bind") && !nowhere.contains("hunter2"), "{nowhere}");
        assert!(of(&[short], Some("127.0.0.1:9")).unwrap().token.is_some());
        let guessed = of(&[short], Some("0.0.0.0:9")).unwrap_err().to_string();
        assert!(guessed.contains("7 bytes") && !guessed.contains("hunter2"), "{guessed}");
        assert!(of(&[], Some("0.0.0.0:9")).unwrap().token.is_none());
    }
}
