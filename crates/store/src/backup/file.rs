//! The file of a backup: lines of JSON under zstd, so that `zstd -dc FILE | head -1` shows what it is.
//!
//! The first line is the [`Header`], the last one the [`Trailer`] with the number of rows and the SHA-256 of everything
//! before it; between them stand the rows (`row.rs`), table by table. docs/backup.md describes the form. A file appears
//! under its name only when it is complete and synced.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::BackupError;
use super::row::{Row, from_json, write_line};
use super::tables::{TABLES, Table, find};

/// The form that this program writes and knows.
const FORMAT: u32 = 1;
/// A longer line is none of ours: a message has at most 256 KiB, six times as much in JSON.
const LINE: u64 = 16 << 20;
/// A third of the size at the speed of a disk; higher levels gain a tenth and cost several times as much.
const LEVEL: i32 = 3;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// `backup`.
    pub(crate) moorline: String,
    pub(crate) format: u32,
    /// The version of the program that wrote it.
    pub(crate) program: String,
    /// `sqlite` or `postgresql`.
    pub(crate) source: String,
    pub(crate) schema: i64,
    /// What was acknowledged before this moment is in it; ms since 1970.
    pub(crate) taken_ms: u64,
    /// The store's name.
    pub(crate) store: String,
    pub(crate) generation: i64,
    /// The key of the hashes of commands, in hexadecimal.
    pub(crate) cid_key: String,
    /// How many rows follow.
    pub(crate) rows: u64,
    pub(crate) tables: Vec<Columns>,
}

/// A table and its columns as they stand in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Columns {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
}

impl Header {
    /// The header of a store that is read now.
    pub(crate) fn new(source: &str, schema: i64, taken_ms: u64) -> Self {
        let columns = |table: &Table| Columns {
            name: table.name.to_owned(),
            columns: table.columns.iter().map(|column| column.name.to_owned()).collect(),
        };
        Self {
            moorline: "backup".to_owned(),
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            source: source.to_owned(),
            schema,
            taken_ms,
            store: String::new(),
            generation: 0,
            cid_key: String::new(),
            rows: 0,
            tables: TABLES.iter().map(columns).collect(),
        }
    }

    /// Which of a table's columns it holds, as places in [`Table::columns`]; the others have their defaults.
    pub(crate) fn columns_of(&self, table: &Table) -> Vec<usize> {
        let held = self.tables.iter().find(|held| held.name == table.name);
        let names = held.map(|held| held.columns.as_slice()).unwrap_or_default();
        names.iter().filter_map(|name| table.position(name)).collect()
    }

