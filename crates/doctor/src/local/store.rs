//! The store, SQLite or PostgreSQL: reachable, of this program's schema, durable, sound, the primary, at the same time.

use std::path::Path;
use std::time::Duration;

use moorline_store::{Error, PostgresFacts, SqliteFacts, look_at_postgres, look_at_sqlite};

use super::clock::{self, Around};
use super::folder::nearest;
use super::{apart, unread};
use crate::finding::Outcome;
use crate::subject::{Local, Subject};

/// For how long a file is looked through.
const LOOK: Duration = Duration::from_secs(20);
/// Clocks closer than this are the same.
const CLOSE: f64 = 2.0;
/// Beyond this, leases of presence are of no use.
const FAR: f64 = 30.0;

const UNREACHED: &str = "The store cannot be looked at: see ML-STORE-001.";
const ONLY_POSTGRES: &str = "SQLite has none.";

enum Facts {
    Sqlite(SqliteFacts),
    Postgres(PostgresFacts),
}

async fn facts(local: &Local, within: Duration) -> Result<Facts, Error> {
    match &local.database {
        Some(url) => look_at_postgres(url).await.map(Facts::Postgres),
        None => {
            let folder = local.data_dir.clone();
            apart(move || look_at_sqlite(&folder, within)).await.map(Facts::Sqlite)
        }
    }
}

/// Looks, and judges what PostgreSQL or SQLite is like.
async fn judged(
    subject: &Subject,
    sqlite: impl FnOnce(SqliteFacts) -> Outcome,
    postgres: impl FnOnce(PostgresFacts) -> Outcome,
) -> Outcome {
    let Ok(local) = &subject.local else { return unread() };
    match facts(local, Duration::ZERO).await {
        Ok(Facts::Sqlite(facts)) => sqlite(facts),
        Ok(Facts::Postgres(facts)) => postgres(facts),
        Err(_) => Outcome::skipped(UNREACHED),
    }
}

pub(crate) async fn is_reachable(subject: &Subject) -> Outcome {
    let Ok(local) = &subject.local else { return unread() };
    match facts(local, Duration::ZERO).await {
        Ok(Facts::Sqlite(facts)) => match facts.found {
            None => Outcome::pass(format!(
                "SQLite; `{}` is made at the first start.",
                facts.path.display()
            )),
            Some(_) => Outcome::pass(format!("SQLite in `{}`.", facts.path.display())),
        },
        Ok(Facts::Postgres(facts)) => {
            let version = facts.version;
            let seen =
                format!("PostgreSQL {}.{} at {}.", version / 10_000, version % 10_000, facts.place);
            if version < 140_000 {
                return Outcome::fail(
                    seen,
                    "The server refuses anything older than PostgreSQL 14.",
                    "Upgrade it, or use another one.",
                )
                .reached(true);
            }
            if facts.encoding != "UTF8" {
                let why = format!(
                    "Its encoding is {}, in which not every text can be kept.",
                    facts.encoding
                );
                return Outcome::fail(
                    seen,
                    why,
                    "Make another database: createdb -T template0 -E UTF8 NAME.",
                )
                .reached(true);
            }
            Outcome::pass(seen).reached(true)
        }
        Err(error) => unreachable(local, &error),
    }
}

fn unreachable(local: &Local, error: &Error) -> Outcome {
    if local.database.is_none() {
        return Outcome::fail(
            format!("The store cannot be read: {error}."),
            "The server does not start without it.",
            "Check the file's owner and rights, and that its disk is there; if it is damaged, restore a backup: moorline restore.",
        );
    }
    Outcome::fail(
        format!("The database cannot be used: {error}."),
        "The server does not start without it; a running one answers sends with unavailable.",
        "Check that it runs, that the URL names it, and that it lets this user in: psql with the same URL shows.",
    )
    .reached(false)
}

