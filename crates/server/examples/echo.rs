//! A consumer that says what it hears: `cargo run --release -p moorline-server --example echo -- --port 9001`, then
//! connect to `ws://127.0.0.1:9001/_echo`. The Autobahn cases run against it.

use std::net::{Ipv4Addr, TcpListener};

use clap::Parser;
use moorline_server::{Close, Connection, Consumer, Incoming, Route, Server, ServerConfig};

#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 9001)]
    port: u16,
}

struct Echo;

impl Consumer for Echo {
    async fn receive(&mut self, incoming: Incoming, connection: &Connection) -> Result<(), Close> {
        match incoming {
            Incoming::Text(text) => connection.send_text(&text),
            Incoming::Bytes(bytes) => connection.send_bytes(&bytes),
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, Args::parse().port))?;
    println!("ws://{}/_echo", listener.local_addr()?);
    Server::new(ServerConfig::default())
        .websocket(Route::new("/_echo", |_| Echo).message_bytes(16 * 1024 * 1024))
        .listen(listener)
        .run(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await
}
