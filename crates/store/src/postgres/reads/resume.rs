//! What follows a client's position: whole, or an honest reset.

use deadpool_postgres::GenericClient;
use moorline_protocol::{Epoch, Event, EventId, Position, ResetReason, RoomId, Seq, UserId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::log::{Ask, piece};
use super::{Names, Stop};
use crate::postgres::events::{COLUMNS, WIDTH, epoch, event, number};
use crate::postgres::failure::Failure;
use crate::postgres::schema::put;
use crate::{Resumed, ResumedRoom, ResumedSome};

/// A resume of more text than this is too far, as one of too many events is.
const RESUME_BYTES: i64 = 4 << 20;
/// Events of all rooms that are resumed together: the answer stays small.
const TOGETHER: u64 = 200;

/// A room as the person may read it, and what stands at the position that the client names.
struct View {
    epoch: Epoch,
    first: u64,
    head: u64,
    id_at: Option<EventId>,
}

impl View {
    fn reset(&self, reason: ResetReason) -> Resumed {
        Resumed::Reset { reason, epoch: self.epoch, first: Seq(self.first), head: Seq(self.head) }
    }

    fn reason_to_reset(&self, from: &Position, limit: u64) -> Option<ResetReason> {
        if from.epoch != self.epoch {
            return Some(ResetReason::Epoch);
        }
        if from.seq.0 > self.head {
            return Some(ResetReason::Future);
        }
        if from.seq.0 > 0
            && let Some(check) = &from.check
        {
            match self.id_at {
                Some(id) if id.check() == *check => {}
                Some(_) => return Some(ResetReason::Epoch),
                None => return Some(ResetReason::Pruned),
            }
        }
        // Who has nothing yet goes on from the first that they may see; who has something must get what follows it.
        if from.seq.0 > 0 && from.seq.0 + 1 < self.first {
            return Some(ResetReason::Pruned);
        }
        (self.head.saturating_sub(self.known(from)) > limit).then_some(ResetReason::TooFar)
    }

    /// The last event that the client need not get.
    fn known(&self, from: &Position) -> u64 {
        from.seq.0.max(self.first.saturating_sub(1))
    }
}

pub(in crate::postgres) async fn resume_from(
    db: &impl GenericClient,
    user: &UserId,
    room: &RoomId,
    from: &Position,
    limit: usize,
) -> Result<Resumed, Stop> {
    let position = put(from.seq.0);
    let ask = Ask {
        user: Some(user),
        room,
        low: position.saturating_add(1),
        high: i64::MAX,
        is_upward: true,
        limit,
        bytes: RESUME_BYTES,
        position: Some(position),
    };
    let Some(mut piece) = piece(db, &ask).await? else { return Ok(Resumed::Gone) };
    let view =
        View { epoch: piece.epoch, first: piece.first, head: piece.head, id_at: piece.id_at };
    if let Some(reason) = view.reason_to_reset(from, limit as u64) {
        return Ok(view.reset(reason));
    }
    let reached = piece.events.last().map_or(view.known(from), |last| last.seq.0);
    if reached < view.head {
        return Ok(view.reset(ResetReason::TooFar));
    }
    piece.names.complete(db, piece.events.iter()).await?;
    let (head, people) = (Seq(piece.head), piece.names.into_people());
    Ok(Resumed::Events { events: piece.events, head, people })
}

/// Rooms as the person may read them, in the order asked for; a missing one is not theirs.
const VIEWS: &str = "SELECT k.i, r.epoch,
         CASE r.history WHEN 1 THEN r.first ELSE greatest(r.first, m.joined) END, r.head, e.id, r.n
     FROM unnest($2::text[], $3::bigint[]) WITH ORDINALITY k(room, seq, i)
     JOIN users u ON u.id = $1 AND u.removed IS NULL JOIN rooms r ON r.id = k.room
     JOIN members m ON m.usr = u.n AND m.room = r.n
     LEFT JOIN events e ON e.room = r.n AND e.seq = k.seq";

fn events_sql() -> String {
    // Without the OFFSET PostgreSQL may look for the room alone and go through all of its log.
    format!(
        "SELECT k.i, {COLUMNS}, s.name
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY k(room, low, high, i)
         JOIN rooms r ON r.n = k.room CROSS JOIN LATERAL (
             SELECT * FROM events WHERE room = k.room AND seq BETWEEN k.low AND k.high OFFSET 0) e
         JOIN users s ON s.n = e.sender ORDER BY k.i, e.seq"
    )
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![VIEWS.to_owned(), events_sql()]
}

fn view(row: &Row) -> Result<View, Failure> {
    Ok(View {
        epoch: epoch(row, 1)?,
        first: number(row, 2)?,
        head: number(row, 3)?,
        id_at: row.try_get::<_, Option<Uuid>>(4)?.map(EventId),
    })
}

/// Resumes several rooms at once, as far as that stays small: what follows up to [`TOGETHER`] events in all.
/// Positions behind which more waits are handed back, to be resumed one by one.
/// Both statements must see the same moment, so that the second gives exactly what the first allows.
pub(super) async fn resume_some(
    snapshot: &impl GenericClient,
    user: &UserId,
    positions: &[(RoomId, Position)],
) -> Result<ResumedSome, Stop> {
    if positions.is_empty() {
        return Ok(ResumedSome::default());
    }
    let rooms: Vec<&str> = positions.iter().map(|(room, _)| room.as_str()).collect();
    let seqs: Vec<i64> = positions.iter().map(|(_, from)| put(from.seq.0)).collect();
    let find = snapshot.prepare_cached(VIEWS).await?;
    let mut views: Vec<Option<(View, i64)>> = positions.iter().map(|_| None).collect();
    for row in snapshot.query(&find, &[&user.as_str(), &rooms, &seqs]).await? {
        let place = usize::try_from(row.try_get::<_, i64>(0)? - 1).unwrap_or(usize::MAX);
        if let Some(slot) = views.get_mut(place) {
            *slot = Some((view(&row)?, row.try_get(5)?));
        }
    }
    let mut some = Together::default();
    for ((room, from), view) in positions.iter().cloned().zip(views) {
        some.add(room, from, view);
    }
    let read = snapshot.prepare_cached(&events_sql()).await?;
    if !some.rows.is_empty() {
        let rows = snapshot.query(&read, &[&some.rows, &some.lows, &some.highs]).await?;
        some.fill(&rows)?;
    }
    some.finish(snapshot).await
}

/// Rooms that are resumed together, under way.
#[derive(Default)]
struct Together {
    some: ResumedSome,
    /// Which of them gets the events of each range, and how many bytes of text it has.
    places: Vec<(usize, usize, Names)>,
    rows: Vec<i64>,
    lows: Vec<i64>,
    highs: Vec<i64>,
    spent: u64,
}

impl Together {
    fn add(&mut self, room: RoomId, from: Position, view: Option<(View, i64)>) {
        let Some((view, n)) = view else {
            self.some.resumed.push(ResumedRoom { room, from, resumed: Resumed::Gone });
            return;
        };
        let missed = view.head.saturating_sub(from.seq.0);
        if missed > TOGETHER - self.spent {
            self.some.left.push((room, from));
            return;
        }
        self.spent += missed;
        if let Some(reason) = view.reason_to_reset(&from, TOGETHER) {
            let resumed = view.reset(reason);
            self.some.resumed.push(ResumedRoom { room, from, resumed });
            return;
        }
        self.places.push((self.some.resumed.len(), 0, Names::default()));
        self.rows.push(n);
        self.lows.push(put(view.known(&from) + 1));
        self.highs.push(put(view.head));
        let (events, people) = (Vec::new(), Vec::new());
        let resumed = Resumed::Events { events, head: Seq(view.head), people };
        self.some.resumed.push(ResumedRoom { room, from, resumed });
    }

    fn fill(&mut self, rows: &[Row]) -> Result<(), Failure> {
        for row in rows {
            let range = usize::try_from(row.try_get::<_, i64>(0)? - 1).unwrap_or(usize::MAX);
            let Some((place, bytes, names)) = self.places.get_mut(range) else { continue };
            let event: Event = event(row, 1)?;
            *bytes += row.try_get::<_, &[u8]>(10)?.len();
            names.add(&event.from, row.try_get(1 + WIDTH)?);
            if let Resumed::Events { events, .. } = &mut self.some.resumed[*place].resumed {
                events.push(event);
            }
        }
        Ok(())
    }

    /// Adds the names, and leaves for later what has too much text.
    async fn finish(mut self, db: &impl GenericClient) -> Result<ResumedSome, Stop> {
        let mut heavy: Vec<usize> = Vec::new();
        for (place, bytes, mut names) in self.places {
            if i64::try_from(bytes).unwrap_or(i64::MAX) > RESUME_BYTES {
                heavy.push(place);
                continue;
            }
            if let Resumed::Events { events, people, .. } = &mut self.some.resumed[place].resumed {
                names.complete(db, events.iter()).await?;
                *people = names.into_people();
            }
        }
        for place in heavy.into_iter().rev() {
            let ResumedRoom { room, from, .. } = self.some.resumed.remove(place);
            self.some.left.push((room, from));
        }
        Ok(self.some)
    }
}