pub(crate) async fn has_schema(subject: &Subject) -> Outcome {
    let judge = |found: Option<i64>, known: i64, is_postgres: bool| match found {
        None | Some(0) => Outcome::pass("Empty; the first start makes the schema."),
        Some(found) if found > known => Outcome::fail(
            format!(
                "The data has schema {found}; this program knows up to {known}: a newer Moorline wrote it."
            ),
            "This version refuses to start on it, since it could not understand what is there.",
            "Start a Moorline at least as new as the one before, or restore a backup from before the upgrade: moorline restore.",
        ),
        Some(found) if found < known => Outcome::pass(format!(
            "Schema {found}; the next start brings it to {known}{}.",
            if is_postgres { ", or moorline migrate up before it" } else { "" }
        )),
        Some(found) => Outcome::pass(format!("Schema {found}, the newest.")),
    };
    judged(
        subject,
        |facts| judge(facts.found, facts.known, false),
        |facts| judge(Some(facts.found), facts.known, true),
    )
    .await
}

pub(crate) async fn syncs(subject: &Subject) -> Outcome {
    let Ok(local) = &subject.local else { return unread() };
    let folder = nearest(&local.data_dir);
    judged(subject, |facts| sqlite_syncs(&facts, &folder), |facts| postgres_syncs(&facts)).await
}

fn sqlite_syncs(facts: &SqliteFacts, folder: &Path) -> Outcome {
    if let Some(kind) = poor_disk(folder) {
        return Outcome::warn(
            format!("The data folder `{}` lies on {kind}.", folder.display()),
            "SQLite cannot promise there that what was acknowledged survives a power cut, or that two machines do not \
             write at once.",
            "Use a local disk: --data-dir FOLDER; or PostgreSQL: --database-url-file FILE.",
        );
    }
    match facts.found {
        Some(_) if facts.journal != "wal" => Outcome::pass(format!(
            "The file's journal is `{}`; the next start makes it WAL. Each commit is synced (synchronous=FULL).",
            facts.journal
        )),
        _ => Outcome::pass("WAL; each commit is synced (synchronous=FULL)."),
    }
}

/// File systems that keep nothing, or not for one machine alone.
#[cfg(target_os = "linux")]
fn poor_disk(folder: &Path) -> Option<&'static str> {
    match rustix::fs::statfs(folder).ok()?.f_type as u32 {
        0x0102_1994 | 0x8584_58f6 => Some("a disk in memory (tmpfs), which a restart empties"),
        0x0000_6969 => Some("a network disk (NFS)"),
        0xff53_4d42 | 0xfe53_4d42 | 0x0000_517b => Some("a network disk (SMB)"),
        _ => None,
    }
}

#[cfg(not(target_os = "linux"))]
fn poor_disk(_: &Path) -> Option<&'static str> {
    None
}

