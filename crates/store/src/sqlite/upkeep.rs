//! The handle's reads for upkeep and operators: each asks the slow readers, so that nobody waits for them.

use moorline_protocol::{Event, RoomId, UserId};
use rusqlite::Connection;

use super::{Sqlite, reads};
use crate::upkeep::{CidCursor, CidTraces, Trace, Traces};
use crate::{Erasing, Error, LogCursor, LogPlace, Overdue, Profile, RoomNumber, RoomOverview};

impl Sqlite {
    async fn ask_slowly<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.0.readers.ask_slowly(question).await
    }

    pub(crate) async fn overdue(
        &self,
        seconds: Option<u64>,
        now_ms: u64,
        after: Option<RoomNumber>,
    ) -> Result<Overdue, Error> {
        self.ask_slowly(move |db| reads::upkeep::overdue(db, seconds, now_ms, after)).await
    }

    pub(crate) async fn retention(&self, room: &RoomId) -> Result<Option<u64>, Error> {
        let room = room.clone();
        self.ask_slowly(move |db| reads::upkeep::retention(db, &room)).await
    }

    pub(crate) async fn erasings(&self) -> Result<Vec<Erasing>, Error> {
        self.ask_slowly(reads::upkeep::erasings).await
    }

    pub(crate) async fn profile(&self, user: &UserId) -> Result<Option<Profile>, Error> {
        let user = user.clone();
        self.ask_slowly(move |db| reads::upkeep::profile(db, &user)).await
    }

    pub(crate) async fn room_overview(&self, room: &RoomId) -> Result<Option<RoomOverview>, Error> {
        let room = room.clone();
        self.ask_slowly(move |db| reads::overview::room_overview(db, &room)).await
    }

    pub(crate) async fn all_rooms(
        &self,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<RoomOverview>, Error> {
        let after = after.cloned();
        self.ask_slowly(move |db| reads::overview::all_rooms(db, after.as_ref(), limit)).await
    }

    pub(crate) async fn all_people(
        &self,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Profile>, Error> {
        let after = after.cloned();
        self.ask_slowly(move |db| reads::overview::all_people(db, after.as_ref(), limit)).await
    }

    pub(crate) async fn events_at(&self, places: &[LogPlace]) -> Result<Vec<Event>, Error> {
        let places = places.to_vec();
        self.ask_slowly(move |db| reads::upkeep::events_at(db, &places)).await
    }

    pub(crate) async fn traces(&self, of: Trace, after: LogCursor) -> Result<Traces, Error> {
        self.ask_slowly(move |db| reads::upkeep::traces(db, &of, after)).await
    }

    pub(crate) async fn cid_traces(
        &self,
        user: i64,
        after: Option<CidCursor>,
    ) -> Result<CidTraces, Error> {
        self.ask_slowly(move |db| reads::upkeep::cid_traces(db, user, after.as_ref())).await
    }

    pub(crate) async fn rooms_of_erased(
        &self,
        user: i64,
        limit: usize,
    ) -> Result<Vec<RoomId>, Error> {
        self.ask_slowly(move |db| reads::upkeep::rooms_of_erased(db, user, limit)).await
    }
}
