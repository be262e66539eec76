//! Opening: the schema, the store's key, the generation, the lanes and the pool.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::Client;

use super::connect::{Connector, Purpose};
use super::failure::{Cause, Failure};
use super::generation::Generation;
use super::lane::{Kind, Lane, Tools};
use super::pool::Pool;
use super::schema::{self, Migration};
use super::shared::Shared;
use super::url::DatabaseUrl;
use super::{Inner, Postgres};
use crate::fingerprint::Hasher;
use crate::queue::{BATCH_ROWS, Queue};
use crate::{Commits, Error, Since, StoreConfig};

/// Lanes of rooms. While one waits for its sync, the others fill the next.
const LANES: usize = 4;
/// Commits that may wait for their reader: while it is behind by so many transactions, the lanes wait.
const COMMITS: usize = 16;
/// A database that is not there yet is waited for so long: it is often started in the same moment.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(250);

impl Postgres {
    /// Opens the store or makes it. Blocks.
    pub(crate) fn open(url: &DatabaseUrl, config: &StoreConfig) -> Result<(Self, Commits), Error> {
        let place = url.to_string();
        let open = |reason: String| Error::Database { place: place.clone(), reason };
        let connector = Connector::new(url).map_err(open)?;
        let Prepared { generation, key, opened } =
            apart(|| prepare(&connector, &place, &config.folder)).map_err(open)??;
        let (commits, receiver) = mpsc::channel(COMMITS);
        let tools = Tools {
            hasher: Hasher::new(&key),
            shared: Arc::default(),
            connector,
            generation,
            commits,
            batch: if config.is_one_by_one { 1 } else { BATCH_ROWS },
        };
        let lanes = if config.is_one_by_one { 1 } else { LANES };
        let pool = Pool::new(&tools.connector, &tools.generation).map_err(open)?;
        let queues: Vec<Arc<Queue>> =
            (0..=lanes).map(|_| Arc::new(Queue::new(config.queue))).collect();
        let shared = Arc::clone(&tools.shared);
        let inner = start(queues, tools, (pool, opened), shared);
        let inner = inner.map_err(|error| open(error.to_string()))?;
        Ok((Self(Arc::new(inner)), Commits { receiver }))
    }

    /// The schema's steps, and which of them the database has; with `is_wanted` those that it lacks are made first.
    pub(crate) fn migrations(url: &DatabaseUrl, is_wanted: bool) -> Result<Vec<Migration>, Error> {
        let place = url.to_string();
        let open = |reason: String| Error::Database { place: place.clone(), reason };
        let connector = Connector::new(url).map_err(open)?;
        let work = || async {
            let failed = |failure: Failure| open(failure.to_string());
            let mut client = connector.connect(Purpose::Migrate).await.map_err(failed)?;
            if is_wanted {
                connector.check(&client).await.map_err(failed)?;
                schema::migrate(&mut client, &place).await?;
            }
            schema::status(&client).await.map_err(failed)
        };
        apart(work).map_err(open)?
    }
}

/// Runs something that waits on a thread of its own: the caller may itself be inside a runtime.
fn apart<T: Send, F: Future<Output = T>>(work: impl FnOnce() -> F + Send) -> Result<T, String> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| runtime().map(|runtime| runtime.block_on(work())));
        match thread.join() {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(_) => Err("opening failed".to_owned()),
        }
    })
}

pub(super) fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// What opening found out before the lanes run.
struct Prepared {
    generation: Generation,
    key: [u8; 32],
    /// The moment, for the first look at what other nodes change.
    opened: Since,
}

/// Everything that opening does before the lanes run.
async fn prepare(connector: &Connector, place: &str, folder: &Path) -> Result<Prepared, Error> {
    let failed =
        |failure: Failure| Error::Database { place: place.to_owned(), reason: failure.to_string() };
    let mut client = connect_patiently(connector).await.map_err(failed)?;
    connector.check(&client).await.map_err(failed)?;
    schema::migrate(&mut client, place).await?;
    super::backup::refuse_unfinished(&client).await.map_err(failed)?;
    let key = identity(&client).await.map_err(failed)?;
    let generation = Generation::open(&mut client, folder).await.map_err(failed)?;
    let opened = moment(&client).await.map_err(failed)?;
    Ok(Prepared { generation, key, opened })
}

/// Before every change that this node could not have seen by a read.
async fn moment(client: &Client) -> Result<Since, Failure> {
    let now = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint";
    Ok(Since { xid: client.query_one(now, &[]).await?.try_get(0)?, row: 0, then: None })
}

async fn connect_patiently(connector: &Connector) -> Result<Client, Failure> {
    let started = Instant::now();
    loop {
        let failure = match connector.connect(Purpose::Migrate).await {
            Ok(client) => return Ok(client),
            Err(failure) => failure,
        };
        if !is_starting(&failure) || started.elapsed() >= PATIENCE {
            return Err(failure);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether the server may be there in a moment. A wrong password or name will not mend itself.
fn is_starting(failure: &Failure) -> bool {
    let Failure::Sql(error) = failure else { return false };
    let code = error.code().map_or("57P03", |code| code.code());
    failure.cause() == Cause::Away && (code.starts_with("57P") || code.starts_with("53"))
}

/// The key of this store; made with the store.
async fn identity(client: &Client) -> Result<[u8; 32], Failure> {
    let (key, store) = (rand::random::<[u8; 32]>(), format!("{:032x}", rand::random::<u128>()));
    let insert = "INSERT INTO state (store, generation, cid_key, system, timeline)
         SELECT $1, 0, $2, c.system_identifier::text,
             ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint
         FROM pg_control_system() c ON CONFLICT DO NOTHING";
    client.execute(insert, &[&store, &&key[..]]).await?;
    let row = client.query_one("SELECT cid_key FROM state", &[]).await?;
    <[u8; 32]>::try_from(row.try_get::<_, &[u8]>(0)?).map_err(|_| Failure::Odd("key"))
}

/// Starts the lanes.
fn start(
    queues: Vec<Arc<Queue>>,
    tools: Tools,
    (pool, opened): (Pool, Since),
    shared: Arc<Shared>,
) -> std::io::Result<Inner> {
    let hasher = tools.hasher.clone();
    let seen = tools.generation.seen().clone();
    let mut ended = Vec::new();
    for (number, queue) in queues.iter().enumerate() {
        let (name, kind) = match number {
            last if last + 1 == queues.len() => ("store-people".to_owned(), Kind::People),
            _ => (format!("store-lane-{number}"), Kind::Rooms),
        };
        let lane = Lane::new(name.clone(), kind, Arc::clone(queue), tools.clone());
        let (end, has_ended) = oneshot::channel();
        let runtime = runtime()?;
        let spawned = thread::Builder::new().name(name).spawn(move || {
            lane.run(&runtime);
            let _ = end.send(());
        });
        if let Err(error) = spawned {
            queues.iter().for_each(|queue| queue.close());
            return Err(error);
        }
        ended.push(has_ended);
    }
    let mut rooms = queues;
    let people = rooms.pop().ok_or_else(|| std::io::Error::other("no lane"))?;
    let ended = Mutex::new(ended);
    Ok(Inner { shared, hasher, rooms, people, pool, opened, seen, ended })
}
