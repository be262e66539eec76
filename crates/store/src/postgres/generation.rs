//! The generation: how an older or another database is noticed, at the start and at every new connection (invariant I14).
//!
//! A number in the database is raised by each node that starts; each node keeps it in a small synced file, and in memory.
//! A database that is behind the number, or in another cluster, was restored: every room begins a new life. One on another
//! timeline was promoted: a node that ran before it compares what it has shown (`seen.rs`), and only the rooms that lost
//! something of it begin a new life; a node that finds it at its start knows nothing to compare, so all do. The comparison
//! is made with every server that is met for the first time, and before anything of it is read or written.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Transaction};

use super::failure::Failure;
use super::seen::Seen;

/// What a node knows of the database that it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Note {
    store: String,
    generation: i64,
}

/// Which running server it is: what takes its place has another start, also with the same files.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    system: String,
    timeline: i64,
    started: String,
}

/// The newest that this node knows, shared by its connections.
#[derive(Clone)]
pub(super) struct Generation {
    folder: PathBuf,
    known: Arc<Mutex<(Note, Server)>>,
    seen: Seen,
}

/// What the database says of itself, and what the server that it runs on is.
struct State {
    note: Note,
    /// The server that was written down last; its start is not.
    noted: (String, i64),
    server: Server,
}

/// All in one statement. The timeline is the one written to now: the last checkpoint may be older than a promotion.
const STATE: &str = "SELECT s.store, s.generation, s.system, s.timeline, c.system_identifier::text,
         ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint,
         pg_postmaster_start_time()::text
     FROM state s, pg_control_system() c";

/// Writes down which server it is.
const SERVER: &str = "UPDATE state SET generation = $1, system = $2, timeline = $3";

/// Raises the generation on a server that is known.
const RAISE: &str = "UPDATE state SET generation = generation + 1 RETURNING generation";

/// Random, by the database itself; its thirteenth digit is never 0.
pub(super) const EPOCHS: &str = "UPDATE rooms SET changed = pg_current_xact_id(),
         epoch = ('x' || translate(gen_random_uuid()::text, '-', ''))::bit(64)::bigint";
/// Those of these rows. They are locked in the order that the lanes lock in.
const SOME_EPOCHS: &str = "WITH r AS MATERIALIZED (
         SELECT n FROM rooms WHERE n = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE)
     UPDATE rooms SET changed = pg_current_xact_id(),
         epoch = ('x' || translate(gen_random_uuid()::text, '-', ''))::bit(64)::bigint
     FROM r WHERE rooms.n = r.n";
/// Numbers of transactions of another cluster say nothing in this one.
const FORGET_CHANGES: &str =
    "UPDATE members SET changed = '0' WHERE changed >= pg_current_xact_id();
     UPDATE users SET revoked = NULL WHERE revoked >= pg_current_xact_id()";

impl Generation {
    /// Raises the generation at the start, and gives every room a new epoch if the database is not the one of before.
    pub(super) async fn open(client: &mut Client, folder: &Path) -> Result<Self, Failure> {
        let noted = read(folder);
        let transaction = client.transaction().await?;
        transaction.query("SELECT 1 FROM state FOR UPDATE", &[]).await?;
        let state = State::from_row(&transaction.query_one(STATE, &[]).await?)?;
        // A node that has no note yet knows of nothing that could be lost; the database's own marks tell for it.
        let noted = noted.filter(|noted| noted.store == state.note.store);
        let is_behind =
            noted.as_ref().is_some_and(|noted| noted.generation > state.note.generation);
        if is_behind || !state.is_where_it_was() {
            renew_all(&transaction).await?;
        }
        let generation = noted.map_or(0, |noted| noted.generation).max(state.note.generation) + 1;
        let known = (Note { generation, ..state.note }, state.server);
        write_down(&transaction, &known).await?;
        transaction.commit().await?;
        keep(folder, &known.0)?;
        let (folder, known) = (folder.to_owned(), Arc::new(Mutex::new(known)));
        Ok(Self { folder, known, seen: Seen::default() })
    }

    /// What this node has shown.
    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Looks at a new connection: whether the database behind it is still the same one, and has lost nothing.
    pub(super) async fn check(&self, client: &mut Client) -> Result<(), Failure> {
        let state = State::from_row(&client.query_one(STATE, &[]).await?)?;
        if self.is_known(&state) {
            return self.learn(state.note, state.server);
        }
        let transaction = client.transaction().await?;
        transaction.batch_execute("SET TRANSACTION READ WRITE").await?;
        transaction.query("SELECT 1 FROM state FOR UPDATE", &[]).await?;
        // Another connection, or another node, may have seen to it meanwhile.
        let state = State::from_row(&transaction.query_one(STATE, &[]).await?)?;
        let mut note = state.note.clone();
        if !self.is_known(&state) {
            if self.may_have_lost_anything(&state) {
                renew_all(&transaction).await?;
                note.generation = note.generation.max(self.known.lock().0.generation) + 1;
            } else {
                self.renew_diverged(&transaction).await?;
            }
            let known = (note, state.server.clone());
            write_down(&transaction, &known).await?;
            note = known.0;
        }
        transaction.commit().await?;
        self.learn(note, state.server)
    }

