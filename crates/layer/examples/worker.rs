//! A worker on a named channel, what Django calls a consumer under a `ChannelNameRouter`:
//! `cargo run -p moorline-layer --example worker -- redis://127.0.0.1:6379/0 thumbnails`.
//!
//! Several workers on one channel share its messages. In Django,
//! `channel_layer.send("thumbnails", {"type": "generate", "id": 123})` gives them work.

use std::env;

use moorline_layer::{ChannelLayer, Error, Host, Options, Value};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [url, channel] = words.as_slice() else {
        println!("worker URL CHANNEL");
        return Ok(());
    };
    let layer =
        ChannelLayer::redis(Options { hosts: vec![Host::parse(url)?], ..Options::default() })?;
    println!("working on {channel}; stop with Ctrl-C");
    loop {
        let message = tokio::select! {
            message = layer.receive(channel) => message?,
            _ = tokio::signal::ctrl_c() => break,
        };
        match message.kind() {
            Some("generate") => {
                println!("generating {:?}", message.get("id").and_then(Value::as_i64))
            }
            other => println!("no handler for the message type {other:?}"),
        }
    }
    layer.close().await;
    Ok(())
}
