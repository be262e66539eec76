//! A consumer that says what it hears: `cargo run --release -p moorline-server --example echo -- --port 9001`, then
//! connect to `ws://127.0.0.1:9001/_echo`. The Autobahn cases run against it.

use std::net::{Ipv4Addr, TcpListener};

use clap::Parser;
use moorline_protocol::Frame;
use moorline_server::{Close, Connection, Consumer, Incoming, Route, Server, ServerConfig};

#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 9001)]
    port: u16,
    /// Take offers of compression, and deflate what is said back.
    #[arg(long)]
    compression: bool,
}

struct Echo;

impl Consumer for Echo {
    async fn receive(&mut self, incoming: Incoming, connection: &Connection) -> Result<(), Close> {
        let echo = match incoming {
            Incoming::Text(text) => Frame::text(&text),
            Incoming::Bytes(bytes) => Frame::binary(&bytes),
        };
        connection.outbox().reply(echo.deflatable());
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let args = Args::parse();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))?;
    println!("ws://{}/_echo", listener.local_addr()?);
    let echo = Route::new("/_echo", |_| Echo).message_bytes(16 * 1024 * 1024);
    Server::new(ServerConfig::default())
        .websocket(echo.compressed(args.compression))
        .listen(listener)
        .run(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await
}
