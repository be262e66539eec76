//! The planted fault of the proof on PostgreSQL: a middleman between the node and its server who now and then turns a
//! `COMMIT` into a `ROLLBACK` and says that it was a commit, so that the node acknowledges what is nowhere.
//!
//! It speaks no more of PostgreSQL's protocol than where messages begin and end. The proof must turn red with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// The end of a socket's path in PostgreSQL's folder for them.
const SOCKET: &str = ".s.PGSQL.5432";
/// A simple query, and the answer to it, each with its length.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
const ROLLBACK: &[u8] = b"Q\0\0\0\x0dROLLBACK\0";
const COMMITTED: &[u8] = b"C\0\0\0\x0bCOMMIT\0";
const ROLLED_BACK: &[u8] = b"C\0\0\0\x0dROLLBACK\0";

/// The middleman; gone with this.
#[derive(Debug)]
pub struct Middleman {
    folder: TempDir,
    lies: Arc<Lies>,
    task: JoinHandle<()>,
}

/// How often it lies: at every so many commits, never while that is 0.
#[derive(Debug, Default)]
struct Lies {
    every: AtomicU64,
    commits: AtomicU64,
    told: AtomicU64,
}

impl Lies {
    fn is_due(&self) -> bool {
        let every = self.every.load(Ordering::Relaxed);
        let is_due = every > 0 && self.commits.fetch_add(1, Ordering::Relaxed) % every == every - 1;
        self.told.fetch_add(u64::from(is_due), Ordering::Relaxed);
        is_due
    }
}

impl Middleman {
    /// Stands before the server whose socket is in this folder.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn before(server: &Path) -> Result<Self> {
        let folder = TempDir::with_prefix("moorline-middleman-")?;
        let listener = UnixListener::bind(folder.path().join(SOCKET))?;
        let (lies, server) = (Arc::new(Lies::default()), server.join(SOCKET));
        let task = tokio::spawn(listen(listener, server, Arc::clone(&lies)));
        Ok(Self { folder, lies, task })
    }

    /// The URL of a database through it.
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}/{database}")
    }

    /// From now on it lies at every so many commits.
    pub fn lie_at_every(&self, commits: u64) {
        self.lies.every.store(commits, Ordering::Relaxed);
    }

    /// How often it lied.
    pub fn told(&self) -> u64 {
        self.lies.told.load(Ordering::Relaxed)
    }
}

impl Drop for Middleman {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(listener: UnixListener, server: PathBuf, lies: Arc<Lies>) {
    while let Ok((client, _)) = listener.accept().await {
        // A server that is away is nobody's connection.
        let Ok(server) = UnixStream::connect(&server).await else { continue };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let owed = Arc::new(AtomicU64::new(0));
        let asks = asking(from_client, to_server, Arc::clone(&lies), Arc::clone(&owed));
        let answers = answering(from_server, to_client, owed);
        // The end of one direction is the end of the connection.
        tokio::spawn(async move {
            tokio::select! {
                _ = asks => {}
                _ = answers => {}
            }
        });
    }
}

async fn asking(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    lies: Arc<Lies>,
    owed: Arc<AtomicU64>,
) -> Result<()> {
    // The first message has no letter.
    let length = from.read_u32().await?;
    let mut first = length.to_be_bytes().to_vec();
    first.resize(length as usize, 0);
    from.read_exact(&mut first[4..]).await?;
    to.write_all(&first).await?;
    loop {
        let message = read(&mut from).await?;
        if message == COMMIT && lies.is_due() {
            owed.fetch_add(1, Ordering::SeqCst);
            to.write_all(ROLLBACK).await?;
        } else {
            to.write_all(&message).await?;
        }
    }
}

async fn answering(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    owed: Arc<AtomicU64>,
) -> Result<()> {
    loop {
        let message = read(&mut from).await?;
        if message == ROLLED_BACK && owed.load(Ordering::SeqCst) > 0 {
            owed.fetch_sub(1, Ordering::SeqCst);
            to.write_all(COMMITTED).await?;
        } else {
            to.write_all(&message).await?;
        }
    }
}

/// A message with its letter and its length.
async fn read(from: &mut OwnedReadHalf) -> Result<Vec<u8>> {
    let mut message = vec![0; 5];
    from.read_exact(&mut message).await?;
    let length = u32::from_be_bytes([message[1], message[2], message[3], message[4]]) as usize;
    message.resize(length.checked_add(1).context("no length")?, 0);
    from.read_exact(&mut message[5..]).await?;
    Ok(message)
}