fn postgres_syncs(facts: &PostgresFacts) -> Outcome {
    let setting = |name: &str| {
        let found = facts.settings.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let shown: Vec<String> =
        facts.settings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let seen = format!("{}.", shown.join(", "));
    if setting("fsync") != "on" {
        return Outcome::fail(
            seen,
            "A power cut would lose acknowledged messages and can destroy the database; the server refuses to start.",
            "fsync = on in postgresql.conf, then: SELECT pg_reload_conf();",
        );
    }
    if setting("full_page_writes") != "on" {
        return Outcome::warn(
            seen,
            "Unless its file system never tears a page, a power cut can destroy what was acknowledged.",
            "full_page_writes = on in postgresql.conf, then: SELECT pg_reload_conf();",
        );
    }
    Outcome::pass(format!(
        "{seen} Moorline's own commits are synced whatever synchronous_commit says."
    ))
}

pub(crate) async fn is_sound(subject: &Subject) -> Outcome {
    let Ok(local) = &subject.local else { return unread() };
    if local.database.is_some() {
        return Outcome::skipped(
            "PostgreSQL looks after that itself; moorline verify looks at the messages.",
        );
    }
    match facts(local, LOOK).await {
        Ok(Facts::Sqlite(SqliteFacts { found: None, .. })) => {
            Outcome::skipped("There is no file yet.")
        }
        Ok(Facts::Sqlite(SqliteFacts { damage: None, .. })) => Outcome::pass(format!(
            "Nothing is damaged as far as could be seen in {} s; moorline verify looks at everything.",
            LOOK.as_secs()
        )),
        Ok(Facts::Sqlite(SqliteFacts { damage: Some(lines), path, .. })) if !lines.is_empty() => {
            Outcome::fail(
                format!("`{}` is damaged: {}.", path.display(), lines.join("; ")),
                "Messages may be unreadable, and the damage grows with every write.",
                "Stop the server, keep a copy of the folder, and restore a backup into a new one: moorline restore. Look at \
             the disk: smartctl -a, dmesg.",
            )
        }
        Ok(_) => Outcome::pass("Nothing is damaged."),
        Err(_) => Outcome::skipped(UNREACHED),
    }
}

pub(crate) async fn has_no_long_transactions(subject: &Subject) -> Outcome {
    judged(subject, |_| Outcome::skipped(ONLY_POSTGRES), |facts| {
        let Some(oldest) = facts.long.first() else { return Outcome::pass("None is open for over five minutes.") };
        let told = |one: &moorline_store::LongTransaction| {
            let time = super::token::span(one.seconds as u64);
            format!("process {} of `{}` for {time} ({})", one.pid, one.application, one.state)
        };
        let all: Vec<String> = facts.long.iter().map(told).collect();
        Outcome::warn(
            format!("Transactions are open for long: {}.", all.join(", ")),
            "Until they end, PostgreSQL keeps every old row of every table, and other nodes look at more and more of them \
             to see what changed.",
            format!(
                "See what it is: SELECT query FROM pg_stat_activity WHERE pid = {0}; end it: SELECT pg_terminate_backend({0}). \
                 idle_in_transaction_session_timeout = '5min' keeps it from happening again.",
                oldest.pid
            ),
        )
    })
    .await
}

pub(crate) async fn is_primary(subject: &Subject) -> Outcome {
    judged(subject, |_| Outcome::skipped(ONLY_POSTGRES), |facts| {
        if facts.is_standby {
            let state = match (facts.is_following, facts.standby_behind) {
                (true, _) => "it follows its primary".to_owned(),
                (false, Some(behind)) => format!(
                    "it has lost its primary, and its last change is {} old",
                    super::token::span(behind as u64)
                ),
                (false, None) => "it has lost its primary".to_owned(),
            };
            return Outcome::fail(
                format!("{} is a standby: {state}.", facts.place),
                "It cannot be written to, and what is read from it may be old.",
                "Name the primary in the URL, or both: postgres://user@one,two/name takes the one that can be written to. If \
                 the primary is gone for good: SELECT pg_promote() on the standby.",
            );
        }
        if facts.lacks_standby {
            return Outcome::fail(
                "synchronous_standby_names names standbys, and none of them is connected.",
                "Every commit waits for them, for ever.",
                "Start the standby; or ALTER SYSTEM SET synchronous_standby_names = '' and SELECT pg_reload_conf().",
            );
        }
        Outcome::pass("It is the primary.")
    })
    .await
}

pub(crate) async fn has_same_clock(subject: &Subject) -> Outcome {
    let before = (subject.now)();
    judged(
        subject,
        |_| Outcome::skipped(ONLY_POSTGRES),
        |facts| {
            let ahead = Around::new(before, (subject.now)()).ahead(facts.clock);
            let why =
                "Times of messages, and what each node takes for now, differ between machines.";
            let seen = clock::told(ahead, "the database");
            match ahead.abs() {
                far if far >= FAR => Outcome::fail(seen, why, clock::FIX),
                far if far >= CLOSE => Outcome::warn(seen, why, clock::FIX),
                _ => Outcome::pass("The same as the database's."),
            }
        },
    )
    .await
}
