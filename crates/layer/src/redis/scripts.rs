//! The two Lua scripts that the core layer runs in Redis, and the commands around them.
//!
//! A peer cannot tell their effects from those of `channels_redis`. They are sent as text with EVAL and name all
//! their keys, so that a user of Redis whose ACL suits Django suits this layer.

use redis::Cmd;

/// Sends messages to channels: prunes what expired, and adds one message to each key that has room.
///
/// KEYS: queues. ARGV: score, expiry, oldest score that is dropped, then the messages, then the capacities.
/// Returns how many queues were full and how many messages had expired.
const SEND: &str = "local n, full, expired = #KEYS, 0, 0
for i = 1, n do
  expired = expired + redis.call('ZREMRANGEBYSCORE', KEYS[i], 0, ARGV[3])
  if redis.call('ZCOUNT', KEYS[i], '-inf', '+inf') < tonumber(ARGV[3 + n + i]) then
    redis.call('ZADD', KEYS[i], ARGV[1], ARGV[3 + i])
    redis.call('EXPIRE', KEYS[i], ARGV[2])
  else
    full = full + 1
  end
end
return {full, expired}";

/// Takes messages out of one queue: forgets those whose reader is done, recovers those whose reader died, and moves up to
/// a limit from the queue to the in-flight copy.
///
/// KEYS: queue, in-flight copy. ARGV: limit, expiry, 'all' or 'listed', then the messages that are done if they are
/// listed. Returns messages and scores in turn. The copy of a client's own queue ('all') expires, since nobody else
/// would ever recover it; that of a shared channel does not, as with `channels_redis`.
const TAKE: &str = "if ARGV[3] == 'all' then
  redis.call('DEL', KEYS[2])
elseif #ARGV > 3 then
  redis.call('ZREM', KEYS[2], unpack(ARGV, 4))
end
local left = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
for i = 1, #left, 2 do
  redis.call('ZADD', KEYS[1], left[i + 1], left[i])
end
if #left > 0 then
  redis.call('DEL', KEYS[2])
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
local taken = redis.call('ZPOPMIN', KEYS[1], ARGV[1])
for i = 1, #taken, 2 do
  redis.call('ZADD', KEYS[2], taken[i + 1], taken[i])
end
if #taken > 0 and ARGV[3] ~= 'listed' then
  redis.call('EXPIRE', KEYS[2], ARGV[2])
end
return taken";

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

/// What is done with before more is taken.
pub(super) enum Done<'a> {
    /// Everything in flight: the last reply arrived, and nobody else reads this queue.
    All,
    /// Nothing is known: the last reply may have been lost.
    Unknown,
    /// These, of a queue that others read too.
    Listed(&'a [Vec<u8>]),
}

/// The command that takes up to `limit` messages.
pub(super) fn take(
    queue: &str,
    in_flight: &str,
    limit: usize,
    expiry: u64,
    done: &Done<'_>,
) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(TAKE).arg(2).arg(queue).arg(in_flight).arg(limit).arg(expiry);
    match done {
        Done::All => {
            command.arg("all");
        }
        Done::Unknown => {
            command.arg("unknown");
        }
        Done::Listed(members) => {
            command.arg("listed");
            members.iter().for_each(|member| {
                command.arg(&member[..]);
            });
        }
    }
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