    /// What this program does not know of.
    fn unknown(&self) -> Option<String> {
        for held in &self.tables {
            let Some(table) = find(&held.name).map(|place| &TABLES[place]) else {
                return Some(format!("the table {}", held.name));
            };
            let mut names = held.columns.iter();
            if let Some(name) = names.find(|name| table.position(name).is_none()) {
                return Some(format!("the column {name} of {}", held.name));
            }
        }
        None
    }
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Trailer {
    rows: u64,
    sha256: String,
}

/// Writes a file.
pub(crate) struct Writer {
    path: PathBuf,
    draft: PathBuf,
    out: zstd::Encoder<'static, BufWriter<File>>,
    hash: Sha256,
    rows: u64,
    line: Vec<u8>,
}

impl Writer {
    /// Begins one beside its place. Nothing that exists is written over.
    pub(crate) fn create(path: &Path) -> Result<Self, BackupError> {
        if path.exists() {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let draft = path.with_file_name(name);
        let failed = |error: io::Error| BackupError::file(&draft, &error);
        let file = private().truncate(true).open(&draft).map_err(failed)?;
        let mut out = zstd::Encoder::new(BufWriter::new(file), LEVEL).map_err(failed)?;
        out.include_checksum(true).map_err(failed)?;
        let line = Vec::new();
        Ok(Self { path: path.to_owned(), draft, out, hash: Sha256::new(), rows: 0, line })
    }

    pub(crate) fn header(&mut self, header: &Header) -> Result<(), BackupError> {
        self.line = serde_json::to_vec(header).map_err(|error| self.failed(&error.into()))?;
        self.line.push(b'\n');
        self.put_line()
    }

    pub(crate) fn row(&mut self, table: &Table, row: &Row) -> Result<(), BackupError> {
        write_line(&mut self.line, table, row).map_err(|error| self.failed(&error.into()))?;
        self.rows += 1;
        self.put_line()
    }

    fn put_line(&mut self) -> Result<(), BackupError> {
        self.hash.update(&self.line);
        self.out.write_all(&self.line).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> BackupError {
        BackupError::file(&self.draft, error)
    }

    /// Writes the trailer, syncs, and gives the file its name. Gives its size.
    pub(crate) fn finish(mut self) -> Result<u64, BackupError> {
        let sha256 = hex::encode(self.hash.clone().finalize());
        let trailer = Trailer { rows: self.rows, sha256 };
        self.line = serde_json::to_vec(&trailer).map_err(|error| self.failed(&error.into()))?;
        self.line.push(b'\n');
        let (draft, path) = (self.draft, self.path);
        let mut out = self.out;
        let written = out.write_all(&self.line).and_then(|()| {
            let file = out.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            let size = file.metadata()?.len();
            fs::rename(&draft, &path)?;
            sync_folder(&path)?;
            Ok(size)
        });
        written.map_err(|error| BackupError::file(&path, &error))
    }

    /// Removes what was written so far.
    pub(crate) fn abandon(self) {
        let _ = fs::remove_file(&self.draft);
    }
}

/// A file that only its owner reads: it holds all that people wrote.
fn private() -> fs::OpenOptions {
    let mut options = File::options();
    options.write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Syncs the folder that holds this file.
pub(crate) fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Reads a file; every line that it gives was complete, the whole was unaltered only if it comes to the end without error.
pub(crate) struct Reader {
    path: PathBuf,
    lines: BufReader<zstd::Decoder<'static, BufReader<File>>>,
    hash: Sha256,
    pub(crate) header: Header,
    /// The columns of each table as they stand in the file.
    columns: Vec<Vec<usize>>,
    rows: u64,
    /// The table of the last row: they come one after the other.
    table: usize,
    line: Vec<u8>,
}

impl Reader {
    pub(crate) fn open(path: &Path) -> Result<Self, BackupError> {
        let file = File::open(path).map_err(|error| BackupError::file(path, &error))?;
        let mut file = BufReader::with_capacity(1 << 18, file);
        let start = file.fill_buf().map_err(|error| BackupError::file(path, &error))?;
        if !start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            return Err(BackupError::NoBackup(path.to_owned()));
        }
        let lines =
            zstd::Decoder::with_buffer(file).map_err(|error| BackupError::file(path, &error))?;
        let mut reader = Self {
            path: path.to_owned(),
            lines: BufReader::with_capacity(1 << 18, lines),
            hash: Sha256::new(),
            header: Header::new("", 0, 0),
            columns: Vec::new(),
            rows: 0,
            table: 0,
            line: Vec::new(),
        };
        reader.next_line()?;
        reader.take_header()?;
        Ok(reader)
    }

    fn take_header(&mut self) -> Result<(), BackupError> {
        #[derive(Deserialize)]
        struct Start {
            moorline: String,
            format: u32,
        }
        let start = serde_json::from_slice::<Start>(&self.line).ok();
        let Some(start) = start.filter(|start| start.moorline == "backup") else {
            return Err(BackupError::NoBackup(self.path.clone()));
        };
        if start.format > FORMAT {
            let what = format!("form {}, this program knows {FORMAT}", start.format);
            return Err(BackupError::Newer { path: self.path.clone(), what });
        }
        self.header = serde_json::from_slice(&self.line)
            .map_err(|error| self.damaged(format!("its header: {error}")))?;
        if let Some(what) = self.header.unknown() {
            return Err(BackupError::Newer { path: self.path.clone(), what });
        }
        self.columns = TABLES.iter().map(|table| self.header.columns_of(table)).collect();
        Ok(())
    }

    /// The next row, or the end once the trailer was found to be true.
    pub(crate) fn next(&mut self) -> Result<Option<(usize, Row)>, BackupError> {
        let before = self.hash.clone();
        self.next_line()?;
        if self.line.first() == Some(&b'{') {
            return self.end(before).map(|()| None);
        }
        let number = self.rows + 1;
        let odd = |what: &str| format!("row {number} {what}");
        let mut values = serde_json::from_slice::<Vec<serde_json::Value>>(&self.line)
            .map_err(|_| self.damaged(odd("is no row")))?;
        let name = if values.is_empty() { serde_json::Value::Null } else { values.remove(0) };
        let table = name.as_str().and_then(find);
        let table = table.ok_or_else(|| self.damaged(odd("is of no table")))?;
        if table < self.table {
            return Err(self.damaged(odd("is out of its order")));
        }
        let row = from_json(&TABLES[table], &self.columns[table], values)
            .ok_or_else(|| self.damaged(odd("is not what its table holds")))?;
        self.rows = number;
        self.table = table;
        Ok(Some((table, row)))
    }

    /// Compares the trailer, and sees that nothing follows it.
    fn end(&mut self, hash: Sha256) -> Result<(), BackupError> {
        let trailer = serde_json::from_slice::<Trailer>(&self.line)
            .map_err(|_| self.damaged("its last line is none".to_owned()))?;
        if trailer.rows != self.rows {
            let what = format!("it has {} rows instead of {}", self.rows, trailer.rows);
            return Err(self.damaged(what));
        }
        if trailer.sha256 != hex::encode(hash.finalize()) {
            return Err(self.damaged("its SHA-256 is another one: it was altered".to_owned()));
        }
        match self.lines.fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) | Err(_) => Err(self.damaged("something follows its end".to_owned())),
        }
    }

    fn next_line(&mut self) -> Result<(), BackupError> {
        self.line.clear();
        let read = (&mut self.lines).take(LINE).read_until(b'\n', &mut self.line);
        read.map_err(|error| self.damaged(format!("after {} rows: {error}", self.rows)))?;
        if self.line.last() != Some(&b'\n') {
            return Err(self.damaged(format!("it is cut after {} rows", self.rows)));
        }
        self.hash.update(&self.line);
        Ok(())
    }

    fn damaged(&self, what: String) -> BackupError {
        BackupError::Damaged { path: self.path.clone(), what }
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
