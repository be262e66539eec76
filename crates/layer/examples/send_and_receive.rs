//! One message to a channel and back: `cargo run -p moorline-layer --example send_and_receive [redis://…]`.
//!
//! Without a URL it stays in memory; with one it meets Django, if Django has the same prefix and keys.

use moorline_layer::{ChannelLayer, Error, Host, Message, Options};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let layer = match std::env::args().nth(1) {
        Some(url) => {
            ChannelLayer::redis(Options { hosts: vec![Host::parse(&url)?], ..Options::default() })?
        }
        None => ChannelLayer::memory(Options::default())?,
    };
    // Only this process receives on it; give the name to whoever is to answer.
    let channel = layer.new_channel().await?;
    println!("sending to {channel}");
    layer.send(&channel, &Message::of_type("chat.message").with("text", "Ahoy")).await?;
    let message = layer.receive(&channel).await?;
    println!("received {:?}", message.text("text"));
    layer.close().await;
    Ok(())
}
