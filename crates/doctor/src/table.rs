//! The table of checks, line by line. The help, the documentation's page and the runner read it; it runs nothing.

use crate::check::{Check, check};
use crate::{local, redis, web};

/// All checks, in the order in which they are shown: what others follow from comes first.
pub const CHECKS: &[Check] = &[
    check!(
        "ML-CONFIG-001",
        Config,
        "Settings",
        10,
        local::settings::can_be_used,
        "The options, variables and files of `serve`, read as it reads them. It fails with what `serve` would refuse."
    ),
    check!(
        "ML-CONFIG-002",
        Config,
        "Names of variables",
        10,
        local::settings::are_spelt,
        "Variables that begin with `MOORLINE_` and look like a misspelt setting."
    ),
    check!(
        "ML-CONFIG-003",
        Config,
        "Ping interval",
        10,
        local::settings::pings_often,
        "Proxies cut connections that are silent for 60 s, some for 30 s; the interval should be half of that."
    ),
    check!(
        "ML-TOKEN-001",
        Token,
        "Token",
        10,
        local::token::is_good,
        "The token of `--token-file` by the secret of `--jwt-secret-file`: expired, signed with another key, incomplete."
    ),
    check!(
        "ML-SYSTEM-001",
        System,
        "Data folder",
        20,
        local::folder::is_usable,
        "Whether it is there or can be made, can be written to, and is closed to other users."
    ),
    check!(
        "ML-SYSTEM-002",
        System,
        "Disk space",
        20,
        local::disk::has_room,
        "Room for the store. A full disk makes sends fail as `storage_full` until there is room again."
    ),
    check!(
        "ML-SYSTEM-003",
        System,
        "Open files",
        10,
        local::limits::allow_connections,
        "How many files, and so connections, a process of this user, or the running server, may have open."
    ),
    check!(
        "ML-SYSTEM-004",
        System,
        "Ports",
        10,
        local::ports::are_free,
        "Whether the addresses to listen on are free, or held by the server that runs already."
    ),
    check!(
        "ML-STORE-001",
        Store,
        "Reachable",
        30,
        local::store::is_reachable,
        "Whether the database lets this user in, or the file can be read."
    ),
    check!(
        "ML-STORE-002",
        Store,
        "Schema",
        30,
        local::store::has_schema,
        "The steps of the schema. It fails where a newer Moorline wrote the data."
    ),
    check!(
        "ML-STORE-003",
        Store,
        "Durability",
        30,
        local::store::syncs,
        "Settings without which an acknowledged message could be lost in a power cut: `fsync`, `full_page_writes`, `synchronous_commit`; SQLite on a network or memory disk."
    ),
    check!(
        "ML-STORE-004",
        Store,
        "Integrity",
        60,
        local::store::is_sound,
        "SQLite's own quick check of the file, for at most twenty seconds."
    ),
    check!(
        "ML-STORE-005",
        Store,
        "Long transactions",
        30,
        local::store::has_no_long_transactions,
        "Transactions that are open for over five minutes keep PostgreSQL from clearing away what is old."
    ),
    check!(
        "ML-STORE-006",
        Store,
        "Primary",
        30,
        local::store::is_primary,
        "A standby cannot be written to, and one that has lost its primary is stale. A primary that waits for standbys which are not there hangs."
    ),
    check!(
        "ML-STORE-007",
        Store,
        "Clock",
        30,
        local::store::has_same_clock,
        "This machine's clock beside the database's, by which presence and leases go."
    ),
    check!(
        "ML-REDIS-001",
        Redis,
        "Reachable",
        20,
        redis::login::is_reachable,
        "Whether a Redis answers at each host of the URL."
    ),
    check!(
        "ML-REDIS-002",
        Redis,
        "Login",
        20,
        redis::login::lets_in,
        "The password is missing, wrong, or given to a Redis that asks for none."
    ),
    check!(
        "ML-REDIS-003",
        Redis,
        "Database number",
        30,
        redis::database::is_shared,
        "Whether the other side uses the same number. Pub/Sub ignores numbers: only the prefix keeps installations on one Redis apart."
    ),
    check!(
        "ML-REDIS-004",
        Redis,
        "Commands",
        20,
        redis::server::allows_commands,
        "Version 5 at least, and the commands of the layer permitted to this user."
    ),
    check!(
        "ML-REDIS-005",
        Redis,
        "Long reads",
        30,
        redis::server::lets_wait,
        "A read that waits six seconds for a message must end by itself, not by a time limit of something in between."
    ),
    check!(
        "ML-REDIS-006",
        Redis,
        "Clock",
        20,
        redis::server::has_same_clock,
        "This machine's clock beside Redis'; messages carry the time of their sender, and half an expiry apart they are lost."
    ),
    check!(
        "ML-REDIS-007",
        Redis,
        "Connections",
        40,
        redis::clients::live_on,
        "`CLIENT LIST`: ours by name, idle and blocked ones. It fails where readers of the other side break off after five seconds (redis-py 8 without `socket_timeout`), and warns where one has used up its 100 connections."
    ),
    check!(
        "ML-REDIS-008",
        Redis,
        "Prefix",
        30,
        redis::names::share_prefix,
        "Whether the other side's groups begin with the same prefix."
    ),
    check!(
        "ML-REDIS-009",
        Redis,
        "Kind of layer",
        30,
        redis::names::share_kind,
        "`channels_redis.core` and `channels_redis.pubsub` do not hear each other; both sides must use the same."
    ),
    check!(
        "ML-REDIS-010",
        Redis,
        "Expiry",
        30,
        redis::expiry::is_same,
        "How long the other side keeps unread messages, as the keys tell; it must be the same on both."
    ),
    check!(
        "ML-REDIS-011",
        Redis,
        "Group expiry",
        30,
        redis::expiry::of_groups_is_same,
        "How long the other side keeps memberships of groups."
    ),
    check!(
        "ML-REDIS-012",
        Redis,
        "Encryption and form",
        30,
        redis::samples::can_be_opened,
        "Messages that wait, or pass by, are opened: sealed with another key, sealed on one side only, JSON instead of msgpack."
    ),
    check!(
        "ML-REDIS-013",
        Redis,
        "Queues",
        30,
        redis::queues::have_room,
        "Unread messages of each queue beside its capacity. What comes to a full one is lost."
    ),
    check!(
        "ML-REDIS-014",
        Redis,
        "Ghosts",
        30,
        redis::queues::are_read,
        "Members of groups whose process does not read any more, and messages that a reader died with."
    ),
    check!(
        "ML-REDIS-015",
        Redis,
        "Eviction",
        20,
        redis::server::keeps_keys,
        "With a memory limit and another policy than `noeviction` Redis throws away groups and messages."
    ),
    check!(
        "ML-REDIS-016",
        Redis,
        "Replication",
        20,
        redis::server::is_master,
        "A replica cannot be written to; one that has lost its master is stale."
    ),
    check!(
        "ML-REDIS-017",
        Redis,
        "Sentinels",
        30,
        redis::sentinels::agree,
        "Whether all Sentinels of the URL answer and name the same master, and enough of them to change it."
    ),
    check!(
        "ML-REDIS-018",
        Redis,
        "Domain events",
        20,
        redis::login::takes_events,
        "Whether the Redis of `--events-url` can be used."
    ),
    check!(
        "ML-REDIS-019",
        Redis,
        "Test message",
        30,
        redis::round_trip::comes_back,
        "A message through the layer to a group and back, with the time it took.",
        Acting
    ),
    check!(
        "ML-WEB-001",
        Web,
        "Reachable",
        20,
        web::front::answers,
        "Whether Moorline answers there, through name, TLS and proxy, and is ready."
    ),
    check!(
        "ML-WEB-002",
        Web,
        "WebSocket",
        20,
        web::upgrade::passes,
        "Whether the upgrade passes the proxy. Without it people fall back to streams."
    ),
    check!(
        "ML-WEB-003",
        Web,
        "Origin",
        20,
        web::upgrade::takes_origin,
        "Whether the page of `--origin`, or the server's own, may use it with a cookie."
    ),
    check!(
        "ML-WEB-004",
        Web,
        "Sign-in",
        20,
        web::token::is_taken,
        "Whether the server takes the token, and if not, why: expired, or signed with another key."
    ),
    check!(
        "ML-WEB-005",
        Web,
        "Stream",
        30,
        web::stream::flows,
        "How long the first event of a stream (SSE) takes. A proxy that buffers holds it back."
    ),
    check!(
        "ML-WEB-006",
        Web,
        "Clock",
        20,
        web::front::has_same_clock,
        "This machine's clock beside the server's `Date`; over thirty seconds apart, tokens are refused."
    ),
    check!(
        "ML-WEB-007",
        Web,
        "Headers",
        20,
        web::front::keeps_headers,
        "Whether the security headers of the page arrive, or something in between takes them away."
    ),
    check!(
        "ML-WEB-008",
        Web,
        "Silence",
        60,
        web::idle::survives,
        "With `--idle`: after how many seconds a silent connection dies, how, and who closed it. It fails if that is less than the server's ping interval and warns if it is less than twice as long."
    ),
    check!(
        "ML-WEB-009",
        Web,
        "Pings",
        60,
        web::idle::pings_hold,
        "With `--idle`: whether the server's pings keep a connection alive for so long."
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_begin_with_their_group() {
        for (at, check) in CHECKS.iter().enumerate() {
            let beginning = format!("ML-{}-", check.group.as_str().to_uppercase());
            assert!(check.code.starts_with(&beginning), "{}", check.code);
            assert!(CHECKS[..at].iter().all(|other| other.code != check.code), "{}", check.code);
        }
    }
}
