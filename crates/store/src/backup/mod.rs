//! Backup, restore, verification and import: a whole store read or written at once, as rows, by whoever runs the program's
//! commands. Nothing here serves anybody; a server may run beside a backup or a verification, never beside the others.
//!
//! Both back ends give and take the same rows (`tables.rs`), so that a backup of one can be restored into the other.

pub(crate) mod check;
mod error;
pub(crate) mod file;
pub(crate) mod row;
pub(crate) mod tables;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use self::check::{Checker, Faults};
pub use self::check::{Counts, Fault};
pub use self::error::BackupError;
use self::file::{Header, Reader, Writer};
use self::row::Row;
use crate::DatabaseUrl;
use crate::postgres::backup as postgres;
use crate::sqlite::backup as sqlite;

/// Rows between two words about the progress.
const TELL_EVERY: u64 = 1_000;

/// Where a store is.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a command has one or two of them")]
pub enum Place {
    /// SQLite in this data folder.
    Folder(PathBuf),
    /// PostgreSQL, and the data folder with a node's note of how new it was.
    Database(DatabaseUrl, PathBuf),
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Pages of a database whose server is running are copied.
    Copying,
    /// Rows are read, written or looked at.
    Rows,
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// What is being done.
    pub step: Step,
    /// Of the total.
    pub done: u64,
    /// Pages or rows.
    pub total: u64,
}

/// Hears of the progress.
pub type Tell<'t> = &'t mut dyn FnMut(Progress);

/// Takes the next row: the place of its table, and its values.
pub(crate) type TakeRow<'t> = &'t mut dyn FnMut(usize, &Row) -> Result<(), BackupError>;

/// What was saved, restored, imported or looked at.
#[derive(Debug, Clone)]
pub struct Summary {
    /// `sqlite` or `postgresql`: where the rows came from.
    pub source: String,
    /// The version of the program that read them there.
    pub program: String,
    /// The schema there.
    pub schema: i64,
    /// What was acknowledged before this moment is in it; ms since 1970.
    pub taken_ms: u64,
    /// What there is.
    pub counts: Counts,
    /// What is wrong with it; the first of them.
    pub faults: Vec<Fault>,
    /// How much is wrong in all.
    pub fault_count: u64,
    /// Size of the file that was written, 0 for none.
    pub bytes: u64,
    /// Rows that an interrupted import had brought in before.
    pub had: u64,
}

impl Summary {
    fn new(header: &Header, (counts, faults): (Counts, Faults)) -> Self {
        Self {
            source: header.source.clone(),
            program: header.program.clone(),
            schema: header.schema,
            taken_ms: header.taken_ms,
            counts,
            faults: faults.kept,
            fault_count: faults.count,
            bytes: 0,
            had: 0,
        }
    }
}

/// Looks at the rows that pass by, and tells how many did.
struct Watch<'t> {
    checker: Checker,
    seen: u64,
    total: u64,
    tell: Tell<'t>,
}

impl<'t> Watch<'t> {
    fn new(total: u64, tell: Tell<'t>) -> Self {
        Self { checker: Checker::new(), seen: 0, total, tell }
    }

    fn row(&mut self, table: usize, row: &Row) {
        self.checker.row(table, row);
        self.seen += 1;
        if self.seen.is_multiple_of(TELL_EVERY) || self.seen == self.total {
            (self.tell)(Progress { step: Step::Rows, done: self.seen, total: self.total });
        }
    }
}

/// Writes everything that was acknowledged before now into a new file. Blocks. `may_log_grow` lifts the bound on the log
/// of a SQLite server that goes on meanwhile.
///
/// # Errors
/// Where the store cannot be read or the file cannot be written; then there is no file.
pub fn save(
    from: &Place,
    file: &Path,
    may_log_grow: bool,
    tell: Tell<'_>,
) -> Result<Summary, BackupError> {
    let taken_ms = now_ms();
    let mut writer = Writer::create(file)?;
    let saved = save_rows(from, file, may_log_grow, taken_ms, &mut writer, tell);
    let mut summary = match saved {
        Ok(summary) => summary,
        Err(error) => {
            writer.abandon();
            return Err(error);
        }
    };
    summary.bytes = writer.finish()?;
    Ok(summary)
}

fn save_rows(
    from: &Place,
    file: &Path,
    may_log_grow: bool,
    taken_ms: u64,
    writer: &mut Writer,
    tell: Tell<'_>,
) -> Result<Summary, BackupError> {
    let mut copy = file.as_os_str().to_owned();
    copy.push(".copy");
    let source = Source::of_copy(from, copy.into(), may_log_grow, tell)?;
    let header = source.header(taken_ms)?;
    writer.header(&header)?;
    let mut watch = Watch::new(header.rows, tell);
    source.rows(&mut |table, row| {
        watch.row(table, row);
        writer.row(&tables::TABLES[table], row)
    })?;
    Ok(Summary::new(&header, watch.checker.finish()))
}

/// Brings a file's rows into an empty store, with a new epoch for every room. Blocks. The caller holds the lock of a data
/// folder that it goes into.
///
/// # Errors
/// Where the file is damaged or the target is not empty; then the target stays as it was.
pub fn restore(file: &Path, to: &Place, tell: Tell<'_>) -> Result<Summary, BackupError> {
    let mut reader = Reader::open(file)?;
    let header = reader.header.clone();
    let mut watch = Watch::new(header.rows, tell);
    match to {
        Place::Folder(folder) => {
            let loader = sqlite::Loader::begin(folder, &header)?;
            let loaded = read_all(&mut reader, &mut |table, row| {
                watch.row(table, row);
                loader.row(table, row)
            });
            match loaded {
                Ok(()) => loader.finish(&header)?,
                Err(error) => {
                    loader.abandon();
                    return Err(error);
                }
            }
        }
        Place::Database(url, _) => {
            let mut loader = postgres::Loader::restore(url)?;
            read_all(&mut reader, &mut |table, row| {
                watch.row(table, row);
                loader.row(table, row, &header)
            })?;
            loader.finish_restore(&header)?;
        }
    }
    Ok(Summary::new(&header, watch.checker.finish()))
}

