//! The chat of Channels' tutorial: whoever is at `ws/chat/<room>/` gets every `{"message": …}` sent there.
//! `cargo run -p moorline-server --example tutorial_chat`, then point the tutorial's page at port 9002.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use clap::Parser;
use moorline_protocol::Frame;
use moorline_server::{
    Accept, Close, Closed, Connection, ConnectionId, Consumer, Incoming, Refusal, Route, Scope,
    Server, ServerConfig,
};
use parking_lot::Mutex;
use serde_json::{Value, json};

#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 9002)]
    port: u16,
}

/// Who is in which room.
type Rooms = Arc<Mutex<HashMap<String, HashMap<ConnectionId, Connection>>>>;

struct ChatConsumer {
    rooms: Rooms,
    room: String,
    id: Option<ConnectionId>,
}

impl Consumer for ChatConsumer {
    async fn connect(&mut self, scope: &Scope) -> Result<Accept, Refusal> {
        self.room = scope.parameter("room").unwrap_or_default().to_owned();
        Ok(Accept::new())
    }

    fn connected(&mut self, connection: &Connection) -> Result<(), Close> {
        self.id = Some(connection.id());
        let mut rooms = self.rooms.lock();
        rooms.entry(self.room.clone()).or_default().insert(connection.id(), connection.clone());
        Ok(())
    }

    async fn receive(&mut self, incoming: Incoming, _: &Connection) -> Result<(), Close> {
        let Incoming::Text(text) = incoming else { return Ok(()) };
        let Ok(said) = serde_json::from_str::<Value>(&text) else { return Ok(()) };
        let frame = Frame::json(&json!({"message": said["message"]})); // Encoded once for all.
        for member in self.rooms.lock().get(&self.room).into_iter().flat_map(HashMap::values) {
            let _ = member.outbox().push(frame.clone());
        }
        Ok(())
    }

    async fn disconnect(&mut self, _: &Closed) {
        let mut rooms = self.rooms.lock();
        let (Some(id), Some(members)) = (self.id, rooms.get_mut(&self.room)) else { return };
        members.remove(&id);
        if members.is_empty() {
            rooms.remove(&self.room);
        }
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let rooms = Rooms::default();
    let chat =
        move |_: &Scope| ChatConsumer { rooms: rooms.clone(), room: String::new(), id: None };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, Args::parse().port))?;
    println!("ws://{}/ws/chat/lobby/", listener.local_addr()?);
    Server::new(ServerConfig::default())
        .websocket(Route::new("/ws/chat/{room}/", chat))
        .listen(listener)
        .run(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await
}
