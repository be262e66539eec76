//! The rows of a database, in one read-only transaction that sees one state whatever nodes write meanwhile.

use std::path::Path;

use tokio_postgres::Row as Found;
use uuid::Uuid;

use super::unfinished::is_there;
use super::{BackupError, Session};
use crate::backup::TakeRow;
use crate::backup::check::Faults;
use crate::backup::file::Header;
use crate::backup::row::{Row, Value};
use crate::backup::tables::{Column, Kind, TABLES, Table};
use crate::postgres::failure::Failure;
use crate::postgres::schema::{cid_from, newest_applied, newest_known};
use crate::postgres::{DatabaseUrl, generation};

/// Rows that are fetched at once: with the largest messages 128 MiB, as a rule a few hundred KiB.
const FETCH: i32 = 500;

/// A database that is read.
pub(crate) struct Source {
    session: Session,
    schema: i64,
}

impl Source {
    /// Connects and begins the transaction; refuses a schema that is not this program's, and half a store.
    pub(crate) fn open(url: &DatabaseUrl) -> Result<Self, BackupError> {
        let session = Session::open(url)?;
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        session.execute(begin)?;
        let client = &session.client;
        let look =
            async { Ok::<_, Failure>((newest_applied(client).await?, is_there(client).await?)) };
        let (found, is_unfinished) =
            session.runtime.block_on(look).map_err(|failure| session.failed(failure))?;
        let (known, place) = (newest_known(), session.place.clone());
        match found {
            0 => return Err(BackupError::NoStore(place)),
            _ if is_unfinished => return Err(BackupError::Unfinished(place)),
            _ if found > known => {
                return Err(crate::Error::NewerSchema { path: place.into(), found, known }.into());
            }
            _ if found < known => return Err(BackupError::OlderSchema { place, found, known }),
            _ => {}
        }
        Ok(Self { session, schema: found })
    }

    /// What the file of these rows begins with.
    pub(crate) fn header(&self, taken_ms: u64) -> Result<Header, BackupError> {
        let mut header = Header::new("postgresql", self.schema, taken_ms);
        let client = &self.session.client;
        let read = async {
            let state = "SELECT store, generation, cid_key FROM state";
            let row = client.query_opt(state, &[]).await?;
            let row = row.ok_or(Failure::Odd("state"))?;
            (header.store, header.generation) = (row.try_get(0)?, row.try_get(1)?);
            header.cid_key = hex::encode(row.try_get::<_, &[u8]>(2)?);
            for table in TABLES {
                let count = format!("SELECT count(*) FROM {}", table.name);
                let count: i64 = client.query_one(&count, &[]).await?.try_get(0)?;
                header.rows += count.max(0).cast_unsigned();
            }
            Ok::<_, Failure>(())
        };
        self.session.runtime.block_on(read).map_err(|failure| self.session.failed(failure))?;
        Ok(header)
    }

    /// All rows, table by table.
    pub(crate) fn rows(&self, take: TakeRow<'_>) -> Result<(), BackupError> {
        for (place, table) in TABLES.iter().enumerate() {
            self.rows_of(place, table, take)?;
        }
        Ok(())
    }

    fn rows_of(&self, place: usize, table: &Table, take: TakeRow<'_>) -> Result<(), BackupError> {
        let session = &self.session;
        let cursor = format!("DECLARE rows_of NO SCROLL CURSOR FOR {}", select(table));
        session.execute(&cursor)?;
        let fetch = format!("FETCH FORWARD {FETCH} FROM rows_of");
        let fetch = session.runtime.block_on(session.client.prepare(&fetch));
        let fetch = fetch.map_err(|error| session.failed(error))?;
        let mut row = Row::new();
        loop {
            let found = session.runtime.block_on(session.client.query(&fetch, &[]));
            let found = found.map_err(|error| session.failed(error))?;
            for values in &found {
                row.clear();
                for (number, column) in table.columns.iter().enumerate() {
                    let value = value(column, values, number);
                    row.push(value.map_err(|failure| session.failed(failure))?);
                }
                take(place, &row)?;
            }
            if found.is_empty() {
                break;
            }
        }
        session.execute("CLOSE rows_of")
    }

