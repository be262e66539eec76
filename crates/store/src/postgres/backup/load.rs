//! Rows into an empty database: a restore in one transaction, an import in many, each of which notes how far it is.

use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::unfinished::{self, is_there};
use super::{BackupError, Session};
use crate::backup::file::Header;
use crate::backup::row::{Row, Value};
use crate::backup::tables::{Kind, TABLES, Table};
use crate::postgres::DatabaseUrl;
use crate::postgres::failure::Failure;
use crate::postgres::generation::EPOCHS;
use crate::postgres::schema::{cid_bytes, kind, migrate};
use crate::words::entry;

/// Rows of one statement, and their bytes.
const ROWS: usize = 2_000;
const BYTES: usize = 4 << 20;

/// Rows on their way in.
pub(crate) struct Loader {
    session: Session,
    /// Whether each statement is a transaction.
    is_import: bool,
    /// Rows that an earlier attempt brought in, in the order in which they come, and rows seen by this one.
    had: u64,
    seen: u64,
    table: usize,
    rows: Vec<Row>,
    bytes: usize,
    inserts: Vec<Option<(Statement, Vec<usize>)>>,
}

type Values = Vec<Box<dyn ToSql + Sync + Send>>;

impl Loader {
    /// Begins a restore: one transaction, undone unless it comes to its end.
    pub(crate) fn restore(url: &DatabaseUrl) -> Result<Self, BackupError> {
        let loader = Self::open(url, false)?;
        loader.refuse_unless_empty()?;
        loader.session.execute("BEGIN; DELETE FROM users")?;
        Ok(loader)
    }

    /// Begins an import or goes on with one.
    pub(crate) fn import(url: &DatabaseUrl, header: &Header) -> Result<Self, BackupError> {
        let mut loader = Self::open(url, true)?;
        if loader.has_begun()? {
            loader.had = loader.done_before(header)?;
            return Ok(loader);
        }
        loader.refuse_unless_empty()?;
        let begin = async {
            let client = &loader.session.client;
            client
                .batch_execute(&format!("BEGIN; DELETE FROM users; {}", unfinished::MAKE))
                .await?;
            let note = "INSERT INTO unfinished_import VALUES ($1, $2, 0)";
            client.execute(note, &[&header.store, &header.generation]).await?;
            client.batch_execute("COMMIT").await
        };
        loader.wait(begin)?;
        Ok(loader)
    }

    fn open(url: &DatabaseUrl, is_import: bool) -> Result<Self, BackupError> {
        let mut session = Session::open(url)?;
        let (client, connector, place) = (&mut session.client, &session.connector, &session.place);
        let ready = session.runtime.block_on(async {
            connector.check(client).await.map_err(|failure| crate::Error::Database {
                place: place.clone(),
                reason: failure.to_string(),
            })?;
            migrate(client, place).await
        });
        ready?;
        let inserts = TABLES.iter().map(|_| None).collect();
        let rows = Vec::with_capacity(ROWS);
        Ok(Self { session, is_import, had: 0, seen: 0, table: 0, rows, bytes: 0, inserts })
    }

    fn wait<T, E: Into<Failure>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, BackupError> {
        self.session.runtime.block_on(work).map_err(|error| self.session.failed(error))
    }

    fn has_begun(&self) -> Result<bool, BackupError> {
        self.wait(is_there(&self.session.client))
    }

    /// How many rows the interrupted import of the same store brought in.
    fn done_before(&self, header: &Header) -> Result<u64, BackupError> {
        let ask = "SELECT store, generation, done FROM unfinished_import";
        let row = self.wait(self.session.client.query_one(ask, &[]))?;
        let (store, generation, done): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
        let place = self.session.place.clone();
        if store != header.store {
            let what = "of another store".to_owned();
            return Err(BackupError::OtherImport { place, what });
        }
        if generation != header.generation {
            let what = "a server used the store after it began".to_owned();
            return Err(BackupError::OtherImport { place, what });
        }
        Ok(done.max(0).cast_unsigned())
    }

