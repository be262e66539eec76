//! Loads what a batch needs in one round trip: first the locks, rooms in the order of their ids and then people in the
//! order of theirs, so that no two transactions wait for each other; then the rest, read behind the locks and so as the
//! last transaction left it.

use moorline_protocol::{Event, EventId, Role, RoomHistory, RoomId, RoomKind, Seq};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};
use uuid::Uuid;

use super::events::{COLUMNS, epoch, event, number, room_id, user_id};
use super::failure::Failure;
use super::pipeline::{self, Step, step, word};
use super::rows::{Answer, First, Held, Known, Member, Membership, Old, Room, Rows, Target, User};
use super::schema::{Numbered, kind};
use super::wanted::Wanted;
use crate::fingerprint::Fingerprint;
use crate::{Created, Stored, UPKEEP_STEP};

/// Events that are told at most after a failure; a feed that misses more reads them itself.
const TOLD: i64 = 2_000;

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

macro_rules! statements {
    ($($name:ident = $sql:expr;)+) => {
        /// The prepared statements of one connection.
        pub(super) struct Statements { $($name: Statement,)+ }

        impl Statements {
            /// Prepares all of them, in one round trip.
            pub(super) async fn prepare(client: &Client) -> Result<Self, Failure> {
                $(let $name = $sql;)+
                let ($($name,)+) = tokio::try_join!($(client.prepare(&$name),)+)?;
                Ok(Self { $($name,)+ })
            }
        }

        #[cfg(test)]
        pub(super) fn sql() -> Vec<String> {
            vec![$($sql,)+]
        }
    };
}

