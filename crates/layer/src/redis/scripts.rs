//! The Lua scripts that the core layer runs in Redis, and the commands around them.
//!
//! A peer cannot tell their effects from those of `channels_redis`. They are sent as text with EVAL and name all
//! their keys, so that a user of Redis whose ACL suits Django suits this layer.

use redis::Cmd;

/// Sends messages to channels: adds one to each key that has room, not counting what expired, and then drops that.
///
/// KEYS: queues. ARGV: score, expiry, oldest score that is dropped, then the messages, then the capacities. Returns how
/// many queues were full and how many messages had expired. Adding comes first, since Redis refuses for want of memory
/// only a script whose first write needs some.
const SEND: &str = "local n, full, expired = #KEYS, 0, 0
for i = 1, n do
  if redis.call('ZCOUNT', KEYS[i], '(' .. ARGV[3], '+inf') < tonumber(ARGV[3 + n + i]) then
    redis.call('ZADD', KEYS[i], ARGV[1], ARGV[3 + i])
    redis.call('EXPIRE', KEYS[i], ARGV[2])
  else
    full = full + 1
  end
end
for i = 1, n do
  expired = expired + redis.call('ZREMRANGEBYSCORE', KEYS[i], 0, ARGV[3])
end
return {full, expired}";

/// Takes up to a limit of messages out of a client's own queue, and keeps a copy of them in flight until the next call
/// says that they arrived. If that is not known, they are taken again.
///
/// KEYS: queue, in-flight copy. ARGV: limit, expiry, 'arrived' or 'unknown'. Returns messages and scores in turn. The copy
/// expires, since nobody else would ever recover it.
const TAKE_OWN: &str = "if ARGV[3] == 'arrived' then redis.call('DEL', KEYS[2]) end
local left = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
for i = 1, #left, 2 do
  redis.call('ZADD', KEYS[1], left[i + 1], left[i])
end
redis.call('DEL', KEYS[2])
local taken = redis.call('ZPOPMIN', KEYS[1], ARGV[1])
for i = 1, #taken, 2 do
  redis.call('ZADD', KEYS[2], taken[i + 1], taken[i])
end
if #taken > 0 then redis.call('EXPIRE', KEYS[2], ARGV[2]) end
return taken";

/// Puts back what readers of a shared queue left in flight when they died, and takes up to a limit of messages.
///
/// KEYS: queue, in-flight copy. ARGV: limit, expiry. Returns messages and scores in turn. It keeps no copy of its own:
/// other readers would take it for that of a dead one, as the original does, and read everything twice.
const RECOVER_AND_TAKE: &str = "local left = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
for i = 1, #left, 2 do
  redis.call('ZADD', KEYS[1], left[i + 1], left[i])
end
if #left > 0 then
  redis.call('DEL', KEYS[2])
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return redis.call('ZPOPMIN', KEYS[1], ARGV[1])";

/// One message for one channel key.
pub(super) struct Parcel {
    pub(super) key: String,
    pub(super) bytes: Vec<u8>,
    pub(super) capacity: usize,
}

/// The command that delivers these.
pub(super) fn send(parcels: &[Parcel], now: f64, expiry: u64) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(SEND).arg(parcels.len());
    parcels.iter().for_each(|parcel| {
        command.arg(&parcel.key);
    });
    command.arg(score(now)).arg(expiry).arg(oldest(now, expiry));
    parcels.iter().for_each(|parcel| {
        command.arg(&parcel.bytes[..]);
    });
    parcels.iter().for_each(|parcel| {
        command.arg(parcel.capacity);
    });
    command
}

/// A queue with its in-flight copy, and what is taken from it.
pub(super) struct Take<'a> {
    pub(super) queue: &'a str,
    pub(super) in_flight: &'a str,
    pub(super) limit: usize,
    pub(super) expiry: u64,
}

/// The command that takes from this client's own queue.
pub(super) fn take_own(take: &Take<'_>, has_arrived: bool) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(TAKE_OWN).arg(2).arg(take.queue).arg(take.in_flight).arg(take.limit);
    command.arg(take.expiry).arg(if has_arrived { "arrived" } else { "unknown" });
    command
}

/// The command that takes from a queue that others read too.
pub(super) fn take_shared(take: &Take<'_>, recovers: bool) -> Cmd {
    if !recovers {
        let mut command = redis::cmd("ZPOPMIN");
        command.arg(take.queue).arg(take.limit);
        return command;
    }
    let mut command = redis::cmd("EVAL");
    command.arg(RECOVER_AND_TAKE).arg(2).arg(take.queue).arg(take.in_flight);
    command.arg(take.limit).arg(take.expiry);
    command
}

/// A time as the score of a message: the shortest decimal that reads back as the same double.
pub(super) fn score(now: f64) -> String {
    now.to_string()
}

/// The highest score that has expired.
pub(super) fn oldest(now: f64, expiry: u64) -> i64 {
    now.floor() as i64 - expiry as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_a_plain_decimal() {
        assert_eq!(score(1_795_377_137.615_419_9), "1795377137.6154199");
        assert_eq!(oldest(1_795_377_137.9, 10), 1_795_377_127);
    }

    #[test]
    fn every_key_of_a_script_is_named() {
        let parcel = |key: &str| Parcel { key: key.to_owned(), bytes: vec![1], capacity: 5 };
        let command = send(&[parcel("a"), parcel("b")], 1.5, 10);
        let words: Vec<_> = command
            .args_iter()
            .skip(2)
            .map(|word| match word {
                redis::Arg::Simple(word) => String::from_utf8_lossy(word).into_owned(),
                _ => String::new(),
            })
            .collect();
        assert_eq!(words, ["2", "a", "b", "1.5", "10", "-9", "\u{1}", "\u{1}", "5", "5"]);
    }
}
