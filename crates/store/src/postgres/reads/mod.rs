//! What readers ask, each in one statement or in one snapshot: the check of who may see and what is then read are of
//! the same moment.

pub(super) mod accounts;
pub(super) mod changes;
pub(super) mod log;
pub(super) mod overview;
pub(super) mod people;
pub(super) mod presence;
pub(super) mod resume;
pub(super) mod rooms;
pub(super) mod search;
pub(super) mod tickets;
pub(super) mod upkeep;
pub(super) mod welcome;

use std::collections::HashMap;

use deadpool_postgres::GenericClient;
use moorline_protocol::{Event, Person, UserId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::events::user_id;
use super::failure::{Cause, Failure};
use crate::Error;

/// The statements of the hot paths, for the test of their plans.
#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    [
        changes::statements(),
        log::statements(),
        presence::statements(),
        resume::statements(),
        rooms::statements(),
        search::statements(),
        tickets::statements(),
        vec![people::SHARES.to_owned()],
    ]
    .concat()
}

/// Why a read ends without an answer.
pub(super) enum Stop {
    /// This is not the person's to see, or is nothing.
    Refused(Error),
    /// The database failed.
    Failed(Failure),
}

impl Stop {
    /// Whether another connection may do better.
    pub(super) fn is_worth_another(&self) -> bool {
        matches!(self, Self::Failed(failure) if failure.cause() == Cause::Away)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl<T: Into<Failure>> From<T> for Stop {
    fn from(error: T) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Stop> for Error {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(error) => error,
            Stop::Failed(failure) => failure.answer(),
        }
    }
}

pub(super) async fn query(
    db: &impl GenericClient,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Failure> {
    let statement = db.prepare_cached(sql).await?;
    Ok(db.query(&statement, values).await?)
}

pub(super) async fn query_opt(
    db: &impl GenericClient,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Option<Row>, Failure> {
    Ok(query(db, sql, values).await?.pop())
}

/// The row of a person who is there.
pub(super) async fn user(db: &impl GenericClient, id: &UserId) -> Result<Option<i64>, Failure> {
    let find = "SELECT n FROM users WHERE id = $1 AND removed IS NULL";
    let row = query_opt(db, find, &[&id.as_str()]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Names gathered while rows are read, so that none is looked up twice.
#[derive(Default)]
pub(super) struct Names(HashMap<UserId, String>);

impl Names {
    pub(super) fn add(&mut self, id: &UserId, name: String) {
        self.0.entry(id.clone()).or_insert(name);
    }

    /// Adds those whom events mention beside their senders.
    pub(super) async fn complete(
        &mut self,
        db: &impl GenericClient,
        events: impl Iterator<Item = &Event>,
    ) -> Result<(), Failure> {
        let mut missing: Vec<&str> = events
            .flat_map(Event::mentioned)
            .filter(|id| !self.0.contains_key(*id))
            .map(UserId::as_str)
            .collect();
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(());
        }
        let find = "SELECT id, name FROM users WHERE id = ANY($1::text[])";
        for row in query(db, find, &[&missing]).await? {
            self.0.insert(user_id(&row, 0)?, row.try_get(1)?);
        }
        Ok(())
    }

    pub(super) fn into_people(self) -> Vec<Person> {
        let person = |(id, name)| Person { id, name, presence: None };
        let mut people: Vec<Person> = self.0.into_iter().map(person).collect();
        people.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        people
    }
}

/// A person from the columns id and name.
fn person(row: &Row) -> Result<Person, Failure> {
    Ok(Person { id: user_id(row, 0)?, name: row.try_get(1)?, presence: None })
}

/// A text that a parameter can hold: PostgreSQL's has no NUL, and no row is found by one.
fn without_nul(text: &str) -> String {
    text.replace('\0', " ")
}
