//! What backups, restores, imports and verifications do with a PostgreSQL database. Called by `crate::backup` alone, each
//! with a connection of its own and a runtime that runs only while it waits for it.

mod load;
mod source;
mod unfinished;

pub(crate) use self::load::Loader;
pub(crate) use self::source::Source;
pub(super) use self::unfinished::refuse_unfinished;

use tokio::runtime::Runtime;
use tokio_postgres::Client;

use super::DatabaseUrl;
use super::connect::{Connector, Purpose};
use super::failure::Failure;
use super::open::runtime;
use crate::backup::BackupError;

/// A connection without limits of time, and where it leads.
pub(super) struct Session {
    pub(super) runtime: Runtime,
    pub(super) client: Client,
    pub(super) connector: Connector,
    pub(super) place: String,
}

impl Session {
    fn open(url: &DatabaseUrl) -> Result<Self, BackupError> {
        let place = url.to_string();
        let unreachable = |reason: String| crate::Error::Database { place: place.clone(), reason };
        let connector = Connector::new(url).map_err(unreachable)?;
        let runtime = runtime().map_err(|error| unreachable(error.to_string()))?;
        let client = runtime.block_on(async {
            let client = connector.connect(Purpose::Migrate).await?;
            let settings = "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;
                 SET jit = off";
            client.batch_execute(settings).await?;
            Ok::<_, Failure>(client)
        });
        let client = client.map_err(|failure| unreachable(failure.to_string()))?;
        Ok(Self { runtime, client, connector, place })
    }

    fn failed(&self, error: impl Into<Failure>) -> BackupError {
        BackupError::failed(self.place.as_str(), error.into())
    }

    fn execute(&self, sql: &str) -> Result<(), BackupError> {
        self.runtime.block_on(self.client.batch_execute(sql)).map_err(|error| self.failed(error))
    }
}