    /// Once more rooms are remembered than fit, the generation is raised and they are forgotten: a database that is older
    /// than that is behind it.
    pub(super) async fn make_room(&self, client: &Client) -> Result<(), Failure> {
        if !self.seen.is_crowded() {
            return Ok(());
        }
        let taken = self.seen.take();
        let raised = self.raise(client).await;
        if raised.is_err() {
            self.seen.give_back(taken);
        }
        raised
    }

    async fn raise(&self, client: &Client) -> Result<(), Failure> {
        let generation = client.query_one(RAISE, &[]).await?.try_get(0)?;
        let (note, server) = self.known.lock().clone();
        self.learn(Note { generation, ..note }, server)
    }

    /// Whether it is the running server of before, with nothing older in it.
    fn is_known(&self, state: &State) -> bool {
        let known = self.known.lock();
        state.is_where_it_was() && state.server == known.1 && !is_behind(&state.note, &known.0)
    }

    /// Whether things can be missing that this node does not remember.
    fn may_have_lost_anything(&self, state: &State) -> bool {
        let known = self.known.lock();
        is_behind(&state.note, &known.0)
            || state.server.system != known.1.system
            || state.server.system != state.noted.0
    }

    /// A new life for the rooms that lost something that this node has shown.
    async fn renew_diverged(&self, transaction: &Transaction<'_>) -> Result<(), Failure> {
        let rows = self.seen.diverged(transaction.client()).await?;
        if !rows.is_empty() {
            transaction.execute(SOME_EPOCHS, &[&rows]).await?;
            tracing::warn!(
                rooms = rows.len(),
                "the database server that took over lacks events that were shown; these rooms begin a new life"
            );
        }
        Ok(())
    }

    fn learn(&self, note: Note, server: Server) -> Result<(), Failure> {
        let mut known = self.known.lock();
        if known.0 != note {
            keep(&self.folder, &note)?;
        }
        *known = (note, server);
        Ok(())
    }
}

/// Whether a database is older than what is known of it, or another one.
fn is_behind(found: &Note, known: &Note) -> bool {
    found.store != known.store || found.generation < known.generation
}

impl State {
    fn from_row(row: &Row) -> Result<Self, Failure> {
        let note = Note { store: row.try_get(0)?, generation: row.try_get(1)? };
        let noted = (row.try_get(2)?, row.try_get(3)?);
        let (system, timeline, started) = (row.try_get(4)?, row.try_get(5)?, row.try_get(6)?);
        Ok(Self { note, noted, server: Server { system, timeline, started } })
    }

    /// Whether the server is the one that was written down last.
    fn is_where_it_was(&self) -> bool {
        self.noted.0 == self.server.system && self.noted.1 == self.server.timeline
    }
}

/// In what the database differs from the one that was in use last, for who only looks.
pub(super) async fn look(client: &Client, folder: &Path) -> Result<Option<String>, Failure> {
    let state = State::from_row(&client.query_one(STATE, &[]).await?)?;
    if !state.is_where_it_was() {
        let what =
            "it runs on another cluster or timeline than before, as after a promotion or a restore";
        return Ok(Some(what.to_owned()));
    }
    let noted = read(folder).filter(|noted| noted.store == state.note.store);
    let behind = noted.filter(|noted| noted.generation > state.note.generation);
    Ok(behind.map(|noted| {
        format!(
            "an older state than the one that was in use last stands here (generation {}, the note in {} says {})",
            state.note.generation,
            folder.display(),
            noted.generation
        )
    }))
}

/// A new life for every room.
async fn renew_all(transaction: &Transaction<'_>) -> Result<(), Failure> {
    transaction.execute(EPOCHS, &[]).await?;
    transaction.batch_execute(FORGET_CHANGES).await?;
    tracing::warn!(
        "the database is older than what was here last, or was promoted or restored; every room begins a new life"
    );
    Ok(())
}

async fn write_down(
    transaction: &Transaction<'_>,
    (note, server): &(Note, Server),
) -> Result<(), Failure> {
    let values: [&(dyn ToSql + Sync); 3] = [&note.generation, &server.system, &server.timeline];
    transaction.execute(SERVER, &values).await?;
    Ok(())
}

/// Keeps the note, synced.
fn keep(folder: &Path, note: &Note) -> Result<(), Failure> {
    write(folder, note).map_err(|error| {
        Failure::Unfit(format!("{} cannot be written: {error}", path(folder).display()))
    })
}

fn path(folder: &Path) -> PathBuf {
    folder.join("postgres.generation")
}

/// A note that cannot be read counts as none.
fn read(folder: &Path) -> Option<Note> {
    let text = fs::read_to_string(path(folder)).ok()?;
    let mut words = text.split_whitespace();
    Some(Note { store: words.next()?.to_owned(), generation: words.next()?.parse().ok()? })
}

fn write(folder: &Path, note: &Note) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let draft = folder.join("postgres.generation.new");
    let mut file = File::create(&draft)?;
    writeln!(file, "{} {}", note.store, note.generation)?;
    file.sync_all()?;
    fs::rename(&draft, path(folder))?;
    File::open(folder)?.sync_all()
}