fn read_all(reader: &mut Reader, take: TakeRow<'_>) -> Result<(), BackupError> {
    while let Some((table, row)) = reader.next()? {
        take(table, &row)?;
    }
    Ok(())
}

/// Looks at every row of a file. Blocks. What is wrong with the store that it holds is in the summary.
///
/// # Errors
/// Where it is no backup, cut or altered.
pub fn verify_file(file: &Path, tell: Tell<'_>) -> Result<Summary, BackupError> {
    let mut reader = Reader::open(file)?;
    let header = reader.header.clone();
    let mut watch = Watch::new(header.rows, tell);
    read_all(&mut reader, &mut |table, row| {
        watch.row(table, row);
        Ok(())
    })?;
    Ok(Summary::new(&header, watch.checker.finish()))
}

/// Looks at every row of a store, and whether it is the one that was in use last. Blocks. A data folder whose server runs
/// (`is_in_use`) is copied first, so that the server's log need not wait.
///
/// # Errors
/// Where there is no store or it cannot be read at all.
pub fn verify(of: &Place, is_in_use: bool, tell: Tell<'_>) -> Result<Summary, BackupError> {
    let taken_ms = now_ms();
    let source = match of {
        Place::Folder(_) if is_in_use => {
            let copy = format!("moorline-verify-{}", std::process::id());
            Source::of_copy(of, std::env::temp_dir().join(copy), false, tell)?
        }
        _ => Source::open(of)?,
    };
    let header = source.header(taken_ms)?;
    let mut watch = Watch::new(header.rows, tell);
    let read = source.rows(&mut |table, row| {
        watch.row(table, row);
        Ok(())
    });
    let (counts, mut faults) = watch.checker.finish();
    if let Err(error) = read {
        faults.add("file", None, None, format!("it cannot be read to its end: {error}"));
    }
    source.look_at_state(of, &header, &mut faults)?;
    Ok(Summary::new(&header, (counts, faults)))
}

/// Brings a data folder's rows into an empty PostgreSQL database, as they are, epochs and sessions included; goes on where
/// an interrupted import of the same folder ended. Blocks. The caller holds the folder's lock.
///
/// Afterwards the folder's database is out of use: served again, every room of it would begin a new life.
///
/// # Errors
/// Where the folder was used since an interrupted import began, or where the database holds anything else.
pub fn import(folder: &Path, to: &DatabaseUrl, tell: Tell<'_>) -> Result<Summary, BackupError> {
    let source = sqlite::Source::open(folder)?;
    let header = source.header(now_ms())?;
    let mut loader = postgres::Loader::import(to, &header)?;
    let had = loader.had();
    let mut watch = Watch::new(header.rows, tell);
    source.rows(&mut |table, row| {
        watch.row(table, row);
        loader.row(table, row, &header)
    })?;
    // First out of use there, then in use here: at no moment do two stores share their epochs.
    sqlite::retire(folder)?;
    loader.finish_import(&header)?;
    Ok(Summary { had, ..Summary::new(&header, watch.checker.finish()) })
}

/// Whichever store is read.
enum Source {
    /// With the copy that it reads, if it reads one.
    Sqlite(
        Box<sqlite::Source>,
        #[expect(dead_code, reason = "it is removed with this")] Option<sqlite::Copy>,
    ),
    Postgres(Box<postgres::Source>),
}

impl Source {
    fn open(of: &Place) -> Result<Self, BackupError> {
        Ok(match of {
            Place::Folder(folder) => Self::Sqlite(Box::new(sqlite::Source::open(folder)?), None),
            Place::Database(url, _) => Self::Postgres(Box::new(postgres::Source::open(url)?)),
        })
    }

    /// The same, of a copy where the store is a data folder.
    fn of_copy(
        of: &Place,
        into: PathBuf,
        may_log_grow: bool,
        tell: Tell<'_>,
    ) -> Result<Self, BackupError> {
        let Place::Folder(folder) = of else { return Self::open(of) };
        // Says what is wrong with the store before anything is copied.
        drop(sqlite::Source::open(folder)?);
        let copy = sqlite::copy(folder, into, may_log_grow, tell)?;
        Ok(Self::Sqlite(Box::new(sqlite::Source::open(copy.folder())?), Some(copy)))
    }

    fn header(&self, taken_ms: u64) -> Result<Header, BackupError> {
        match self {
            Self::Sqlite(source, _) => source.header(taken_ms),
            Self::Postgres(source) => source.header(taken_ms),
        }
    }

    fn rows(&self, take: TakeRow<'_>) -> Result<(), BackupError> {
        match self {
            Self::Sqlite(source, _) => source.rows(take),
            Self::Postgres(source) => source.rows(take),
        }
    }

    /// What rows do not show: the file's own integrity, and whether it is an older state.
    fn look_at_state(
        &self,
        of: &Place,
        header: &Header,
        faults: &mut Faults,
    ) -> Result<(), BackupError> {
        match (self, of) {
            (Self::Sqlite(source, _), Place::Folder(folder)) => {
                for line in source.integrity() {
                    faults.add("file", None, None, line);
                }
                sqlite::look_at_note(folder, header, faults);
                Ok(())
            }
            (Self::Postgres(source), Place::Database(_, folder)) => {
                source.look_at_state(folder, faults)
            }
            _ => Ok(()),
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
