//! Writes what a batch decided, and commits it, in one round trip. Each statement takes whole columns.
//!
//! The rooms' rows are locked since `load.rs`, so that `head + n` is the number that the events were given; the primary
//! key of the log would void the transaction if it were not.

use tokio::try_join;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use super::failure::Failure;
use super::pipeline::{self, Step, step, word};
use super::rows::{Member, Membership, Room, Rows};
use super::schema::{Numbered, kind, put};
use super::writes::{CidRow, EventRow, RoomRow, Writes};
use crate::words::entry;

macro_rules! statements {
    ($($name:ident = $sql:expr;)+) => {
        /// The prepared statements of one connection.
        pub(super) struct Statements { $($name: Statement,)+ }

        impl Statements {
            /// Prepares all of them, in one round trip.
            pub(super) async fn prepare(client: &Client) -> Result<Self, Failure> {
                let ($($name,)+) = try_join!($(client.prepare($sql),)+)?;
                Ok(Self { $($name,)+ })
            }
        }

        #[cfg(test)]
        pub(super) fn sql() -> Vec<String> {
            vec![$($sql.to_owned(),)+]
        }
    };
}

statements! {
    rooms = "UPDATE rooms r SET head = r.head + k.added, messages = k.messages, members = k.members,
             last_message = k.last_message, active = k.active, name = coalesce(k.name, r.name),
             folded = coalesce(k.folded, r.folded), changed = pg_current_xact_id()
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
             $7::text[], $8::text[]) k(n, added, messages, members, last_message, active, name, folded)
         WHERE r.n = k.n";
    new_rooms = "INSERT INTO rooms (n, id, kind, history, name, folded, epoch, first, head, messages, members,
             last_message, active, at, pair_low, pair_high, made_as, changed)
         SELECT k.n, k.id, k.kind, k.history, k.name, k.folded, k.epoch, 1, k.head, k.messages, k.members,
             k.last_message, k.active, k.at, k.pair_low, k.pair_high, k.made_as, pg_current_xact_id()
         FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[],
             $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
             $14::bigint[], $15::bigint[], $16::bytea[])
             k(n, id, kind, history, name, folded, epoch, head, messages, members, last_message, active, at,
                 pair_low, pair_high, made_as)
         ORDER BY k.id";
    events = "INSERT INTO events (room, seq, kind, id, sender, cid, at, messages, body, refers, target, words)
         SELECT k.room, k.seq, k.kind, k.id, k.sender, k.cid, k.at, k.messages, k.body, k.refers, k.target,
             array_to_tsvector(string_to_array(k.words, ' '))
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::uuid[], $5::bigint[], $6::bytea[],
             $7::bigint[], $8::bigint[], $9::bytea[], $10::uuid[], $11::bigint[], $12::text[])
             k(room, seq, kind, id, sender, cid, at, messages, body, refers, target, words)";
    cids = "INSERT INTO cids (cid, sender, room, hash, epoch, seq, id, at, made)
         SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bigint[], $6::bigint[],
             $7::uuid[], $8::bigint[], $9::bigint[]) k(cid, sender, room, hash, epoch, seq, id, at, made)
         ORDER BY k.cid, k.sender, k.room";
    new_members = "INSERT INTO members (room, usr, role, joined, read, read_messages, changed)
         SELECT k.*, pg_current_xact_id()
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) k";
    members = "UPDATE members m SET role = k.role, joined = k.joined, read = k.read,
             read_messages = k.read_messages,
             changed = CASE WHEN m.joined = k.joined THEN m.changed ELSE pg_current_xact_id() END
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
             k(room, usr, role, joined, read, read_messages)
         WHERE m.usr = k.usr AND m.room = k.room";
    gone_members = "DELETE FROM members m USING unnest($1::bigint[], $2::bigint[]) k(room, usr)
         WHERE m.usr = k.usr AND m.room = k.room";
    users = "UPDATE users u SET rooms = u.rooms + k.added FROM unnest($1::bigint[], $2::bigint[]) k(n, added)
         WHERE u.n = k.n";
    removals = "INSERT INTO removals (room, usr, at) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
         ON CONFLICT (room, usr) DO UPDATE SET at = greatest(removals.at, excluded.at)";
    changed = "UPDATE events e SET body = k.body, words = array_to_tsvector(string_to_array(k.words, ' ')),
             edited = coalesce(k.edited, e.edited), edited_at = coalesce(k.edited_at, e.edited_at),
             deleted = coalesce(k.deleted, e.deleted), deleted_at = coalesce(k.deleted_at, e.deleted_at)
         FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::text[], $5::bigint[], $6::bigint[],
             $7::bigint[], $8::bigint[]) k(room, seq, body, words, edited, edited_at, deleted, deleted_at)
         WHERE e.room = k.room AND e.seq = k.seq";
    erased = "UPDATE events e SET body = '' FROM unnest($1::bigint[], $2::bigint[]) k(room, seq)
         WHERE e.room = k.room AND e.target = k.seq AND e.kind = 2";
    unnamed = "UPDATE events e SET cid = CASE WHEN k.forgets = 1 THEN NULL ELSE e.cid END, body = coalesce(k.body, e.body)
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[]) k(room, seq, forgets, body)
         WHERE e.room = k.room AND e.seq = k.seq";
    firsts = "UPDATE rooms r SET first = k.first, pruned = k.messages
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) k(n, first, messages) WHERE r.n = k.n";
    pruned = "DELETE FROM events e USING unnest($1::bigint[], $2::bigint[], $3::bigint[]) k(room, low, first)
         WHERE e.room = k.room AND e.seq >= k.low AND e.seq < k.first";
}