statements! {
    rooms = "SELECT n, id, kind, history, epoch, first, head, messages, members, last_message, active, at, made_as
         FROM rooms WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE".to_owned();
    movers = "SELECT n, id, rooms FROM users WHERE id = ANY($1::text[]) AND removed IS NULL
         ORDER BY id FOR NO KEY UPDATE".to_owned();
    users = "SELECT n, id FROM users WHERE id = ANY($1::text[]) AND removed IS NULL".to_owned();
    members = "SELECT m.room, m.usr, m.role, m.joined, m.read, m.read_messages
         FROM unnest($1::text[], $2::text[]) k(room, usr) JOIN rooms r ON r.id = k.room
         JOIN users u ON u.id = k.usr JOIN members m ON m.usr = u.n AND m.room = r.n".to_owned();
    cids = "SELECT c.cid, c.sender, c.room, c.hash, r.id, c.epoch, c.seq, c.id, c.at
         FROM unnest($1::bytea[], $2::text[], $3::text[]) k(cid, usr, room)
         JOIN rooms r ON r.id = k.room JOIN users u ON u.id = k.usr
         JOIN cids c ON c.cid = k.cid AND c.sender = u.n AND c.room = r.n".to_owned();
    makings = "SELECT c.cid, c.sender, c.hash, r.id, c.epoch, c.seq, c.id, c.at
         FROM unnest($1::bytea[], $2::text[]) k(cid, usr) JOIN users u ON u.id = k.usr
         JOIN cids c ON c.cid = k.cid AND c.sender = u.n AND c.room = 0 JOIN rooms r ON r.n = c.made".to_owned();
    targets = "SELECT id, room, seq, sender, kind, deleted IS NOT NULL FROM events
         WHERE id = ANY($1::uuid[])".to_owned();
    joined = "SELECT m.room, m.usr, r.id, r.epoch, e.seq, e.id, e.at
         FROM unnest($1::text[], $2::text[]) k(room, usr) JOIN rooms r ON r.id = k.room
         JOIN users u ON u.id = k.usr JOIN members m ON m.usr = u.n AND m.room = r.n
         JOIN events e ON e.room = m.room AND e.seq = greatest(m.joined, r.first)".to_owned();
    removals = "SELECT m.room, m.usr, m.at FROM unnest($1::text[], $2::text[]) k(room, usr)
         JOIN rooms r ON r.id = k.room JOIN users u ON u.id = k.usr
         JOIN removals m ON m.room = r.n AND m.usr = u.n".to_owned();
    positions = "SELECT e.room, e.seq, e.messages FROM unnest($1::text[], $2::bigint[]) k(room, seq)
         JOIN rooms r ON r.id = k.room JOIN events e ON e.room = r.n AND e.seq = k.seq".to_owned();
    pairs = "SELECT r.pair_low, r.pair_high, r.id, r.epoch, r.at, r.made_as, e.id, r.n
         FROM unnest($1::text[], $2::text[]) k(one, other) JOIN users a ON a.id = k.one
         JOIN users b ON b.id = k.other
         JOIN rooms r ON r.pair_low = least(a.n, b.n) AND r.pair_high = greatest(a.n, b.n)
         LEFT JOIN events e ON e.room = r.n AND e.seq = 1".to_owned();
    firsts = "SELECT r.n, e.id FROM rooms r JOIN events e ON e.room = r.n AND e.seq = 1
         WHERE r.id = ANY($1::text[])".to_owned();
    oldest = format!("SELECT r.n, e.seq, e.at, e.messages FROM unnest($1::text[]) k(room)
         JOIN rooms r ON r.id = k.room JOIN LATERAL (SELECT seq, at, messages FROM events
             WHERE room = r.n AND seq >= r.first AND seq < r.head ORDER BY seq LIMIT {UPKEEP_STEP}) e ON true
         ORDER BY r.n, e.seq");
    held = "SELECT e.room, e.seq, e.id, e.sender, e.kind, e.deleted IS NOT NULL,
             CASE WHEN e.kind = 5 THEN e.body END
         FROM unnest($1::text[], $2::bigint[]) k(room, seq)
         JOIN rooms r ON r.id = k.room JOIN events e ON e.room = r.n AND e.seq = k.seq".to_owned();
    fresh = "SELECT nextval('rooms_n_seq') FROM generate_series(1, $1::bigint)".to_owned();
    above = format!("SELECT {COLUMNS} FROM unnest($1::text[], $2::bigint[]) k(room, seq)
         JOIN rooms r ON r.id = k.room JOIN events e ON e.room = r.n AND e.seq > k.seq
         JOIN users s ON s.n = e.sender ORDER BY e.room, e.seq LIMIT {TOLD}");
}

/// Names of two kinds side by side, as a statement takes them.
fn columns<'a>(
    pairs: impl Iterator<Item = &'a (&'a str, &'a str)>,
) -> (Vec<&'a str>, Vec<&'a str>) {
    pairs.copied().unzip()
}

/// Begins the transaction and loads the rows. `above` names rooms whose events behind a seq nobody may have been told of.
pub(super) async fn load(
    client: &Client,
    statements: &Statements,
    wanted: &Wanted<'_>,
    above: &[(RoomId, Seq)],
) -> Result<(Rows, Vec<Event>), Failure> {
    let rooms: Vec<&str> = wanted.rooms.iter().copied().collect();
    let movers: Vec<&str> = wanted.movers.iter().copied().collect();
    let users: Vec<&str> = wanted.users.iter().copied().collect();
    let (member_rooms, member_users) = columns(wanted.members.iter());
    let cids: Vec<&[u8]> = wanted.cids.iter().map(|(cid, ..)| cid.as_slice()).collect();
    let cid_users: Vec<&str> = wanted.cids.iter().map(|(_, user, _)| *user).collect();
    let cid_rooms: Vec<&str> = wanted.cids.iter().map(|(.., room)| *room).collect();
    let makings: Vec<&[u8]> = wanted.makings.iter().map(|(cid, _)| cid.as_slice()).collect();
    let makers: Vec<&str> = wanted.makings.iter().map(|(_, user)| *user).collect();
    let targets: Vec<Uuid> = wanted.targets.iter().copied().collect();
    let (coming_rooms, coming_users) = columns(wanted.comings.iter());
    let (position_rooms, seqs): (Vec<&str>, Vec<i64>) = wanted.positions.iter().copied().unzip();
    let (ones, others) = columns(wanted.pairs.iter());
    let made_ids: Vec<&str> = wanted.made_ids.iter().copied().collect();
    let oldest: Vec<&str> = wanted.oldest.iter().copied().collect();
    let (held_rooms, held_seqs): (Vec<&str>, Vec<i64>) = wanted.held.iter().copied().unzip();
    let above_rooms: Vec<&str> = above.iter().map(|(room, _)| room.as_str()).collect();
    let above_seqs: Vec<i64> = above.iter().map(|(_, seq)| super::schema::put(seq.0)).collect();

    let mut plan = Plan { client, steps: vec![word(client, BEGIN)], parts: vec![Part::Begin] };
    plan.add(Part::Rooms, &statements.rooms, rooms.is_empty(), vec![&rooms]);
    plan.add(Part::Movers, &statements.movers, movers.is_empty(), vec![&movers]);
    plan.add(Part::Users, &statements.users, users.is_empty(), vec![&users]);
    let values: Vec<&(dyn ToSql + Sync)> = vec![&member_rooms, &member_users];
    plan.add(Part::Members, &statements.members, member_rooms.is_empty(), values);
    let values: Vec<&(dyn ToSql + Sync)> = vec![&cids, &cid_users, &cid_rooms];
    plan.add(Part::Cids, &statements.cids, cids.is_empty(), values);
    plan.add(Part::Makings, &statements.makings, makings.is_empty(), vec![&makings, &makers]);
    plan.add(Part::Targets, &statements.targets, targets.is_empty(), vec![&targets]);
    let comings: Vec<&(dyn ToSql + Sync)> = vec![&coming_rooms, &coming_users];
    plan.add(Part::Joined, &statements.joined, coming_rooms.is_empty(), comings.clone());
    plan.add(Part::Removals, &statements.removals, coming_rooms.is_empty(), comings);
    plan.add(Part::Positions, &statements.positions, seqs.is_empty(), vec![&position_rooms, &seqs]);
    plan.add(Part::Pairs, &statements.pairs, ones.is_empty(), vec![&ones, &others]);
    plan.add(Part::Firsts, &statements.firsts, made_ids.is_empty(), vec![&made_ids]);
    plan.add(Part::Oldest, &statements.oldest, oldest.is_empty(), vec![&oldest]);
    let held = vec![&held_rooms as &(dyn ToSql + Sync), &held_seqs];
    plan.add(Part::Held, &statements.held, held_seqs.is_empty(), held);
    plan.add(Part::Fresh, &statements.fresh, wanted.made == 0, vec![&wanted.made]);
    plan.add(Part::Above, &statements.above, above.is_empty(), vec![&above_rooms, &above_seqs]);

    let Plan { steps, parts, .. } = plan;
    let answers = pipeline::run(steps).await?;
    let mut loaded = Loaded::default();
    for (part, answer) in parts.into_iter().zip(answers) {
        for row in &answer {
            loaded.take(part, row)?;
        }
    }
    Ok((loaded.rows, loaded.above))
}

/// Whose rows a statement gives.
#[derive(Debug, Clone, Copy)]
enum Part {
    Begin,
    Rooms,
    Movers,
    Users,
    Members,
    Cids,
    Makings,
    Targets,
    Joined,
    Removals,
    Positions,
    Pairs,
    Firsts,
    Oldest,
    Held,
    Fresh,
    Above,
}

struct Plan<'a> {
    client: &'a Client,
    steps: Vec<Step<'a>>,
    parts: Vec<Part>,
}

