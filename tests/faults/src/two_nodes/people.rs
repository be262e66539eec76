//! The people of the proof of two nodes: each a task with one connection that sends its share, as fast as it may, and
//! reads until it has everything that was said in its room, next after next.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};
use uuid::Uuid;

use crate::cluster::PATIENCE;
use crate::server::token;

/// Sends of one person that wait for their acks.
const AT_ONCE: u64 = 16;
/// About as long as people's messages are.
const FILLING: &str = "the tide is going out, and the boat hangs on its moorings; mind the lines, and call when you are in";

/// Somebody who is connected.
pub(super) struct Person {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    room: String,
    /// The last event of the room that they know of.
    seq: u64,
}

/// What one of them is to do.
#[derive(Clone, Copy)]
pub(super) struct Share {
    /// Messages that they send.
    pub(super) sends: u64,
    /// Messages that they hear, their own among them.
    pub(super) hears: u64,
    /// Between two sends, and before the first; none: as fast as acks come.
    pub(super) beat: Option<(Duration, Duration)>,
}

/// The parts of a frame that matter here.
#[derive(Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    room: serde_json::Value,
    seq: Option<u64>,
    #[serde(default)]
    rooms: Vec<Room>,
}

#[derive(Deserialize)]
struct Room {
    id: String,
    head: u64,
}

impl Person {
    /// Connects to a node; they are in this one room.
    pub(super) async fn come(node: SocketAddr, user: &str, room: &str) -> Result<Self> {
        let url = format!("ws://{node}/ws");
        let (mut socket, _) = ClientBuilder::new().uri(&url)?.connect().await?;
        let hello = json!({"type":"hello","token":token(user)?}).to_string();
        socket.send(Message::text(hello)).await?;
        let mut person = Self { socket, room: room.to_owned(), seq: 0 };
        let welcome = person.next().await?;
        ensure!(welcome.kind == "welcome", "no welcome but {}", welcome.kind);
        let known = welcome.rooms.into_iter().find(|known| known.id == room);
        person.seq = known.context("the room is not theirs")?.head;
        Ok(person)
    }

    /// Does their share; answers when the last ack came.
    pub(super) async fn talk(mut self, share: Share) -> Result<Instant> {
        let mut beats = share.beat.map(|(every, after)| {
            let mut beats = interval_at(Instant::now() + after, every);
            beats.set_missed_tick_behavior(MissedTickBehavior::Burst);
            beats
        });
        let (mut sent, mut acked, mut last) = (0, 0, Instant::now());
        let (mut heard, mut repeated) = (0, 0);
        while acked < share.sends || heard < share.hears {
            let may_send = sent < share.sends && sent - acked < AT_ONCE;
            let frame = tokio::select! {
                () = due(&mut beats), if may_send => {
                    self.send(sent).await?;
                    sent += 1;
                    continue;
                }
                frame = self.next() => {
                    frame.with_context(|| format!("{acked} acks, {heard} of {}", share.hears))?
                }
            };
            match frame.kind.as_str() {
                "ack" => {
                    acked += 1;
                    last = Instant::now();
                }
                "event" if frame.room == *self.room => {
                    let seq = frame.seq.context("an event without a seq")?;
                    if seq <= self.seq {
                        // The wire may repeat where the store did not answer at once.
                        repeated += 1;
                        continue;
                    }
                    ensure!(seq == self.seq + 1, "after {} came {seq}", self.seq);
                    self.seq = seq;
                    heard += 1;
                }
                "error" => bail!("a send was refused"),
                _ => {}
            }
        }
        ensure!(heard == share.hears, "{heard} messages instead of {}", share.hears);
        ensure!(repeated * 4 < share.hears, "{repeated} of {heard} messages were repeated");
        // Whether the node still listens makes no difference.
        let _ = timeout(PATIENCE, self.socket.close()).await;
        Ok(last)
    }

    async fn send(&mut self, number: u64) -> Result<()> {
        let (cid, body) = (Uuid::now_v7().to_string(), format!("{number} {FILLING}"));
        let send = json!({"type":"send","id":number,"room":self.room,"cid":cid,"body":body});
        Ok(self.socket.send(Message::text(send.to_string())).await?)
    }

    async fn next(&mut self) -> Result<Frame> {
        loop {
            let came = timeout(PATIENCE, self.socket.next()).await.context("nothing comes")?;
            let came = came.context("the connection was closed")??;
            if let Some(text) = came.as_text() {
                return Ok(serde_json::from_str(text)?);
            }
        }
    }
}

async fn due(beats: &mut Option<Interval>) {
    if let Some(beats) = beats {
        beats.tick().await;
    }
}
