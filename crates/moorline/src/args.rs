//! The command line as typed: raw texts only. `config` gives them types and adds the environment.
//! Every option of `serve` also has an environment variable; `variables` shows them in the help.

mod variables;

use std::path::PathBuf;

use clap::{Args, FromArgMatches, Parser, Subcommand};

use crate::admin::{
    AdminArgs, ClientsCommand, ListArgs, RoomsCommand, SendArgs, ShowArgs, TailArgs,
};
use crate::auth_url::AuthUrlArgs;
use crate::backup::args::{BackupArgs, ImportArgs, RestoreArgs, VerifyArgs};
use crate::doctor::DoctorArgs;
use crate::layer::LayerArgs;
use crate::layer_commands::LayerCommand;
use crate::load::args::{BenchArgs, SoakArgs};
use crate::outside::OutsideArgs;
use crate::relay::RelayArgs;
use crate::settings::init::InitArgs;
use crate::settings::show::ConfigCommand;
use crate::sockets::SocketArgs;
use crate::token::InspectArgs;

pub use variables::{command, env_name};

/// A self-hosted chat server whose connections hold and whose messages are never lost.
#[derive(Debug, Parser)]
#[command(name = "moorline", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Start with `moorline serve`, then open the page that it prints.\n\
    Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 unreachable, 4 refused.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Settings file (TOML), which `moorline init` writes; options and variables beat it [env: MOORLINE_CONFIG]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server: chat page, WebSocket and HTTP API on one port.
    Serve(Box<ServeArgs>),
    /// Write a settings file with every setting in it, explained.
    Init(InitArgs),
    /// Look for mistakes in the settings; takes the options of serve.
    Check(Box<ServeArgs>),
    /// Show the settings and where they come from.
    Config {
        /// What to show.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Say what is wrong, and how to mend it: with the options of `serve`, or from outside with a URL.
    Doctor(Box<DoctorArgs>),
    /// Make sign-in tokens for people of your own application, or see why one is refused.
    Token {
        /// What to do with tokens.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Look at the schema of a PostgreSQL database, or bring it up to date.
    Migrate {
        /// What to do with the schema.
        #[command(subcommand)]
        command: MigrateCommand,
    },
    /// Write everything into one file, while the server goes on.
    Backup(BackupArgs),
    /// Bring a backup into an empty data folder or database.
    Restore(RestoreArgs),
    /// Check a backup or a store: nothing missing, nothing twice, no older state.
    Verify(VerifyArgs),
    /// Move a SQLite store into a PostgreSQL database; the server must be stopped.
    Import(ImportArgs),
    /// See people, give out or erase what is known of one.
    Users {
        /// What to do with it.
        #[command(subcommand)]
        command: UsersCommand,
    },
    /// Watch what happens on a running server: messages by their length, connections, closes, troubles.
    Tail(TailArgs),
    /// See the live connections of a running server, or close some.
    Clients {
        /// What to do with them.
        #[command(subcommand)]
        command: ClientsCommand,
    },
    /// See the rooms of a running server.
    Rooms {
        /// What to do with them.
        #[command(subcommand)]
        command: RoomsCommand,
    },
    /// Send a message into a room of a running server, in the name of a member.
    Send(SendArgs),
    /// Send to Django's channel layer, watch it, see what lies in Redis.
    Layer {
        /// What to do with it.
        #[command(subcommand)]
        command: LayerCommand,
    },
    /// Prove on an installation that nothing is lost: people talk, faults strike, a checker judges.
    Soak(Box<SoakArgs>),
    /// Measure an installation: how long messages take, and how many pass.
    Bench(Box<BenchArgs>),
    /// Print the script that completes commands and options in a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one a command into a folder.
    Man {
        /// The folder; it is made if need be.
        folder: Option<PathBuf>,
    },
    /// Say which version this is.
    Version {
        /// As one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Commands about tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Print a signed token (JWT, HS256) for one person, to be sent in `hello`.
    Mint(MintArgs),
    /// Say what a token carries, and why the server takes or refuses it
    Inspect(InspectArgs),
}

/// Commands about the schema.
#[derive(Debug, Subcommand)]
pub enum MigrateCommand {
    /// List the steps of the schema and which of them the database has
    Status(DatabaseArgs),
    /// Make those that it lacks; `serve` does the same at its start
    Up(DatabaseArgs),
}

/// Commands about people.
#[derive(Debug, Subcommand)]
pub enum UsersCommand {
    /// List the people of a running server, and who is here
    List(ListArgs),
    /// Show a person of a running server: rooms, sessions, presence
    Show(ShowArgs),
    /// Print all that is known of a person as JSON
    Export(UserArgs),
    /// Erase a person for good; the id is not given out again
    Erase {
        /// Whom, and where.
        #[command(flatten)]
        args: UserArgs,
        /// Leave their messages, under the name of nobody, instead of making them tombstones
        #[arg(long)]
        keep_messages: bool,
    },
}

/// Which person and where, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct UserArgs {
    /// The person's id
    #[arg(value_name = "ID")]
    pub id: String,
    /// Folder of a server that is not running [default: ./moorline-data]
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<String>,
    /// Which database instead.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// Which database, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct DatabaseArgs {
    /// The database, as postgres://user:password@host/name; better in a file
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// File that holds the database URL; - is standard input
    #[arg(long, value_name = "FILE")]
    pub database_url_file: Option<String>,
}

/// `moorline serve`, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct ServeArgs {
    /// Address to listen on [default: 127.0.0.1]
    #[arg(short, long, value_name = "ADDRESS", help_heading = "Listening")]
    pub bind: Option<String>,
    /// Port to listen on; 0 takes a free one and prints it [default: 8000]
    #[arg(short, long, value_name = "PORT", help_heading = "Listening")]
    pub port: Option<String>,
    /// Listen on this Unix socket instead of a port (with -b or -p: as well)
    #[arg(short, long, value_name = "PATH", help_heading = "Listening")]
    pub unix_socket: Option<String>,
    /// Listen on this inherited descriptor, 3 or more, as systemd or whoever starts the server hands it over
    #[arg(long, value_name = "NUMBER", help_heading = "Listening")]
    pub fd: Option<String>,
    /// Answer /metrics on this address instead of, to loopback peers only, on the main one
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "Listening")]
    pub metrics_bind: Option<String>,
    /// Proxy whose X-Forwarded-* headers are believed: an address or network, repeatable
    #[arg(long, value_name = "NETWORK", help_heading = "Listening")]
    pub trusted_proxy: Vec<String>,

    /// Folder that holds everything that is kept [default: ./moorline-data]
    #[arg(long, value_name = "FOLDER", help_heading = "Data")]
    pub data_dir: Option<String>,

    /// PostgreSQL database to store in, as postgres://user:password@host/name, for any number of
    /// nodes; sqlite stores in the folder; better in a file [default: DATABASE_URL, else sqlite]
    #[arg(long, value_name = "URL", help_heading = "Data")]
    pub database_url: Option<String>,
    /// File that holds the database URL; - is standard input [default: DATABASE_URL_FILE]
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    pub database_url_file: Option<String>,

    /// The channel layer.
    #[command(flatten)]
    pub layer: LayerArgs,
    /// Sockets of existing Channels pages.
    #[command(flatten)]
    pub relay: RelayArgs,
    /// What other programs get and may do.
    #[command(flatten)]
    pub outside: OutsideArgs,
    /// Who may ask what the server does.
    #[command(flatten)]
    pub admin: AdminArgs,
    /// How long messages are kept, as 365d or 12h, unless a room says otherwise [default: for ever]
    #[arg(long, value_name = "TIME", help_heading = "Data")]
    pub retention: Option<String>,
    /// What becomes of an erased person's messages: tombstone, or keep (without their name) [default: tombstone]
    #[arg(long, value_name = "WAY", help_heading = "Data")]
    pub erase_messages: Option<String>,

    /// Seconds until the people of a node that is killed are gone; for tests, which have no minute to
    /// wait [default: 45]
    #[arg(long, value_name = "SECONDS", hide = true)]
    pub presence_lease: Option<String>,

    /// Seconds between pings; keep it below the idle timeout of every proxy [default: 25]
    #[arg(long, value_name = "SECONDS", help_heading = "Connections", allow_hyphen_values = true)]
    pub ping_interval: Option<String>,
    /// Seconds of silence after which a connection counts as dead [default: 60]
    #[arg(long, value_name = "SECONDS", help_heading = "Connections", allow_hyphen_values = true)]
    pub ping_timeout: Option<String>,
    /// Seconds that a drain after SIGTERM may take [default: 10]
    #[arg(long, value_name = "SECONDS", help_heading = "Connections", allow_hyphen_values = true)]
    pub drain_timeout: Option<String>,
    /// Compress long messages to WebSocket clients that offer it (permessage-deflate)
    #[arg(long, help_heading = "Connections")]
    pub compression: bool,
    /// Apply rate limits to peers on this machine too
    #[arg(long, help_heading = "Connections")]
    pub limit_loopback: bool,

    /// Page that may use the server with a cookie, as https://host; repeatable [default: its own]
    #[arg(long, value_name = "ORIGIN", help_heading = "People")]
    pub origin: Vec<String>,
    /// Page that may show the chat's frame (/embed) in itself, as https://host; repeatable [default: none]
    #[arg(long, value_name = "ORIGIN", help_heading = "People")]
    pub embed_origin: Vec<String>,
    /// Who may make an account: open, invite or closed [default: open; closed with
    /// --jwt-secret, --auth-url or on an address that others can reach]
    #[arg(long, value_name = "WHO", help_heading = "People")]
    pub signup: Option<String>,
    /// Whom people can look up by name: all, shared (those they share a room with) or off [default: all]
    #[arg(long, value_name = "WHOM", help_heading = "People")]
    pub directory: Option<String>,
    /// The backend that knows people.
    #[command(flatten)]
    pub auth: AuthUrlArgs,
    /// Secret that signs your application's tokens (HS256); better in a file
    #[arg(long, value_name = "SECRET", help_heading = "People")]
    pub jwt_secret: Option<String>,
    /// File that holds the JWT secret; - is standard input
    #[arg(long, value_name = "FILE", help_heading = "People")]
    pub jwt_secret_file: Option<String>,
    /// Key that your backend sends to use the server API; better in a file
    #[arg(long, value_name = "KEY", help_heading = "People")]
    pub api_key: Option<String>,
    /// File that holds the API key; - is standard input
    #[arg(long, value_name = "FILE", help_heading = "People")]
    pub api_key_file: Option<String>,

    /// Form of the log on standard error: text or json [default: text]
    #[arg(long, value_name = "FORM", help_heading = "Output")]
    pub log_format: Option<String>,
    /// Say more: -v for every connection, -vv for every command
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,
    /// Serve the page from this folder instead of the built-in one (for work on the page)
    #[arg(long, value_name = "FOLDER", help_heading = "Output")]
    pub web_dir: Option<String>,
    /// What whoever comes from Daphne knows.
    #[command(flatten)]
    pub sockets: SocketArgs,
}

