//! What is measured: the store on two PostgreSQL servers and on SQLite, each in a fresh database on the same disk.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use moorline_store::{Commits, Store, StoreConfig};
use moorline_test_postgres::Server;
use tempfile::TempDir;

/// Which store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    /// As it ships.
    Postgres,
    /// One connection that commits each message by itself, with the same statements.
    OneByOne,
    /// As it ships, on a server whose syncs take 2 ms more.
    SlowPostgres,
    /// The same on that server.
    SlowOneByOne,
    /// The store on SQLite.
    Sqlite,
}

/// The servers, on the disk that is measured.
pub(crate) struct Servers {
    folder: PathBuf,
    plain: Server,
    slow: Server,
    _folders: [TempDir; 2],
}

/// A store under measurement.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) commits: Commits,
    /// Gone with the store.
    pub(crate) folder: TempDir,
}

impl Servers {
    pub(crate) fn start(folder: &Path, slow_sync: &Path) -> Result<Self> {
        let folders = [TempDir::new_in(folder)?, TempDir::new_in(folder)?];
        let plain = started(folders[0].path(), None);
        let slow = started(folders[1].path(), Some(slow_sync));
        Ok(Self { folder: folder.to_owned(), plain, slow, _folders: folders })
    }

    pub(crate) fn version(&self) -> String {
        self.plain.psql("postgres", "SHOW server_version").unwrap_or_default()
    }

    /// A store in a fresh database. What the one before left is written out first.
    pub(crate) fn open(&self, on: On) -> Result<Opened> {
        let note = TempDir::new_in(&self.folder)?;
        let mut config = StoreConfig::new(note.path());
        config.is_one_by_one = matches!(on, On::OneByOne | On::SlowOneByOne);
        let server = self.server(on);
        if let Some(server) = server {
            let sql = |sql: &str| server.psql("template1", sql).map_err(anyhow::Error::msg);
            sql("DROP DATABASE IF EXISTS bench WITH (FORCE)")?;
            sql("CREATE DATABASE bench")?;
            sql("CHECKPOINT")?;
            config = config.in_database(server.url("bench").parse()?);
        }
        let (store, commits) = Store::open(config).context("the store does not open")?;
        Ok(Opened { store, commits, folder: note })
    }

    /// The processes that work for a store beside this one.
    pub(crate) fn processes(&self, on: On) -> Vec<u32> {
        self.server(on).map(Server::processes).unwrap_or_default()
    }

    fn server(&self, on: On) -> Option<&Server> {
        match on {
            On::Postgres | On::OneByOne => Some(&self.plain),
            On::SlowPostgres | On::SlowOneByOne => Some(&self.slow),
            On::Sqlite => None,
        }
    }
}

/// A server with PostgreSQL's own sizes, not those of the tests.
fn started(folder: &Path, slow_sync: Option<&Path>) -> Server {
    let mut server = Server::start_in(folder);
    server.kill("INT");
    server.set(&["shared_buffers=128MB", "max_wal_size=1GB"]);
    slow_sync.into_iter().for_each(|library| server.preload(library));
    server.resume();
    server
}