impl<'a> Plan<'a> {
    fn add(
        &mut self,
        part: Part,
        statement: &'a Statement,
        is_needless: bool,
        values: Vec<&'a (dyn ToSql + Sync)>,
    ) {
        if !is_needless {
            self.steps.push(step(self.client, statement, values));
            self.parts.push(part);
        }
    }
}

#[derive(Default)]
struct Loaded {
    rows: Rows,
    above: Vec<Event>,
}

impl Loaded {
    fn take(&mut self, part: Part, row: &Row) -> Result<(), Failure> {
        let rows = &mut self.rows;
        match part {
            Part::Rooms => {
                rows.rooms.insert(room_id(row, 1)?, room(row)?);
            }
            Part::Movers => {
                let user = User { n: row.try_get(0)?, rooms: number(row, 2)?, added: 0 };
                rows.users.insert(user_id(row, 1)?, user);
            }
            Part::Users => {
                let user = User { n: row.try_get(0)?, rooms: 0, added: 0 };
                rows.users.entry(user_id(row, 1)?).or_insert(user);
            }
            _ => return self.take_of_rooms(part, row),
        }
        Ok(())
    }

    /// What belongs to rooms and people together.
    fn take_of_rooms(&mut self, part: Part, row: &Row) -> Result<(), Failure> {
        let rows = &mut self.rows;
        let place = || -> Result<(i64, i64), Failure> { Ok((row.try_get(0)?, row.try_get(1)?)) };
        match part {
            Part::Members => {
                let now = Some(membership(row)?);
                rows.members.insert(place()?, Member { before: now, now });
            }
            Part::Cids => {
                let key = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                let answer = Answer::Stored(stored(row, 4)?);
                rows.cids.insert(key, First { hash: fingerprint(row, 3)?, answer });
            }
            Part::Makings => {
                let key = (row.try_get(0)?, row.try_get(1)?, 0);
                let answer = Answer::Created(created(row)?);
                rows.cids.insert(key, First { hash: fingerprint(row, 2)?, answer });
            }
            Part::Targets => {
                rows.targets.insert(EventId(row.try_get(0)?), target(row)?);
            }
            Part::Joined => {
                rows.joined.insert(place()?, stored(row, 2)?);
            }
            Part::Removals => {
                rows.removals.insert(place()?, number(row, 2)?);
            }
            Part::Positions => {
                rows.messages_at.insert((row.try_get(0)?, number(row, 1)?), number(row, 2)?);
            }
            Part::Pairs => {
                rows.pairs.insert(place()?, known(row)?);
            }
            Part::Firsts => {
                rows.firsts.insert(row.try_get(0)?, EventId(row.try_get(1)?));
            }
            Part::Oldest => {
                let (seq, at_ms, messages) = (number(row, 1)?, number(row, 2)?, number(row, 3)?);
                let old = rows.oldest.entry(row.try_get(0)?).or_default();
                old.push(Old { seq, at_ms, messages });
            }
            Part::Held => {
                rows.held.insert((row.try_get(0)?, number(row, 1)?), held(row)?);
            }
            Part::Fresh => rows.fresh_rooms.push_back(row.try_get(0)?),
            Part::Above => self.above.push(event(row, 0)?),
            Part::Begin | Part::Rooms | Part::Movers | Part::Users => {}
        }
        Ok(())
    }
}

