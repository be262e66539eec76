//! Connections: their settings, and whether the server at the other end is one to keep messages in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_postgres::{Client, Config, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::{Failure, POOLER};
use super::tls;
use super::url::DatabaseUrl;

/// The oldest server whose functions are all there.
const OLDEST: i64 = 140_000;

/// What a connection is for; decides its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A lane: looks rows up by their keys, many at once, and nothing else. Plans are made once and go through indexes
    /// whatever the tables held when they were made.
    Write,
    /// Answers one reader after another.
    Read,
    /// Migrations, which may take long.
    Migrate,
}

impl Purpose {
    fn settings(self) -> &'static str {
        match self {
            Self::Write => {
                " -c lock_timeout=4000 -c statement_timeout=8000 -c idle_in_transaction_session_timeout=8000 \
                 -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off \
                 -c enable_mergejoin=off -c jit=off"
            }
            // Going through a table of rooms that was written a million times costs more than its rows say.
            Self::Read => {
                " -c statement_timeout=8000 -c idle_in_transaction_session_timeout=8000 -c jit=off \
                 -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off \
                 -c enable_mergejoin=off -c default_transaction_read_only=on"
            }
            Self::Migrate => "",
        }
    }
}

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
    has_warned: Arc<AtomicBool>,
}

impl Connector {
    pub(super) fn new(url: &DatabaseUrl) -> Result<Self, String> {
        let (config, tls) = (url.config.clone(), tls::connector(&url.trust)?);
        Ok(Self { config, tls, has_warned: Arc::default() })
    }

    /// How a connection of this purpose is asked for. Our tables have a schema of their own, so that they stand beside
    /// those of any other program in the same database.
    pub(super) fn config_for(&self, purpose: Purpose) -> Config {
        let mut config = self.config.clone();
        let before = self.config.get_options().unwrap_or("");
        let own = "-c search_path=moorline -c client_min_messages=warning \
                   -c default_transaction_isolation=read\\ committed";
        config.options(format!("{before} {own}{}", purpose.settings()).trim_start());
        config
    }

    /// Connects. The connection's other half runs in the caller's runtime.
    pub(super) async fn connect(&self, purpose: Purpose) -> Result<Client, Failure> {
        let (client, connection) = self.config_for(purpose).connect(self.tls.clone()).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the database ended");
            }
        });
        Ok(client)
    }

    /// Whether what is committed here is kept. What a setting can mend is mended; the rest is refused or warned of.
    pub(super) async fn check(&self, client: &Client) -> Result<(), Failure> {
        // Without our own settings, nothing that is prepared can be relied on either.
        let rows = client.simple_query("SELECT current_setting('search_path')").await?;
        let has_settings = rows.iter().any(|row| match row {
            SimpleQueryMessage::Row(row) => row.get(0) == Some("moorline"),
            _ => false,
        });
        if !has_settings {
            return Err(Failure::Unfit(POOLER.to_owned()));
        }
        let settings = "SELECT current_setting('server_version_num')::bigint, current_setting('server_encoding'),
                 current_setting('fsync'), current_setting('full_page_writes'),
                 current_setting('synchronous_commit'), pg_is_in_recovery()";
        let row = client.query_one(settings, &[]).await?;
        let unfit = |why: &str| Err(Failure::Unfit(why.to_owned()));
        if row.try_get::<_, i64>(0)? < OLDEST {
            return unfit("the server is older than PostgreSQL 14");
        }
        if row.try_get::<_, &str>(1)? != "UTF8" {
            return unfit(
                "the database's encoding is not UTF8; make one with: createdb -T template0 -E UTF8",
            );
        }
        if row.try_get::<_, &str>(2)? != "on" {
            return unfit(
                "the server runs with fsync = off, so a power cut would lose acknowledged messages; \
                 set fsync = on in postgresql.conf",
            );
        }
        if row.try_get::<_, bool>(5)? {
            return Err(Failure::ReadOnly);
        }
        let is_first = !self.has_warned.swap(true, Ordering::Relaxed);
        if row.try_get::<_, &str>(3)? != "on" && is_first {
            tracing::warn!(
                "the database server runs with full_page_writes = off: unless its file system never tears a page, \
                 a power cut can destroy what was acknowledged"
            );
        }
        let commits = row.try_get::<_, &str>(4)?;
        if !["on", "remote_apply"].contains(&commits) {
            if is_first {
                tracing::warn!(
                    "the database server is set to synchronous_commit = {commits}; Moorline's own commits use on"
                );
            }
            client.batch_execute("SET synchronous_commit = on").await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use moorline_test_postgres::Database;

    use super::*;

    async fn setting(client: &Client) -> String {
        client.query_one("SHOW synchronous_commit", &[]).await.unwrap().get(0)
    }

    #[tokio::test]
    async fn a_weaker_commit_is_made_a_durable_one_and_a_stronger_one_is_kept() {
        let database = Database::new();
        let connector = Connector::new(&database.url().parse().unwrap()).unwrap();
        for (found, wanted) in [
            ("off", "on"),
            ("local", "on"),
            ("remote_write", "on"),
            ("remote_apply", "remote_apply"),
        ] {
            let name = database.psql("SELECT current_database()").unwrap();
            database
                .psql(&format!("ALTER DATABASE {name} SET synchronous_commit = {found}"))
                .unwrap();
            let client = connector.connect(Purpose::Write).await.unwrap();
            assert_eq!(setting(&client).await, found);
            connector.check(&client).await.unwrap();
            assert_eq!(setting(&client).await, wanted);
        }
    }
}
