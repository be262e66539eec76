//! `CLIENT LIST`: whose connections there are, and whether those that wait for messages live on.
//!
//! A reader of channels_redis waits five seconds, gets nothing, and waits again on the same connection. One whose own side
//! gives up after five seconds (redis-py 8 by default) loses its connection just then, and its consumer ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use moorline_layer::{Host, Probe, Trouble};

use super::{ANSWER, each_host};
use crate::finding::Outcome;
use crate::subject::Subject;

/// What our own connections are called while we look.
pub(super) const OWN_NAME: &str = "moorline-doctor";
/// What the server's are called.
const SERVER_NAME: &str = "moorline";

/// So often it looks for readers at the most: where all broke off in one moment, the first look sees none of them.
const LOOKS: usize = 6;
/// Between two such looks; all together take three seconds.
const LOOK_PAUSE: Duration = Duration::from_millis(600);
/// Long enough to see a reader through two of its waits.
const WATCH: Duration = Duration::from_secs(12);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// From so many seconds of waiting on, five are about to be over.
const LATE: u64 = 4;
/// The 100 connections that redis-py 8 opens at most by default, or nearly, with a few of other programs of the same machine.
const CROWD: std::ops::RangeInclusive<usize> = 95..=110;

/// A connection as Redis tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Client {
    id: u64,
    from: String,
    name: String,
    library: String,
    command: String,
    flags: String,
    idle: u64,
}

impl Client {
    fn parse(line: &str) -> Option<Self> {
        let fields: BTreeMap<&str, &str> =
            line.split_whitespace().filter_map(|word| word.split_once('=')).collect();
        let text = |name: &str| fields.get(name).copied().unwrap_or_default().to_owned();
        Some(Self {
            id: text("id").parse().ok()?,
            from: text("addr").rsplit_once(':').map(|(ip, _)| ip.to_owned()).unwrap_or_default(),
            name: text("name"),
            library: format!("{} {}", text("lib-name"), text("lib-ver")).trim().to_owned(),
            command: text("cmd"),
            flags: text("flags"),
            idle: text("idle").parse().unwrap_or_default(),
        })
    }

    fn is_ours(&self) -> bool {
        self.name == SERVER_NAME || self.name == OWN_NAME
    }

    /// Whether its library opens 100 connections at most, as far as Redis tells the library; it does so from 7.2 on.
    fn may_have_limit(&self) -> bool {
        let Some((name, version)) = self.library.split_once(' ') else { return true };
        let major = version.split('.').next().and_then(|word| word.parse::<u32>().ok());
        name.starts_with("redis-py") && major.is_none_or(|major| major >= 8)
    }

    /// Whether it is somebody else's and waits for a message of the core layer.
    fn is_reader(&self) -> bool {
        self.command.eq_ignore_ascii_case("bzpopmin") && !self.is_ours()
    }

    /// Whether five seconds of waiting are about to be over.
    fn is_late(&self) -> bool {
        self.is_reader() && self.idle >= LATE
    }
}

pub(crate) async fn live_on(subject: &Subject) -> Outcome {
    each_host(subject, async |mut probe, host, _| {
        let Some(looked) = look_for_readers(&mut probe).await? else {
            return Ok(Outcome::skipped("This user may not ask for CLIENT LIST."));
        };
        let mut watched = Watched::of(looked);
        let seen = summary(&watched.fullest);
        if watched.fullest.iter().any(Client::is_reader) {
            watch(&mut probe, &mut watched).await?;
        }
        Ok(together(watched.judge(host, &seen), crowds(&watched.fullest, host)))
    })
    .await
}

/// The first look at which a reader waits, or else the last one; none where this user may not look.
async fn look_for_readers(probe: &mut Probe) -> Result<Option<Vec<Client>>, Trouble> {
    let mut looked = list(probe).await?;
    for _ in 1..LOOKS {
        if looked.as_ref().is_none_or(|clients| clients.iter().any(Client::is_reader)) {
            break;
        }
        tokio::time::sleep(LOOK_PAUSE).await;
        looked = list(probe).await?;
    }
    Ok(looked)
}

async fn list(probe: &mut Probe) -> Result<Option<Vec<Client>>, Trouble> {
    let reply = probe.ask(&["CLIENT", "LIST"], ANSWER).await?;
    Ok(reply.text().map(|text| text.lines().filter_map(Client::parse).collect()))
}

fn summary(clients: &[Client]) -> String {
    let named = clients.iter().filter(|client| client.name == SERVER_NAME).count();
    let others: Vec<&Client> = clients.iter().filter(|client| !client.is_ours()).collect();
    let blocked = others.iter().filter(|client| client.flags.contains('b')).count();
    let listening = others.iter().filter(|client| client.flags.contains('P')).count();
    let idle =
        others.iter().filter(|client| client.idle > 300 && !client.flags.contains('b')).count();
    format!(
        "{} connections: {named} of Moorline, {} of others, of which {blocked} wait for messages, {listening} listen to Pub/Sub and \
         {idle} were idle for over five minutes.",
        named + others.len(),
        others.len()
    )
}

/// What became of the connections of others that waited.
#[derive(Debug, Default)]
struct Watched {
    /// Gone when five seconds were about to be over.
    broke_off: usize,
    /// Waited again on the same connection.
    lived_on: usize,
    /// The look at which there were the most: at another many may just have broken off.
    fullest: Vec<Client>,
}