/// A statement's values, which it owns.
type Values = Vec<Box<dyn ToSql + Sync + Send>>;

macro_rules! columns {
    ($rows:expr; $($column:expr),+ $(,)?) => {
        vec![$(Box::new($rows.iter().map($column).collect::<Vec<_>>()) as Box<dyn ToSql + Sync + Send>),+]
    };
}

/// Writes all of it and commits.
pub(super) async fn write(
    client: &Client,
    statements: &Statements,
    rows: &Rows,
    writes: &Writes,
) -> Result<(), Failure> {
    let plan = plan(statements, rows, writes);
    let mut steps: Vec<Step<'_>> = plan
        .iter()
        .map(|(statement, values)| {
            let values = values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
            step(client, statement, values)
        })
        .collect();
    // A statement that fails turns this into a rollback, and its error is the one that is told.
    steps.push(word(client, "COMMIT"));
    pipeline::run(steps).await.map(drop)
}

/// The statements that have something to write, with what they write.
fn plan<'s>(
    statements: &'s Statements,
    rows: &Rows,
    writes: &Writes,
) -> Vec<(&'s Statement, Values)> {
    let members = Members::of(rows);
    let mut plan: Vec<(&Statement, Values)> = Vec::new();
    let mut add = |statement: &'s Statement, is_needless: bool, values: Values| {
        if !is_needless {
            plan.push((statement, values));
        }
    };
    let (new, old): (Vec<_>, Vec<_>) = writes.rooms.iter().partition(|(_, room)| room.is_new);
    let old: Vec<&Room> = old.iter().map(|(_, room)| room).collect();
    add(&statements.rooms, old.is_empty(), room_columns(&old, writes));
    let new = new_rooms(&new, writes);
    add(&statements.new_rooms, new.is_empty(), new_room_columns(&new));
    add(&statements.events, writes.events.is_empty(), event_columns(&writes.events));
    add(&statements.cids, writes.cids.is_empty(), cid_columns(&writes.cids));
    add(
        &statements.gone_members,
        members.gone.is_empty(),
        columns![members.gone; |m| m.0, |m| m.1],
    );
    add(&statements.new_members, members.new.is_empty(), member_columns(&members.new));
    add(&statements.members, members.changed.is_empty(), member_columns(&members.changed));
    let users = counted(rows);
    add(&statements.users, users.is_empty(), columns![users; |u| u.0, |u| u.1]);
    let removals: Vec<(i64, i64, i64)> =
        writes.removals.iter().map(|((room, user), at)| (*room, *user, put(*at))).collect();
    let values = columns![removals; |r| r.0, |r| r.1, |r| r.2];
    add(&statements.removals, removals.is_empty(), values);
    add(&statements.changed, writes.changed.is_empty(), changed_columns(writes));
    let erased: Vec<(i64, i64)> =
        writes.erased.iter().map(|(room, seq)| (*room, put(*seq))).collect();
    add(&statements.erased, erased.is_empty(), columns![erased; |e| e.0, |e| e.1]);
    let (unnamed, pruned) = (writes.unnamed.is_empty(), writes.pruned.is_empty());
    add(&statements.unnamed, unnamed, unnamed_columns(writes));
    let gone = &writes.pruned;
    let values = columns![gone; |p| p.room, |p| put(p.first), |p| put(p.messages)];
    add(&statements.firsts, pruned, values);
    let values = columns![gone; |p| p.room, |p| put(p.low), |p| put(p.first)];
    add(&statements.pruned, pruned, values);
    plan
}

/// Memberships by what becomes of them.
#[derive(Default)]
struct Members {
    new: Vec<(i64, i64, Membership)>,
    changed: Vec<(i64, i64, Membership)>,
    gone: Vec<(i64, i64)>,
}