/// `moorline token mint`, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct MintArgs {
    /// The person's id in your application
    #[arg(long, value_name = "ID")]
    pub sub: String,
    /// The name that others see
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// A room that the token lets its holder join; repeatable
    #[arg(long, value_name = "ROOM")]
    pub room: Vec<String>,
    /// How long the token is good for: 90s, 15m, 12h or 7d [default: 1h]
    #[arg(long, value_name = "TIME")]
    pub ttl: Option<String>,
    /// The secret that the server was started with; better in a file
    #[arg(long, value_name = "SECRET")]
    pub jwt_secret: Option<String>,
    /// File that holds the JWT secret; - is standard input
    #[arg(long, value_name = "FILE")]
    pub jwt_secret_file: Option<String>,
}

/// Reads a command line; the error prints itself and knows its exit code.
pub fn parse<I, T>(words: I) -> Result<Cli, clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<std::ffi::OsString> + Clone,
{
    let matches = command().try_get_matches_from(words)?;
    Cli::from_arg_matches(&matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn short_forms_are_the_ones_people_know() {
        let cli = parse(["moorline", "serve", "-b", "0.0.0.0", "-p", "9", "-u", "/s", "-vv"]);
        let Command::Serve(serve) = cli.unwrap().command else { panic!("not serve") };
        assert_eq!(serve.bind.as_deref(), Some("0.0.0.0"));
        assert_eq!(serve.port.as_deref(), Some("9"));
        assert_eq!(serve.unix_socket.as_deref(), Some("/s"));
        assert_eq!(serve.verbose, 2);
    }
}
