//! The generation: how an older or another database is noticed, at the start and at every new connection (invariant I14).
//!
//! A number in the database is raised by each node that starts; each node keeps the number, the cluster's identifier and
//! its timeline in a small synced file, and in memory. A database that is behind the number, on another cluster or on
//! another timeline was restored or promoted, and may have lost what was acknowledged: every room begins a new life
//! before anything of it is read or written, and every client hears of it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_postgres::{Client, Row};

use super::failure::Failure;

/// What a node knows of the database that it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Note {
    store: String,
    generation: i64,
}

/// The newest that this node knows, shared by its connections.
#[derive(Clone)]
pub(super) struct Generation {
    folder: PathBuf,
    known: Arc<Mutex<Note>>,
}

/// What the database says of itself, and what the server that it runs on is.
struct State {
    note: Note,
    /// Whether the server is the one that was written down last.
    is_same_server: bool,
}

/// Both in one statement. The timeline is the one written to now: the last checkpoint may be older than a promotion.
const STATE: &str = "SELECT s.store, s.generation, s.system = c.system_identifier::text AND s.timeline = t.timeline
     FROM state s, pg_control_system() c,
         LATERAL (SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint AS timeline) t";

/// Writes down which server it is.
const SERVER: &str =
    "UPDATE state SET generation = $1, system = c.system_identifier::text, timeline =
         ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint
     FROM pg_control_system() c";

/// Random, by the database itself; its thirteenth digit is never 0.
pub(super) const EPOCHS: &str = "UPDATE rooms SET changed = pg_current_xact_id(),
         epoch = ('x' || translate(gen_random_uuid()::text, '-', ''))::bit(64)::bigint";

impl Generation {
    /// Raises the generation at the start, and gives every room a new epoch if the database is not the one of before.
    pub(super) async fn open(client: &mut Client, folder: &Path) -> Result<Self, Failure> {
        let noted = read(folder);
        let transaction = client.transaction().await?;
        transaction.query("SELECT 1 FROM state FOR UPDATE", &[]).await?;
        let state = State::from_row(&transaction.query_one(STATE, &[]).await?)?;
        // A node that has no note yet knows of nothing that could be lost; the database's own marks tell for it.
        let is_behind = noted.as_ref().is_some_and(|noted| {
            noted.store == state.note.store && noted.generation > state.note.generation
        });
        if is_behind || !state.is_same_server {
            transaction.execute(EPOCHS, &[]).await?;
            tell_of_new_epochs();
        }
        let noted = noted.filter(|noted| noted.store == state.note.store);
        let generation = noted.map_or(0, |noted| noted.generation).max(state.note.generation) + 1;
        transaction.execute(SERVER, &[&generation]).await?;
        transaction.commit().await?;
        let known = Note { generation, ..state.note };
        write(folder, &known).map_err(|error| {
            Failure::Unfit(format!("{} cannot be written: {error}", path(folder).display()))
        })?;
        Ok(Self { folder: folder.to_owned(), known: Arc::new(Mutex::new(known)) })
    }

    /// Looks at a new connection: whether the database behind it is still the same one, and no older.
    pub(super) async fn check(&self, client: &mut Client) -> Result<(), Failure> {
        let state = State::from_row(&client.query_one(STATE, &[]).await?)?;
        if self.is_good(&state) {
            return self.learn(state.note);
        }
        let transaction = client.transaction().await?;
        transaction.batch_execute("SET TRANSACTION READ WRITE").await?;
        transaction.query("SELECT 1 FROM state FOR UPDATE", &[]).await?;
        // Another connection, or another node, may have seen to it meanwhile.
        let state = State::from_row(&transaction.query_one(STATE, &[]).await?)?;
        let mut note = state.note.clone();
        if !self.is_good(&state) {
            transaction.execute(EPOCHS, &[]).await?;
            note.generation = note.generation.max(self.known.lock().generation) + 1;
            transaction.execute(SERVER, &[&note.generation]).await?;
            tell_of_new_epochs();
        }
        transaction.commit().await?;
        self.learn(note)
    }

    fn is_good(&self, state: &State) -> bool {
        let known = self.known.lock();
        state.is_same_server
            && state.note.store == known.store
            && state.note.generation >= known.generation
    }

    fn learn(&self, note: Note) -> Result<(), Failure> {
        let mut known = self.known.lock();
        if *known == note {
            return Ok(());
        }
        write(&self.folder, &note).map_err(|error| {
            Failure::Unfit(format!("{} cannot be written: {error}", path(&self.folder).display()))
        })?;
        *known = note;
        Ok(())
    }
}

impl State {
    fn from_row(row: &Row) -> Result<Self, Failure> {
        let note = Note { store: row.try_get(0)?, generation: row.try_get(1)? };
        Ok(Self { note, is_same_server: row.try_get(2)? })
    }
}

/// In what the database differs from the one that was in use last, for who only looks.
pub(super) async fn look(client: &Client, folder: &Path) -> Result<Option<String>, Failure> {
    let state = State::from_row(&client.query_one(STATE, &[]).await?)?;
    if !state.is_same_server {
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

fn tell_of_new_epochs() {
    tracing::warn!(
        "the database is older than what was here last, or was promoted or restored; every room begins a new life"
    );
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
