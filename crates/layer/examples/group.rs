//! A group over two processes. In one terminal, then in another:
//!
//! ```text
//! cargo run -p moorline-layer --example group -- listen redis://127.0.0.1:6379/0
//! cargo run -p moorline-layer --example group -- say redis://127.0.0.1:6379/0 "Ahoy"
//! ```
//!
//! In Django the second is `async_to_sync(get_channel_layer().group_send)("harbour", {"type": "chat.message", "text": "Ahoy"})`.

use std::env;

use moorline_layer::{ChannelLayer, Error, Host, Message, Options};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["listen", url] => listen(&open(url)?).await,
        ["say", url, text] => {
            let layer = open(url)?;
            let message = Message::of_type("chat.message").with("text", *text);
            layer.group_send("harbour", &message).await?;
            layer.close().await;
            Ok(())
        }
        _ => {
            println!("group listen URL | group say URL TEXT");
            Ok(())
        }
    }
}

fn open(url: &str) -> Result<ChannelLayer, Error> {
    ChannelLayer::redis(Options { hosts: vec![Host::parse(url)?], ..Options::default() })
}

async fn listen(layer: &ChannelLayer) -> Result<(), Error> {
    let channel = layer.new_channel().await?;
    layer.group_add("harbour", &channel).await?;
    let mut gaps = layer.gaps();
    println!("listening; stop with Ctrl-C");
    loop {
        tokio::select! {
            message = layer.receive(&channel) => println!("{:?}", message?.text("text")),
            // What must not be missed is read from its own store now: the layer may have lost a message.
            Some(gap) = gaps.next() => println!("there may be a gap: {gap:?}"),
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    // Leaves the group, so that nobody sends to a channel that nobody reads.
    layer.close_channel(&channel).await?;
    layer.close().await;
    Ok(())
}
