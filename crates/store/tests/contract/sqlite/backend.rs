//! SQLite: a folder is the whole store.

use std::path::Path;

use moorline_store::{Commits, Error, Store, StoreConfig};
use tempfile::TempDir;

/// Where a store of one test is.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub(crate) fn config(&self) -> StoreConfig {
        StoreConfig::new(self.folder.path())
    }

    /// The same for a backup.
    pub(crate) fn backup(&self) -> moorline_store::backup::Place {
        moorline_store::backup::Place::Folder(self.folder.path().to_owned())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The store in a folder.
pub(crate) fn open(folder: &Path) -> Result<(Store, Commits), Error> {
    Store::open(StoreConfig::new(folder))
}