    fn refuse_unless_empty(&self) -> Result<(), BackupError> {
        let place = self.session.place.clone();
        if self.has_begun()? {
            return Err(BackupError::Unfinished(place));
        }
        let ask =
            "SELECT EXISTS (SELECT 1 FROM rooms) OR EXISTS (SELECT 1 FROM users WHERE id NOT IN ('moorline', 'deleted')),
                 (SELECT count(*) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()
                      AND application_name = current_setting('application_name'))";
        let row = self.wait(self.session.client.query_one(ask, &[]))?;
        let (is_used, nodes): (bool, i64) = (row.get(0), row.get(1));
        match (is_used, nodes) {
            (true, _) => Err(BackupError::NotEmpty(place)),
            (false, 0) => Ok(()),
            (false, nodes) => Err(BackupError::InUse { place, nodes }),
        }
    }

    /// Rows that an interrupted import had brought in.
    pub(crate) fn had(&self) -> u64 {
        self.had
    }

    pub(crate) fn row(
        &mut self,
        table: usize,
        row: &Row,
        header: &Header,
    ) -> Result<(), BackupError> {
        if table != self.table {
            self.flush(header)?;
            self.table = table;
        }
        self.seen += 1;
        if self.seen <= self.had {
            return Ok(());
        }
        self.bytes += row.iter().map(Value::size).sum::<usize>();
        self.rows.push(row.clone());
        if self.rows.len() >= ROWS || self.bytes >= BYTES {
            self.flush(header)?;
        }
        Ok(())
    }

    fn flush(&mut self, header: &Header) -> Result<(), BackupError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let table = &TABLES[self.table];
        self.prepare(header)?;
        let Some((insert, columns)) = &self.inserts[self.table] else { return Ok(()) };
        let values = values(table, columns, &self.rows);
        let values: Vec<&(dyn ToSql + Sync)> =
            values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
        let done = i64::try_from(self.seen).unwrap_or(i64::MAX);
        let client = &self.session.client;
        self.wait(async {
            if !self.is_import {
                return client.execute(insert, &values).await.map(drop);
            }
            // A piece that a crash of the server takes back takes its note back with it.
            client.batch_execute("BEGIN; SET LOCAL synchronous_commit = off").await?;
            client.execute(insert, &values).await?;
            client.execute("UPDATE unfinished_import SET done = $1", &[&done]).await?;
            client.batch_execute("COMMIT").await
        })?;
        self.rows.clear();
        self.bytes = 0;
        Ok(())
    }

    fn prepare(&mut self, header: &Header) -> Result<(), BackupError> {
        if self.inserts[self.table].is_some() {
            return Ok(());
        }
        let table = &TABLES[self.table];
        let columns = header.columns_of(table);
        let statement = self.wait(self.session.client.prepare(&insert(table, &columns)))?;
        self.inserts[self.table] = Some((statement, columns));
        Ok(())
    }

    /// After the last row of a restore: another store's name, and new epochs.
    pub(crate) fn finish_restore(mut self, header: &Header) -> Result<(), BackupError> {
        self.flush(header)?;
        let store = format!("{:032x}", rand::random::<u128>());
        self.session.execute(EPOCHS)?;
        self.write_state(header, &store)?;
        self.session.execute("COMMIT; ANALYZE rooms, members, users, events, cids")
    }

    /// After the last row of an import, it is the store that it was, its epochs included.
    pub(crate) fn finish_import(mut self, header: &Header) -> Result<(), BackupError> {
        self.flush(header)?;
        self.session.execute("BEGIN")?;
        self.write_state(header, &header.store)?;
        self.session.execute(
            "DROP TABLE unfinished_import; COMMIT; ANALYZE rooms, members, users, events, cids",
        )
    }

    fn write_state(&self, header: &Header, store: &str) -> Result<(), BackupError> {
        let next = header.generation + 1;
        let key = hex::decode(&header.cid_key)
            .map_err(|error| BackupError::failed("the backup's key", error))?;
        let state = "INSERT INTO state (store, generation, cid_key, system, timeline)
             SELECT $1, $2, $3, c.system_identifier::text,
                 ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint
             FROM pg_control_system() c
             ON CONFLICT (one) DO UPDATE SET store = excluded.store, generation = excluded.generation,
                 cid_key = excluded.cid_key, system = excluded.system, timeline = excluded.timeline";
        self.wait(self.session.client.execute(state, &[&store, &next, &key]))?;
        for (table, least) in [("users", 1), ("rooms", 0), ("events", 0)] {
            let numbers = format!(
                "SELECT setval(pg_get_serial_sequence('{table}', 'n'), coalesce(max(n), {least}) + 1, false) FROM {table}"
            );
            self.wait(self.session.client.query(&numbers, &[]))?;
        }
        Ok(())
    }
}

