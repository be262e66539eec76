//! The load: people on either node, some of whom send at an even pace, and when what they sent came to the others.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};
use uuid::Uuid;

use crate::site::Site;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const PATIENCE: Duration = Duration::from_secs(20);
/// Makes a message about as long as people's are.
const FILLING: &str = "the tide is going out, and the boat hangs on its moorings; mind the lines, and call when you are in";
/// What stands before the moment of sending in a body.
const MARK: &str = "sent at ";

/// How fast and how long.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// Messages a second, of all senders together.
    pub(crate) rate: u32,
    pub(crate) window: Duration,
}

/// When messages came, in microseconds after they were sent.
#[derive(Default)]
pub(crate) struct Delays {
    /// To people on the sender's node.
    pub(crate) near: Vec<u32>,
    /// To people on the other.
    pub(crate) far: Vec<u32>,
    pub(crate) sent: u64,
}

/// People who are connected.
pub(crate) struct Talk<'a> {
    site: &'a Site,
    senders: Vec<(SplitSink<Socket, Message>, String)>,
    readers: Vec<(SplitStream<Socket>, usize)>,
}

impl<'a> Talk<'a> {
    pub(crate) fn new(site: &'a Site) -> Self {
        Self { site, senders: Vec::new(), readers: Vec::new() }
    }

    /// A person comes to a node; senders send to this room.
    pub(crate) async fn join(
        &mut self,
        user: &str,
        room: &str,
        node: usize,
        sends: bool,
    ) -> Result<()> {
        let url = format!("ws://{}/ws", self.site.address(node));
        let (mut socket, _) = ClientBuilder::new().uri(&url)?.connect().await?;
        let hello = json!({"type":"hello","token":Site::token(user)?,"resume":{}});
        socket.send(Message::text(hello.to_string())).await?;
        loop {
            let frame = timeout(PATIENCE, socket.next()).await?.context("no welcome")??;
            let frame: Value = serde_json::from_str(frame.as_text().unwrap_or("{}"))?;
            match frame["type"].as_str() {
                Some("welcome") => break,
                Some("error") => bail!("no welcome but {frame}"),
                _ => {}
            }
        }
        let (to, from) = socket.split();
        if sends {
            self.senders.push((to, room.to_owned()));
        }
        self.readers.push((from, node));
        Ok(())
    }

    /// Lets them talk, and waits until everybody has everything.
    pub(crate) async fn run(self, pace: Pace) -> Result<Delays> {
        ensure!(!self.senders.is_empty(), "nobody sends");
        let began = Instant::now();
        let total = (f64::from(pace.rate) * pace.window.as_secs_f64()) as u64;
        let each = total.div_ceil(self.senders.len() as u64);
        let total = each * self.senders.len() as u64;
        let mut reading = JoinSet::new();
        // Rooms are of one size, and each has one sender.
        for (from, node) in self.readers {
            reading.spawn(async move { (node, read(from, each, began).await) });
        }
        let mut beats = interval(Duration::from_secs(1) / pace.rate);
        beats.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut senders = self.senders;
        for n in 0..total {
            beats.tick().await;
            let turn = usize::try_from(n)? % senders.len();
            let (to, room) = &mut senders[turn];
            let cid = Uuid::now_v7().to_string();
            let body = format!("{MARK}{} {FILLING}", began.elapsed().as_micros());
            let send = json!({"type":"send","n":n,"room":room,"cid":cid,"body":body});
            to.send(Message::text(send.to_string())).await?;
        }
        let mut delays = Delays { sent: total, ..Delays::default() };
        while let Some(read) = timeout(PATIENCE, reading.join_next()).await? {
            let (node, read) = read?;
            if node == 0 { &mut delays.near } else { &mut delays.far }.extend(read?);
        }
        Ok(delays)
    }
}

/// Reads until so many messages came; how long each was under way.
async fn read(mut from: SplitStream<Socket>, messages: u64, began: Instant) -> Result<Vec<u32>> {
    let mut delays = Vec::new();
    while (delays.len() as u64) < messages {
        let frame = timeout(PATIENCE, from.next())
            .await
            .with_context(|| format!("{} of {messages} came", delays.len()))?;
        let frame = frame.context("the connection was closed")??;
        let Some(text) = frame.as_text() else { continue };
        // An ack has no body; an event has.
        let Some((_, rest)) = text.split_once(MARK) else { continue };
        let sent = rest.split(' ').next().and_then(|word| word.parse::<u64>().ok());
        let now = u64::try_from(began.elapsed().as_micros())?;
        let delay = now.saturating_sub(sent.context("a body is not as it was sent")?);
        delays.push(u32::try_from(delay)?);
    }
    Ok(delays)
}
