//! The floor of the comparison with `channels_redis`: a client of Redis Pub/Sub that makes the system calls and nothing
//! else.
//!
//! `layer_floor echo|ping pubsub URL GROUP 1 MESSAGES 0` takes the part of one `layer_bench` in one conversation: the same
//! lines on stdin and stdout, the same number of bytes. It blocks in each read, encodes and decodes nothing, keeps no
//! promise. What it needs of a CPU is what the kernel takes for a message that is sent, confirmed and received, so no
//! layer in any language can need less.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use redis::ConnectionInfo;

type Failed = Box<dyn std::error::Error>;

/// About as many bytes as the messages of `layer_bench` have.
const BYTES: usize = 200;

fn main() -> Result<(), Failed> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [role, _, url, _, _, messages, _] = words.as_slice() else {
        return Err("layer_floor ROLE pubsub URL GROUP 1 MESSAGES 0".into());
    };
    let own = format!("floor{}", std::process::id());
    let (mut commands, mut subscription) = (open(url)?, open(url)?);
    ask(&mut subscription, &["SUBSCRIBE", &own])?;
    say(if role == "echo" { &own } else { "ready" })?;
    let mut seen = Vec::new();
    if role == "echo" {
        // The first message names the other, as in the real conversation.
        let other = name_in(&read(&mut subscription)?)?;
        for n in 0..messages.parse()? {
            if n > 0 {
                read(&mut subscription)?;
            }
            ask(&mut commands, &["PUBLISH", &other, &padded(&own)])?;
        }
    } else {
        let other = go()?;
        for _ in 0..messages.parse()? {
            let began = Instant::now();
            ask(&mut commands, &["PUBLISH", &other, &padded(&own)])?;
            read(&mut subscription)?;
            seen.push(began.elapsed().as_secs_f64());
        }
    }
    say("done")?;
    go()?;
    let seen: Vec<String> = seen.iter().map(|seconds| format!("{seconds:.7}")).collect();
    Ok(say(&format!("[{}]", seen.join(",")))?)
}

fn open(url: &str) -> Result<TcpStream, Failed> {
    let info: ConnectionInfo = redis::IntoConnectionInfo::into_connection_info(url)?;
    let mut stream = TcpStream::connect(info.addr().to_string())?;
    stream.set_nodelay(true)?;
    if let Some(password) = info.redis_settings().password() {
        ask(&mut stream, &["AUTH", password])?;
    }
    Ok(stream)
}

/// One command, and what is there of its answer.
fn ask(stream: &mut TcpStream, words: &[&str]) -> std::io::Result<Vec<u8>> {
    stream.write_all(&redis::cmd(words[0]).arg(&words[1..]).get_packed_command())?;
    read(stream)
}

/// Answers and messages are short, so each is one read.
fn read(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = [0; 1024];
    let length = stream.read(&mut bytes)?;
    Ok(bytes[..length].to_vec())
}

fn padded(name: &str) -> String {
    format!("{name:.<BYTES$}")
}

/// The name that a message begins with.
fn name_in(message: &[u8]) -> Result<String, Failed> {
    let text = std::str::from_utf8(message)?;
    let from = text.rfind("floor").ok_or("a message without a name")?;
    Ok(text[from..].split('.').next().unwrap_or_default().to_owned())
}

fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// The next line of stdin.
fn go() -> std::io::Result<String> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}