async fn watch(probe: &mut Probe, watched: &mut Watched) -> Result<(), Trouble> {
    let until = Instant::now() + WATCH;
    let mut late: BTreeSet<u64> = BTreeSet::new();
    while Instant::now() < until {
        let clients = list(probe).await?.unwrap_or_default();
        late.retain(|id| match clients.iter().find(|client| client.id == *id) {
            None => {
                watched.broke_off += 1;
                false
            }
            Some(client) if client.is_late() => true,
            Some(_) => {
                watched.lived_on += 1;
                false
            }
        });
        late.extend(clients.iter().filter(|client| client.is_late()).map(|client| client.id));
        if clients.len() > watched.fullest.len() {
            watched.fullest = clients;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

impl Watched {
    fn of(looked: Vec<Client>) -> Self {
        Self { fullest: looked, ..Self::default() }
    }

    fn judge(&self, host: &Host, seen: &str) -> Outcome {
        let Self { broke_off, lived_on, .. } = self;
        if *broke_off == 0 {
            return Outcome::pass(seen);
        }
        let told = format!(
            "{seen} On {host} {broke_off} of {} connections that waited for a message were given up by their own side after five \
             seconds.",
            broke_off + lived_on
        );
        let why = "redis-py 8 gives up every read after 5 s by default, and channels_redis waits 5 s: each idle consumer of Django \
                   ends with TimeoutError, its socket closes with 1011, and a ghost stays in its groups.";
        let fix = "In CHANNEL_LAYERS give the host as a map: \"hosts\": [{\"address\": \"redis://…\", \"socket_timeout\": None}]. A URL \
                   can say ?socket_timeout=30, not None. Or: pip install 'redis<8'.";
        // One that leaves at that moment is chance.
        if broke_off > lived_on {
            Outcome::fail(told, why, fix)
        } else {
            Outcome::warn(told, why, fix)
        }
    }
}

/// Whether another program has used up what its pool may open.
fn crowds(clients: &[Client], host: &Host) -> Outcome {
    let mut by_origin: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for client in clients.iter().filter(|client| !client.is_ours() && client.may_have_limit()) {
        *by_origin.entry((&client.from, &client.library)).or_default() += 1;
    }
    let crowd = by_origin.into_iter().find(|(_, count)| CROWD.contains(count));
    let Some(((from, library), count)) = crowd else { return Outcome::pass("") };
    let library = if library.is_empty() { String::new() } else { format!(" ({library})") };
    Outcome::warn(
        format!("From {from}{library} {count} connections to {host} are open."),
        "redis-py 8 opens at most 100 by default. Whoever sends, joins or waits while all are taken ends with \
         MaxConnectionsError; of a consumer the socket closes.",
        "In CHANNEL_LAYERS: \"hosts\": [{\"address\": \"redis://…\", \"socket_timeout\": None, \"max_connections\": 10000}].",
    )
}

/// Two troubles of the same readers, told together and as bad as the first.
fn together(first: Outcome, second: Outcome) -> Outcome {
    if first.advice.is_none() || second.advice.is_none() {
        return first.and(second);
    }
    let status = first.status;
    first.and(Outcome { status, ..second })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status;

    fn client(id: u64, rest: &str) -> Client {
        Client::parse(&format!("id={id} addr=10.0.0.7:4{id} fd=8 {rest}")).unwrap()
    }

    #[test]
    fn connections_are_told_by_name_and_by_what_they_do() {
        let clients = [
            client(1, "name=moorline idle=0 flags=b cmd=bzpopmin"),
            client(2, "name= idle=3 flags=b cmd=bzpopmin"),
            client(3, "name= idle=400 flags=N cmd=get"),
            client(4, "name=moorline-doctor idle=0 flags=N cmd=client|list"),
        ];
        let told = summary(&clients);
        assert!(
            told.starts_with("3 connections: 1 of Moorline, 2 of others, of which 1 wait"),
            "{told}"
        );
        assert!(told.contains("1 were idle"), "{told}");
    }

    #[test]
    fn a_pool_that_is_used_up_is_warned_of() {
        let judge = |count: u64, library: &str| {
            let line = format!("name= cmd=bzpopmin flags=b {library}");
            let clients: Vec<_> = (1..=count).map(|id| client(id, &line)).collect();
            crowds(&clients, &Host::localhost()).status
        };
        assert_eq!(judge(100, ""), Status::Warn);
        assert_eq!(judge(101, "lib-name=redis-py lib-ver=8.1.0"), Status::Warn);
        assert_eq!(judge(90, ""), Status::Pass);
        assert_eq!(judge(300, ""), Status::Pass);
        assert_eq!(judge(100, "lib-name=redis-py lib-ver=7.1.0"), Status::Pass);
        assert_eq!(judge(100, "lib-name=node-redis lib-ver=8.0.0"), Status::Pass);
    }

    #[test]
    fn a_pool_that_is_used_up_is_told_also_where_its_readers_break_off() {
        let hasty = Watched { broke_off: 100, ..Watched::default() }.judge(&Host::localhost(), "");
        let crowd = Outcome::warn("Many.", "No more.", "\"max_connections\": 10000");
        let both = together(hasty, crowd.clone());
        assert_eq!(both.status, Status::Fail);
        let fix = both.advice.unwrap().fix;
        assert!(
            fix.contains("\"socket_timeout\": None") && fix.contains("max_connections"),
            "{fix}"
        );
        assert_eq!(together(Outcome::pass("seen"), crowd).status, Status::Warn);
    }

    #[test]
    fn readers_that_break_off_fail_and_a_single_one_that_leaves_does_not() {
        let judge = |broke_off, lived_on| {
            Watched { broke_off, lived_on, fullest: Vec::new() }
                .judge(&Host::localhost(), "")
                .status
        };
        assert_eq!(judge(3, 0), Status::Fail);
        assert_eq!(judge(1, 5), Status::Warn);
        assert_eq!(judge(0, 5), Status::Pass);
    }
}
