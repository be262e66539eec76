//! What must be new: ids of events, rooms and people, and epochs. Nothing here counts; all of it is random.

use moorline_protocol::EventId;

/// A random epoch that no other log has.
pub(crate) fn new_epoch() -> u64 {
    rand::random::<u64>().max(1)
}

/// A UUIDv7 whose end is random: order in a log is its seq's business, so nothing here counts.
pub(crate) fn new_id(at_ms: u64) -> EventId {
    let random: [u8; 10] = rand::random();
    EventId(uuid::Builder::from_unix_timestamp_millis(at_ms & ((1 << 48) - 1), &random).into_uuid())
}
