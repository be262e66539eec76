//! Placeholder until the back end lands.
use crate::command::Command;
use crate::{
    Account, Answer, Commits, Error, Head, Health, Hits, Members, Page, Range, Read, Reply,
    Resumed, RoomCursor, Rooms, SessionRow, StoreConfig, User,
};
use moorline_protocol::{Person, Position, RoomId, RoomInfo, Seq, UserId};
#[derive(Debug, Clone)]
pub(crate) struct Sqlite {}
impl Sqlite {
    pub(crate) fn open(_config: &StoreConfig) -> Result<(Self, Commits), Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) fn health(&self) -> Health {
        Health::default()
    }
    pub(crate) async fn close(self) {}
    pub(crate) fn submit<T: Answer>(&self, _command: Command) -> Reply<T> {
        Reply::refused(Error::unavailable("not yet"))
    }
    pub(crate) fn read_marker(&self, _read: Read) {}
    pub(crate) fn seen(&self, _user: &UserId, _at_ms: u64) {}
    pub(crate) async fn account_by_login(&self, _login: &str) -> Result<Option<Account>, Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn session(
        &self,
        _token_hash: [u8; 32],
        _now_ms: u64,
    ) -> Result<Option<SessionRow>, Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn sessions(
        &self,
        _user: &UserId,
        _now_ms: u64,
    ) -> Result<Vec<SessionRow>, Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn user(&self, _user: &UserId) -> Result<Option<User>, Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn rooms_of(
        &self,
        _user: &UserId,
        _after: Option<RoomCursor>,
        _limit: usize,
    ) -> Result<Rooms, Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn room_ids_of(&self, _user: &UserId) -> Result<Vec<(RoomId, Seq)>, Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn room_of(
        &self,
        _user: &UserId,
        _room: &RoomId,
    ) -> Result<(RoomInfo, Vec<Person>), Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn head(&self, _room: &RoomId) -> Result<Head, Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn resume(
        &self,
        _user: &UserId,
        _room: &RoomId,
        _from: Position,
        _limit: usize,
    ) -> Result<Resumed, Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn events(
        &self,
        _user: &UserId,
        _room: &RoomId,
        _range: Range,
        _limit: usize,
    ) -> Result<Page, Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn log(
        &self,
        _room: &RoomId,
        _after: Seq,
        _limit: usize,
    ) -> Result<Page, Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn members(
        &self,
        _user: &UserId,
        _room: &RoomId,
        _after: Option<&UserId>,
        _limit: usize,
    ) -> Result<Members, Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn member_ids(&self, _room: &RoomId) -> Result<Vec<UserId>, Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn is_member(&self, _user: &UserId, _room: &RoomId) -> Result<bool, Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn shares_room(
        &self,
        _user: &UserId,
        _others: &[UserId],
    ) -> Result<Vec<UserId>, Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn names(&self, _ids: &[UserId]) -> Result<Vec<Person>, Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn people_by_ids(
        &self,
        _user: &UserId,
        _ids: &[UserId],
    ) -> Result<Vec<Person>, Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn people_by_name(
        &self,
        _query: &str,
        _shared_with: Option<&UserId>,
        _limit: usize,
    ) -> Result<Vec<Person>, Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn browse(
        &self,
        _user: &UserId,
        _query: Option<&str>,
        _after: Option<RoomCursor>,
        _limit: usize,
    ) -> Result<Rooms, Error> {
        Err(Error::unavailable("not yet"))
    }
    pub(crate) async fn search(
        &self,
        _user: &UserId,
        _query: &str,
        _room: Option<&RoomId>,
        _before: Option<u64>,
        _limit: usize,
    ) -> Result<Hits, Error> {
        Err(Error::unavailable("not yet"))
    }
}