/// The statement that writes rows of these columns, given as arrays.
fn insert(table: &Table, columns: &[usize]) -> String {
    let mut names: Vec<&str> =
        columns.iter().map(|place| table.columns[*place].in_postgres()).collect();
    let mut types: Vec<&str> = columns
        .iter()
        .map(|place| match table.columns[*place].kind {
            Kind::Int => "bigint",
            Kind::Text => "text",
            Kind::Body | Kind::Bytes | Kind::Cid => "bytea",
            Kind::Uuid => "uuid",
        })
        .collect();
    let mut into = names.join(", ");
    let mut from: Vec<String> = names.iter().map(|name| format!("k.{name}")).collect();
    match table.name {
        "rooms" | "members" => {
            into += ", changed";
            from.push("pg_current_xact_id()".to_owned());
        }
        "events" => {
            into += ", words";
            from.push("array_to_tsvector(string_to_array(k.words, ' '))".to_owned());
            names.push("words");
            types.push("text");
        }
        _ => {}
    }
    let arrays: Vec<String> = types
        .iter()
        .enumerate()
        .map(|(number, kind)| format!("${}::{kind}[]", number + 1))
        .collect();
    format!(
        "INSERT INTO {} ({into}) SELECT {} FROM unnest({}) k({})",
        table.name,
        from.join(", "),
        arrays.join(", "),
        names.join(", ")
    )
}

/// The rows as columns.
fn values(table: &Table, columns: &[usize], rows: &[Row]) -> Values {
    let mut values: Values = Vec::with_capacity(columns.len() + 1);
    for place in columns {
        let held = rows.iter().map(|row| &row[*place]);
        values.push(match table.columns[*place].kind {
            Kind::Int => Box::new(held.map(Value::some_int).collect::<Vec<Option<i64>>>()),
            Kind::Text => Box::new(held.map(text).collect::<Vec<Option<String>>>()),
            Kind::Uuid => Box::new(held.map(uuid).collect::<Vec<Option<Uuid>>>()),
            kind => {
                Box::new(held.map(|value| bytes(kind, value)).collect::<Vec<Option<Vec<u8>>>>())
            }
        });
    }
    if table.name == "events" {
        values.push(Box::new(rows.iter().map(|row| words(table, row)).collect::<Vec<_>>()));
    }
    values
}

/// PostgreSQL's texts have no NUL.
fn text(value: &Value) -> Option<String> {
    let Value::Text(text) = value else { return None };
    Some(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.clone() })
}

fn uuid(value: &Value) -> Option<Uuid> {
    if let Value::Uuid(uuid) = value { Some(*uuid) } else { None }
}

fn bytes(kind: Kind, value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(bytes) => Some(bytes.clone()),
        Value::Text(text) if kind == Kind::Cid => {
            moorline_protocol::Cid::new(text.as_str()).ok().map(|cid| cid_bytes(&cid))
        }
        Value::Text(text) => Some(text.clone().into_bytes()),
        _ => None,
    }
}

/// What search finds an event by.
fn words(table: &Table, row: &Row) -> Option<String> {
    let of = |name: &str| table.position(name).map_or(&Value::Null, |place| &row[place]);
    let is_found = of("kind").int() == kind::MESSAGE && *of("deleted") == Value::Null;
    is_found.then(|| Some(entry(of("body").text(), of("room").int(), of("sender").int()))).flatten()
}
