//! How a database and its server are, asked without changing anything. Called by `crate::checkup` alone.

use tokio_postgres::Client;

use super::DatabaseUrl;
use super::connect::{Connector, Purpose};
use super::failure::Failure;
use super::schema::{newest_applied, newest_known};
use crate::Error;
use crate::checkup::{LongTransaction, PostgresFacts};

/// What the server is, has been told and does. Only its own settings count, not those of this connection.
const SERVER: &str = "
    SELECT current_setting('server_version_num')::bigint, current_setting('server_encoding'),
           pg_is_in_recovery(),
           extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8,
           EXISTS (SELECT FROM pg_stat_wal_receiver),
           NOT pg_is_in_recovery() AND current_setting('synchronous_standby_names') <> ''
               AND NOT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')),
           extract(epoch FROM clock_timestamp())::float8";

const SETTINGS: &str = "
    SELECT name, setting FROM pg_settings
    WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name";

/// Five minutes: no statement of ours takes a tenth of it, and what is removed meanwhile cannot be cleared away.
const LONG: &str = "
    SELECT pid, coalesce(application_name, ''), coalesce(state, ''),
           extract(epoch FROM clock_timestamp() - xact_start)::float8
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
          AND xact_start < clock_timestamp() - interval '5 minutes'
    ORDER BY xact_start LIMIT 5";

pub(crate) async fn checkup(url: &DatabaseUrl) -> Result<PostgresFacts, Error> {
    let place = url.to_string();
    let failed = |reason: String| Error::Database { place: place.clone(), reason };
    let connector = Connector::new(url).map_err(failed)?;
    let failed =
        |failure: Failure| Error::Database { place: place.clone(), reason: failure.to_string() };
    let client = connector.connect(Purpose::Read).await.map_err(failed)?;
    facts(&client, place.clone()).await.map_err(failed)
}

async fn facts(client: &Client, place: String) -> Result<PostgresFacts, Failure> {
    let found = newest_applied(client).await?;
    let server = client.query_one(SERVER, &[]).await?;
    let settings = client.query(SETTINGS, &[]).await?;
    let settings = settings.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    let long = client.query(LONG, &[]).await?;
    let long = long.iter().map(|row| {
        Ok(LongTransaction {
            pid: row.try_get(0)?,
            application: row.try_get(1)?,
            state: row.try_get(2)?,
            seconds: row.try_get(3)?,
        })
    });
    Ok(PostgresFacts {
        place,
        version: server.try_get(0)?,
        encoding: server.try_get(1)?,
        found,
        known: newest_known(),
        is_standby: server.try_get(2)?,
        standby_behind: server.try_get(3)?,
        is_following: server.try_get(4)?,
        lacks_standby: server.try_get(5)?,
        clock: server.try_get(6)?,
        settings: settings.collect::<Result<_, tokio_postgres::Error>>()?,
        long: long.collect::<Result<_, tokio_postgres::Error>>()?,
    })
}

#[cfg(test)]
mod tests {
    use moorline_test_postgres::{Database, Server};

    use super::*;

    #[tokio::test]
    async fn an_empty_database_is_told_as_it_is_and_stays_empty() {
        let database = Database::new();
        let url = database.url().parse().unwrap();
        let facts = checkup(&url).await.unwrap();
        assert_eq!((facts.found, facts.is_standby, facts.encoding.as_str()), (0, false, "UTF8"));
        assert!(facts.known > 0 && facts.version >= 140_000 && facts.clock > 1e9);
        assert!(facts.settings.contains(&("fsync".into(), "on".into())), "{:?}", facts.settings);
        assert_eq!(facts.long, []);
        let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'moorline'";
        assert_eq!(database.psql(schemas).unwrap(), "0");
    }

    #[tokio::test]
    async fn a_standby_that_its_primary_has_left_is_told() {
        let primary = Server::start();
        let standby = Server::replica_of(&primary);
        let url = standby.url("postgres").parse().unwrap();
        standby.catch_up_with(&primary);
        let facts = checkup(&url).await.unwrap();
        assert!(facts.is_standby, "{facts:?}");
        standby.fall_behind();
        let facts = checkup(&url).await.unwrap();
        assert!(facts.is_standby && !facts.is_following, "{facts:?}");
    }

    #[tokio::test]
    async fn a_database_that_is_away_is_told_without_its_password() {
        let url = "postgres://ann:hunter2@127.0.0.1:1/x".parse().unwrap();
        let error = checkup(&url).await.unwrap_err().to_string();
        assert!(error.contains("ann:***@127.0.0.1") && !error.contains("hunter2"), "{error}");
    }
}
