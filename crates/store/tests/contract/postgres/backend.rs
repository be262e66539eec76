//! PostgreSQL: an empty database on a real server, and a folder for the node's note.

use moorline_store::{Commits, Error, Store, StoreConfig};
use moorline_test_postgres::{Database, Server};
use tempfile::TempDir;

/// Where a store of one test is.
pub(crate) struct Place {
    folder: TempDir,
    on: On,
}

/// Whose server it is.
enum On {
    Shared(Database),
    /// The test's own, by URL.
    Own(String),
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), on: On::Shared(Database::new()) }
    }

    /// In a server of the test's own.
    pub(crate) fn on(server: &Server) -> Self {
        Self { folder: TempDir::new().unwrap(), on: On::Own(server.url("postgres")) }
    }

    /// In whichever of two servers can be written to.
    pub(crate) fn on_either(one: &Server, other: &Server) -> Self {
        let url = one.url_or(other, "postgres");
        Self { folder: TempDir::new().unwrap(), on: On::Own(url) }
    }

    pub(crate) fn config(&self) -> StoreConfig {
        StoreConfig::new(self.folder.path()).in_database(self.url().parse().unwrap())
    }

    /// The same for a backup.
    pub(crate) fn backup(&self) -> moorline_store::backup::Place {
        let url = self.url().parse().unwrap();
        moorline_store::backup::Place::Database(url, self.folder.path().to_owned())
    }

    pub(crate) fn url(&self) -> String {
        match &self.on {
            On::Shared(database) => database.url(),
            On::Own(url) => url.clone(),
        }
    }

    /// The database on the shared server.
    pub(crate) fn database(&self) -> &Database {
        match &self.on {
            On::Shared(database) => database,
            On::Own(_) => panic!("the server is the test's own"),
        }
    }

    /// Another node on the same database, with a folder of its own.
    pub(crate) fn another_node(&self) -> (TempDir, Result<(Store, Commits), Error>) {
        let folder = TempDir::new().unwrap();
        let config = StoreConfig::new(folder.path()).in_database(self.url().parse().unwrap());
        (folder, Store::open(config))
    }
}
