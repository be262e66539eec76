//! A TCP proxy that breaks connections on command, for tests in any language.
//!
//! Prints one line, `proxy ADDRESS control ADDRESS`, then obeys lines on the control port: `cut`,
//! `stall`, `resume`, `refuse`, `tear`, `half client|server`, `idle SECONDS|off`, `delay MS`,
//! `target ADDRESS`, `stats`, `quit`.

use std::net::SocketAddr;

use clap::Parser;
use moorline_faults::control;
use moorline_faults::proxy::Proxy;
use tokio::net::TcpListener;

#[derive(Parser)]
#[command(about = "A TCP proxy that breaks connections on command.")]
struct Args {
    /// Where to forward to.
    #[arg(long)]
    target: SocketAddr,
    /// Where clients connect to.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where commands are taken.
    #[arg(long, default_value = "127.0.0.1:0")]
    control: SocketAddr,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let proxy = Proxy::bind(args.listen, args.target).await?;
    let listener = TcpListener::bind(args.control).await?;
    println!("proxy {} control {}", proxy.address(), listener.local_addr()?);
    control::serve(&proxy, listener).await
}
