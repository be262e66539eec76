//! The chat of Channels' tutorial: whoever is at `ws/chat/<room>/` gets every `{"message": …}` sent there.
//! `cargo run -p moorline-server --example tutorial_chat`, then point the tutorial's page at port 9002; with
//! `--redis-url redis://127.0.0.1:6379/0` people here and people at Django are in the same rooms.

use std::net::{Ipv4Addr, TcpListener};

use clap::Parser;
use moorline_layer::{Host, Options};
use moorline_server::{
    Accept, Channel, ChannelLayer, Close, Connection, Consumer, Dispatched, Incoming, Message,
    Refusal, Route, Scope, Server, ServerConfig,
};
use serde_json::{Value, json};

#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 9002)]
    port: u16,
    /// Redis, as in Django's CHANNEL_LAYERS; without it the rooms are those of this process.
    #[arg(long)]
    redis_url: Option<String>,
}

pub(crate) struct ChatConsumer {
    layer: ChannelLayer,
    channel: Option<Channel>,
    room_group_name: String,
}

impl Consumer for ChatConsumer {
    async fn connect(&mut self, scope: &Scope) -> Result<Accept, Refusal> {
        let room_name = scope.parameter("room_name").unwrap_or_default();
        self.room_group_name = format!("chat_{room_name}");
        let channel = self.channel.insert(Channel::open(&self.layer).await?);
        channel.group_add(&self.room_group_name).await?; // Left by itself at the end.
        Ok(Accept::new())
    }

    fn channel(&mut self) -> Option<&mut Channel> {
        self.channel.as_mut()
    }

    /// From the browser: into the group.
    async fn receive(&mut self, incoming: Incoming, _: &Connection) -> Result<(), Close> {
        let (Incoming::Text(text), Some(channel)) = (incoming, &self.channel) else {
            return Ok(());
        };
        let said = serde_json::from_str::<Value>(&text).unwrap_or_default();
        let Some(message) = said["message"].as_str() else { return Ok(()) };
        let event = Message::of_type("chat.message").with("message", message);
        if let Err(error) = channel.group_send(&self.room_group_name, &event).await {
            tracing::warn!(%error, "a message is lost");
        }
        Ok(())
    }

    /// From the group: to the browser.
    async fn dispatch(
        &mut self,
        event: Message,
        connection: &Connection,
    ) -> Result<Dispatched, Close> {
        match event.kind() {
            Some("chat.message") => {
                connection.send_text(&json!({"message": event.text("message")}).to_string());
                Ok(Dispatched::Handled)
            }
            _ => Ok(Dispatched::Unknown),
        }
    }
}

/// A consumer for one more socket.
pub(crate) fn consumer(layer: ChannelLayer) -> ChatConsumer {
    ChatConsumer { layer, channel: None, room_group_name: String::new() }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let args = Args::parse();
    let layer = match &args.redis_url {
        Some(url) => {
            ChannelLayer::redis(Options { hosts: vec![Host::parse(url)?], ..Options::default() })?
        }
        None => ChannelLayer::memory(Options::default())?,
    };
    let chat = move |_: &Scope| consumer(layer.clone());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))?;
    println!("ws://{}/ws/chat/lobby/", listener.local_addr()?);
    Server::new(ServerConfig::default())
        .websocket(Route::new("/ws/chat/{room_name}/", chat))
        .listen(listener)
        .run(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}
