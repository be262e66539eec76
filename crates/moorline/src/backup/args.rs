//! The command lines of backup, restore, verify and import, as typed.

use std::path::PathBuf;

use clap::Args;

/// Which store, as typed: the one that `serve` uses with the same settings.
#[derive(Debug, Default, Clone, Args)]
pub struct StoreArgs {
    /// Folder that holds everything that is kept [default: ./moorline-data]
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<String>,
    /// PostgreSQL database, as postgres://user:password@host/name; sqlite means the folder; better in
    /// a file [default: DATABASE_URL, else sqlite]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// File that holds the database URL; - is standard input [default: DATABASE_URL_FILE]
    #[arg(long, value_name = "FILE")]
    pub database_url_file: Option<String>,
}

/// `moorline backup`, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct BackupArgs {
    /// The file to write; it must not exist yet
    pub file: PathBuf,
    /// Which store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Do not give up where a SQLite server's log would grow over its bound of 64 MiB meanwhile: for stores of
    /// many GiB that are written to all the time
    #[arg(long)]
    pub let_log_grow: bool,
}

/// `moorline restore`, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct RestoreArgs {
    /// The backup
    pub file: PathBuf,
    /// Which store; it must be empty.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `moorline verify`, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct VerifyArgs {
    /// A backup; without one, the store that serve would use is looked at
    pub file: Option<PathBuf>,
    /// Which store.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `moorline import`, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct ImportArgs {
    /// The data folder of a SQLite store whose server is stopped
    #[arg(long, value_name = "FOLDER")]
    pub from: PathBuf,
    /// The empty PostgreSQL database, as postgres://user:password@host/name; better in a file
    /// [default: DATABASE_URL]
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
    /// File that holds this URL; - is standard input
    #[arg(long, value_name = "FILE")]
    pub to_file: Option<String>,
}