impl Members {
    fn of(rows: &Rows) -> Self {
        let mut members = Self::default();
        for ((room, user), Member { before, now }) in &rows.members {
            match (before, now) {
                (None, Some(now)) => members.new.push((*room, *user, *now)),
                (Some(before), Some(now)) if before != now => {
                    members.changed.push((*room, *user, *now));
                }
                (Some(_), None) => members.gone.push((*room, *user)),
                _ => {}
            }
        }
        members
    }
}

fn member_columns(members: &[(i64, i64, Membership)]) -> Values {
    columns![members;
        |m| m.0, |m| m.1, |m| m.2.role.number(), |m| put(m.2.joined), |m| put(m.2.read),
        |m| put(m.2.read_messages),
    ]
}

fn counted(rows: &Rows) -> Vec<(i64, i64)> {
    let users = rows.users.values().map(|user| (user.n, user.added));
    users.filter(|(_, added)| *added != 0).collect()
}

fn room_columns(rooms: &[&Room], writes: &Writes) -> Values {
    let name = |room: &&Room| writes.names.get(&room.n).cloned();
    columns![rooms;
        |r| r.n, |r| put(r.head - r.head_before), |r| put(r.messages), |r| put(r.members),
        |r| put(r.last_message), |r| put(r.active_ms), name,
        |r| name(r).map(|name| folded(Some(&name))),
    ]
}

/// New rooms as they are at the end.
fn new_rooms<'w>(
    touched: &[&'w (moorline_protocol::RoomId, Room)],
    writes: &'w Writes,
) -> Vec<(&'w RoomRow, &'w Room, Option<String>)> {
    let row = |(id, room): &&'w (moorline_protocol::RoomId, Room)| {
        let made = writes.new_rooms.iter().find(|made| made.id == *id)?;
        let name = writes.names.get(&room.n).cloned().or_else(|| made.name.clone());
        Some((made, room, name))
    };
    touched.iter().filter_map(row).collect()
}

fn new_room_columns(rooms: &[(&RoomRow, &Room, Option<String>)]) -> Values {
    columns![rooms;
        |(_, r, _)| r.n, |(made, ..)| made.id.as_str().to_owned(), |(_, r, _)| r.kind.number(),
        |(_, r, _)| r.history.number(), |(.., name)| name.clone(), |(.., name)| folded(name.as_deref()),
        |(_, r, _)| r.epoch.0.cast_signed(), |(_, r, _)| put(r.head), |(_, r, _)| put(r.messages),
        |(_, r, _)| put(r.members), |(_, r, _)| put(r.last_message), |(_, r, _)| put(r.active_ms),
        |(_, r, _)| put(r.at_ms), |(made, ..)| made.pair.map(|pair| pair.0),
        |(made, ..)| made.pair.map(|pair| pair.1), |(_, r, _)| r.made_as.to_vec(),
    ]
}

fn event_columns(events: &[EventRow]) -> Values {
    columns![events;
        |e| e.room, |e| put(e.seq), |e| e.kind, |e| e.id.0, |e| e.sender, |e| e.cid.clone(),
        |e| put(e.at_ms), |e| put(e.messages), |e| e.body.clone().into_bytes(), |e| e.refers.map(|id| id.0),
        |e| e.target.map(put), |e| (e.kind == kind::MESSAGE).then(|| entry(&e.body, e.room, e.sender)),
    ]
}

fn cid_columns(cids: &[CidRow]) -> Values {
    columns![cids;
        |c| c.cid.clone(), |c| c.sender, |c| c.room, |c| c.hash.to_vec(), |c| c.epoch.cast_signed(),
        |c| put(c.seq), |c| c.id.map(|id| -> Uuid { id.0 }), |c| put(c.at_ms), |c| c.made,
    ]
}

fn changed_columns(writes: &Writes) -> Values {
    let changed: Vec<_> = writes.changed.iter().collect();
    columns![changed;
        |((room, _), _)| *room, |((_, seq), _)| put(*seq), |(_, c)| c.body.clone().into_bytes(),
        |(_, c)| c.words.clone(),
        |(_, c)| c.edited.map(|mark| put(mark.0)), |(_, c)| c.edited.map(|mark| put(mark.1)),
        |(_, c)| c.deleted.map(|mark| put(mark.0)), |(_, c)| c.deleted.map(|mark| put(mark.1)),
    ]
}

fn unnamed_columns(writes: &Writes) -> Values {
    let unnamed: Vec<_> = writes.unnamed.iter().collect();
    columns![unnamed;
        |((room, _), _)| *room, |((_, seq), _)| put(*seq), |(_, u)| i64::from(u.forgets_cid),
        |(_, u)| u.body.clone().map(String::into_bytes),
    ]
}

/// How a room's name is compared when somebody looks for a part of it.
fn folded(name: Option<&str>) -> String {
    name.unwrap_or("").to_lowercase()
}
