//! What the readers ask, each inside one short read transaction: the check of who may see and what is then read are of
//! one snapshot.

pub(super) mod accounts;
pub(super) mod log;
pub(super) mod overview;
pub(super) mod people;
pub(super) mod rooms;
pub(super) mod search;
pub(super) mod tickets;
pub(super) mod upkeep;
pub(super) mod welcome;

use std::collections::HashMap;

use moorline_protocol::{Event, Person, UserId};
use rusqlite::{Connection, OptionalExtension};

use super::schema::Sql;
use crate::Error;

/// The statements that read positions, for the test of their plans.
#[cfg(test)]
pub(super) fn position_statements() -> Vec<String> {
    [log::statements(), rooms::statements()].concat()
}

/// All statements of the hot paths, for the test of their plans.
#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    let others = [log::ACCESS, rooms::TOTALS].map(str::to_owned);
    [position_statements(), search::statements(), tickets::statements(), others.into()].concat()
}

/// The row of a person who is there.
pub(super) fn user(db: &Connection, id: &UserId) -> Result<Option<i64>, Error> {
    let mut find = db.prepare_cached("SELECT n FROM users WHERE id = ?1 AND removed IS NULL")?;
    Ok(find.query_row([id.as_str()], |row| row.get(0)).optional()?)
}

/// Names gathered while rows are read, so that none is looked up twice.
#[derive(Default)]
pub(super) struct Names(HashMap<UserId, String>);

impl Names {
    pub(super) fn add(&mut self, id: &UserId, name: String) {
        self.0.entry(id.clone()).or_insert(name);
    }

    /// Adds those whom an event mentions beside its sender.
    pub(super) fn complete(&mut self, db: &Connection, event: &Event) -> Result<(), Error> {
        for id in event.mentioned() {
            if self.0.contains_key(id) {
                continue;
            }
            let mut find = db.prepare_cached("SELECT name FROM users WHERE id = ?1")?;
            let name = find.query_row([id.as_str()], |row| row.get(0)).optional()?;
            self.0.extend(name.map(|name| (id.clone(), name)));
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
fn person(row: &rusqlite::Row<'_>) -> rusqlite::Result<Person> {
    Ok(Person { id: row.get::<_, Sql<UserId>>(0)?.0, name: row.get(1)?, presence: None })
}
