//! What a backup holds: the tables and columns that both back ends keep, in the order in which they are written and read.
//!
//! A new column or table of a migration must be named here, else it is lost by every restore and import; a test compares
//! this list with both schemas. What can be made again from the rest (search, sums of words), or is asked for
//! anew (tickets), stays out.

/// How a column's values are kept and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A number.
    Int,
    /// A text.
    Text,
    /// A text that may hold a NUL: bytes in PostgreSQL.
    Body,
    /// Bytes; base64 in the file.
    Bytes,
    /// A UUID: 16 bytes in SQLite.
    Uuid,
    /// A command's id, which each back end packs in its own way.
    Cid,
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

impl Column {
    /// Its name in PostgreSQL, where `user` is a word of SQL.
    pub(crate) fn in_postgres(&self) -> &'static str {
        if self.name == "user" { "usr" } else { self.name }
    }
}

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// The columns that its rows are sorted by.
    pub(crate) order: &'static [&'static str],
    pub(crate) columns: &'static [Column],
}

impl Table {
    /// Where a column stands in a row.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

macro_rules! tables {
    ($($name:ident by $($order:ident),+ { $($column:ident: $kind:ident),+ $(,)? })+) => {
        /// All of them. Rooms come first, so that the beginning of a file tells where each log ends.
        pub(crate) const TABLES: &[Table] = &[$(Table {
            name: stringify!($name),
            order: &[$(stringify!($order)),+],
            columns: &[$(Column { name: stringify!($column), kind: Kind::$kind }),+],
        }),+];
    };
}

tables! {
    rooms by n {
        n: Int, id: Text, kind: Int, history: Int, name: Text, folded: Text, epoch: Int, first: Int, head: Int,
        messages: Int, members: Int, last_message: Int, active: Int, at: Int, pair_low: Int, pair_high: Int,
        made_as: Bytes, pruned: Int, retention: Int,
    }
    users by n {
        n: Int, id: Text, name: Text, folded: Text, at: Int, seen: Int, not_before: Int, removed: Int, rooms: Int,
    }
    members by user, room { user: Int, room: Int, role: Int, joined: Int, read: Int, read_messages: Int }
    erasures by user { user: Int, keeps: Int }
    removals by room, user { room: Int, user: Int, at: Int }
    accounts by login { login: Text, user: Int, password_hash: Text }
    sessions by token_hash { token_hash: Bytes, id: Text, user: Int, device: Text, created: Int, expires: Int }
    events by n {
        n: Int, room: Int, seq: Int, kind: Int, id: Uuid, sender: Int, cid: Cid, at: Int, messages: Int, body: Body,
        refers: Uuid, target: Int, edited: Int, edited_at: Int, deleted: Int, deleted_at: Int,
    }
    cids by cid, sender, room {
        cid: Cid, sender: Int, room: Int, hash: Bytes, epoch: Int, seq: Int, id: Uuid, at: Int, made: Int,
    }
}

/// Where a table stands among them.
pub(crate) fn find(name: &str) -> Option<usize> {
    TABLES.iter().position(|table| table.name == name)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use super::TABLES;

    /// Compares with (table, column) pairs of a schema, from which what is derived was taken out.
    pub(crate) fn assert_complete(
        found: BTreeSet<(String, String)>,
        name: impl Fn(&str) -> String,
    ) {
        let mut known = BTreeSet::new();
        for table in TABLES {
            for column in table.columns {
                known.insert((table.name.to_owned(), name(column.name)));
            }
        }
        let lost: Vec<_> = found.difference(&known).collect();
        assert!(lost.is_empty(), "a backup would lose {lost:?}: name them in backup/tables.rs");
        let gone: Vec<_> = known.difference(&found).collect();
        assert!(gone.is_empty(), "backup/tables.rs names what is not there: {gone:?}");
    }
}