    /// Whether it is the database that was in use last, as far as its own marks and a node's note tell.
    pub(crate) fn look_at_state(
        &self,
        folder: &Path,
        faults: &mut Faults,
    ) -> Result<(), BackupError> {
        let look = generation::look(&self.session.client, folder);
        let found = self.session.runtime.block_on(look);
        if let Some(what) = found.map_err(|failure| self.session.failed(failure))? {
            let then = "the next start gives every room a new epoch, and every client a reset";
            faults.add("I14", None, None, format!("{what}; {then}"));
        }
        Ok(())
    }
}

fn select(table: &Table) -> String {
    let name = |name: &&'static str| Column { name, kind: Kind::Int }.in_postgres();
    let columns: Vec<&str> = table.columns.iter().map(|column| column.in_postgres()).collect();
    let order: Vec<&str> = table.order.iter().map(name).collect();
    format!("SELECT {} FROM {} ORDER BY {}", columns.join(", "), table.name, order.join(", "))
}

fn value(column: &Column, row: &Found, at: usize) -> Result<Value, Failure> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| Failure::Odd("text"));
    Ok(match column.kind {
        Kind::Int => row.try_get::<_, Option<i64>>(at)?.map_or(Value::Null, Value::Int),
        Kind::Text => row.try_get::<_, Option<String>>(at)?.map_or(Value::Null, Value::Text),
        Kind::Uuid => row.try_get::<_, Option<Uuid>>(at)?.map_or(Value::Null, Value::Uuid),
        Kind::Bytes => row.try_get::<_, Option<Vec<u8>>>(at)?.map_or(Value::Null, Value::Bytes),
        Kind::Body => match row.try_get::<_, Option<&[u8]>>(at)? {
            Some(bytes) => Value::Text(text(bytes)?),
            None => Value::Null,
        },
        Kind::Cid => match row.try_get::<_, Option<&[u8]>>(at)? {
            Some(bytes) => Value::Text(cid_from(bytes)?.as_str().to_owned()),
            None => Value::Null,
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use moorline_test_postgres::Database;

    use crate::Store;
    use crate::backup::tables::Column;
    use crate::backup::tables::Kind;
    use crate::backup::tables::tests::assert_complete;

    /// What is made again: by which transaction a row came, words that search finds, what migrations are there, which
    /// node prunes, and who is here.
    const DERIVED: [&str; 4] =
        ["rooms.changed", "members.changed", "events.words", "users.revoked"];

    #[test]
    fn a_backup_holds_every_column_of_every_table() {
        let database = Database::new();
        Store::migrations(&database.url().parse().unwrap(), true).unwrap();
        let columns = "SELECT table_name || '.' || column_name FROM information_schema.columns
             WHERE table_schema = 'moorline' AND table_name NOT IN
             ('refinery_schema_history', 'upkeep', 'nodes', 'presence', 'tickets')";
        let all = database.psql(columns).unwrap();
        let (state, rest): (Vec<&str>, Vec<&str>) =
            all.lines().partition(|line| line.starts_with("state."));
        let found: BTreeSet<(String, String)> = rest
            .into_iter()
            .filter(|name| !DERIVED.contains(name))
            .filter_map(|name| name.split_once('.'))
            .map(|(table, column)| (table.to_owned(), column.to_owned()))
            .collect();
        assert_complete(found, |name| {
            let name: &'static str = name.to_owned().leak();
            Column { name, kind: Kind::Int }.in_postgres().to_owned()
        });
        let state: BTreeSet<&str> = state.into_iter().collect();
        let known = ["one", "store", "generation", "cid_key", "system", "timeline"];
        let known: BTreeSet<String> = known.iter().map(|name| format!("state.{name}")).collect();
        assert_eq!(state, known.iter().map(String::as_str).collect(), "see the header of a backup");
    }
}