fn room(row: &Row) -> Result<Room, Failure> {
    let head = number(row, 6)?;
    Ok(Room {
        n: row.try_get(0)?,
        kind: RoomKind::from_number(row.try_get(2)?)?,
        history: RoomHistory::from_number(row.try_get(3)?)?,
        epoch: epoch(row, 4)?,
        first: number(row, 5)?,
        head,
        messages: number(row, 7)?,
        members: number(row, 8)?,
        last_message: number(row, 9)?,
        active_ms: number(row, 10)?,
        at_ms: number(row, 11)?,
        made_as: fingerprint(row, 12)?,
        head_before: head,
        is_new: false,
        is_dirty: false,
    })
}

fn held(row: &Row) -> Result<Held, Failure> {
    let id = EventId(row.try_get(2)?);
    let changes = row.try_get::<_, Option<Vec<u8>>>(6)?.map(String::from_utf8).transpose();
    let changes = changes.map_err(|_| Failure::Odd("change of members"))?;
    Ok(Held::new(id, row.try_get(3)?, row.try_get(4)?, row.try_get(5)?, changes))
}

fn membership(row: &Row) -> Result<Membership, Failure> {
    Ok(Membership {
        role: Role::from_number(row.try_get(2)?)?,
        joined: number(row, 3)?,
        read: number(row, 4)?,
        read_messages: number(row, 5)?,
    })
}

fn target(row: &Row) -> Result<Target, Failure> {
    Ok(Target {
        room: row.try_get(1)?,
        seq: number(row, 2)?,
        sender: row.try_get(3)?,
        is_message: row.try_get::<_, i64>(4)? == kind::MESSAGE,
        is_deleted: row.try_get(5)?,
    })
}

/// From the columns room, epoch, seq, id, at.
fn stored(row: &Row, at: usize) -> Result<Stored, Failure> {
    Ok(Stored {
        room: room_id(row, at)?,
        epoch: epoch(row, at + 1)?,
        seq: Seq(number(row, at + 2)?),
        id: EventId(row.try_get(at + 3)?),
        at_ms: number(row, at + 4)?,
    })
}

fn created(row: &Row) -> Result<Created, Failure> {
    Ok(Created {
        room: room_id(row, 3)?,
        epoch: epoch(row, 4)?,
        seq: Seq(number(row, 5)?),
        id: row.try_get::<_, Option<Uuid>>(6)?.map(EventId),
        at_ms: number(row, 7)?,
        existing: true,
    })
}

fn known(row: &Row) -> Result<Known, Failure> {
    Ok(Known {
        n: row.try_get(7)?,
        room: room_id(row, 2)?,
        epoch: epoch(row, 3)?,
        at_ms: number(row, 4)?,
        made_as: fingerprint(row, 5)?,
        first: row.try_get::<_, Option<Uuid>>(6)?.map(EventId),
    })
}

fn fingerprint(row: &Row, at: usize) -> Result<Fingerprint, Failure> {
    Fingerprint::try_from(row.try_get::<_, &[u8]>(at)?).map_err(|_| Failure::Odd("hash"))
}
