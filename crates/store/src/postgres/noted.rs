//! The reads that show where a room's log ends: what they show is noted, so that a server that lacks it is found out.
//!
//! Called by `Store` as all reads are. Nothing here asks more of the database than the reads themselves do.

use moorline_protocol::{Position, RoomId, Seq, UserId};

use super::{Postgres, reads};
use crate::{ChangedRooms, Error, ForWelcome, Head, Page, Range, Resumed, Since};

impl Postgres {
    pub(crate) async fn head(&self, room: &RoomId) -> Result<Head, Error> {
        let head = self.head_of(room).await?;
        self.0.seen.head(room, head.epoch, head.head, None);
        Ok(head)
    }

    pub(crate) async fn events(
        &self,
        user: &UserId,
        room: &RoomId,
        range: Range,
        limit: usize,
    ) -> Result<Page, Error> {
        let page = self.events_of(user, room, range, limit).await?;
        self.0.seen.events(page.events.last());
        Ok(page)
    }

    pub(crate) async fn log(&self, room: &RoomId, after: Seq, limit: usize) -> Result<Page, Error> {
        let page = self.log_of(room, after, limit).await?;
        self.0.seen.events(page.events.last());
        Ok(page)
    }

    pub(crate) async fn resume(
        &self,
        user: &UserId,
        room: &RoomId,
        from: Position,
        limit: usize,
    ) -> Result<Resumed, Error> {
        let resumed = self.resume_from(user, room, &from, limit).await?;
        self.note(&resumed);
        Ok(resumed)
    }

    pub(crate) async fn for_welcome(
        &self,
        user: &UserId,
        limit: usize,
        positions: Vec<(RoomId, Position)>,
    ) -> Result<ForWelcome, Error> {
        let erased = self.0.hasher.erased_id(user.as_str());
        let who = (user, erased.as_str());
        let mut db = self.0.pool.connection().await?;
        let found = match reads::welcome::for_welcome(&mut db, who, limit, &positions).await {
            Err(stop) if stop.is_worth_another() => {
                drop(db);
                let mut db = self.0.pool.another().await?;
                reads::welcome::for_welcome(&mut db, who, limit, &positions).await?
            }
            other => other?,
        };
        found.missed.resumed.iter().for_each(|room| self.note(&room.resumed));
        Ok(found)
    }

    pub(crate) async fn changed_rooms(&self, since: Option<Since>) -> Result<ChangedRooms, Error> {
        let (pool, seen) = (&self.0.pool, &self.0.seen);
        let since = since.unwrap_or(self.0.opened);
        let db = pool.connection().await?;
        match reads::changes::changed_rooms(&db, since, seen).await {
            Err(stop) if stop.is_worth_another() => {
                drop(db);
                let db = pool.another().await?;
                Ok(reads::changes::changed_rooms(&db, since, seen).await?)
            }
            other => Ok(other?),
        }
    }

    fn note(&self, resumed: &Resumed) {
        if let Resumed::Events { events, .. } = resumed {
            self.0.seen.events(events.last());
        }
    }
}
