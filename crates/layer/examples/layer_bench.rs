//! One process of the comparison with `channels_redis`: `tests/interop/bench` starts several and measures them.
//!
//! `layer_bench members|sender|echo|ping core|pubsub URL GROUP CHANNELS MESSAGES PACE_MS`. It says `ready`, waits for a
//! line on stdin, does its part, says `done`, waits for another line and prints what it saw as one line of JSON.
//! `bench/worker.py` is its Python twin, role by role; neither does anything but call the layer. With
//! `LAYER_BENCH_THREADS=2` in the environment it runs on tokio's multi-threaded runtime with so many threads, else on
//! one, as a Python process does.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use moorline_layer::{ChannelLayer, Host, Message, Options, Value};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// What stands on the command line.
struct Plan {
    layer: ChannelLayer,
    group: String,
    channels: usize,
    messages: usize,
    pace: Duration,
}

fn main() -> Result<(), Failed> {
    // One thread unless asked otherwise: what is compared is the work, not the number of cores.
    let mut runtime = match std::env::var("LAYER_BENCH_THREADS") {
        Ok(threads) => {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            runtime.worker_threads(threads.parse()?);
            runtime
        }
        Err(_) => tokio::runtime::Builder::new_current_thread(),
    };
    runtime.enable_all().build()?.block_on(part())
}

async fn part() -> Result<(), Failed> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [role, kind, url, group, channels, messages, pace] = words.as_slice() else {
        return Err("layer_bench ROLE LAYER URL GROUP CHANNELS MESSAGES PACE_MS".into());
    };
    let options = Options {
        hosts: vec![Host::parse(url)?],
        expiry: Duration::from_secs(60),
        ..Options::default()
    };
    let layer = match kind.as_str() {
        "core" => ChannelLayer::redis(options)?,
        _ => ChannelLayer::redis_pubsub(options)?,
    };
    let plan = Plan {
        layer,
        group: group.clone(),
        channels: channels.parse()?,
        messages: messages.parse()?,
        pace: Duration::from_millis(pace.parse()?),
    };
    let seen = match role.as_str() {
        "members" => members(&plan).await?,
        "sender" => sender(&plan).await?,
        "echo" => echo(&plan).await?,
        _ => ping(&plan).await?,
    };
    // What it prints is no work of the layer: its CPU time is read before.
    say("done")?;
    go().await?;
    let seen: Vec<String> = seen.iter().map(|seconds| format!("{seconds:.7}")).collect();
    say(&format!("[{}]", seen.join(",")))?;
    plan.layer.close().await;
    Ok(())
}

/// Every channel of one process reads its messages; the latency of each.
async fn members(plan: &Plan) -> Result<Vec<f64>, Failed> {
    let mut readers = JoinSet::new();
    for _ in 0..plan.channels {
        let channel = plan.layer.new_channel().await?;
        plan.layer.group_add(&plan.group, &channel).await?;
        let (layer, messages) = (plan.layer.clone(), plan.messages);
        readers.spawn(async move {
            let mut seen = Vec::with_capacity(messages);
            for _ in 0..messages {
                let message = layer.receive(&channel).await?;
                seen.push(now() - sent_at(&message));
            }
            Ok::<_, Failed>(seen)
        });
    }
    say("ready")?;
    let mut seen = Vec::new();
    while let Some(reader) = readers.join_next().await {
        seen.extend(reader??);
    }
    Ok(seen)
}

/// Sends to the group at its pace; how long each call took.
async fn sender(plan: &Plan) -> Result<Vec<f64>, Failed> {
    say("ready")?;
    go().await?;
    let mut seen = Vec::new();
    let mut beat = tokio::time::interval(plan.pace);
    for _ in 0..plan.messages {
        beat.tick().await;
        let began = now();
        plan.layer.group_send(&plan.group, &message(began)).await?;
        seen.push(now() - began);
    }
    Ok(seen)
}

/// Answers each message to the channel that it names; one channel a conversation.
async fn echo(plan: &Plan) -> Result<Vec<f64>, Failed> {
    let mut names = Vec::new();
    let mut talks = JoinSet::new();
    for _ in 0..plan.channels {
        let channel = plan.layer.new_channel().await?;
        names.push(channel.clone());
        let (layer, messages) = (plan.layer.clone(), plan.messages);
        talks.spawn(async move {
            for _ in 0..messages {
                let asked = layer.receive(&channel).await?;
                let reply = asked.text("reply").ok_or("a message without a reply channel")?;
                layer.send(reply, &asked).await?;
            }
            Ok::<_, Failed>(())
        });
    }
    say(&names.join(" "))?;
    while let Some(talk) = talks.join_next().await {
        talk??;
    }
    Ok(Vec::new())
}

/// Round trips with the echoes whose channels come on stdin, all at once; how long each took.
async fn ping(plan: &Plan) -> Result<Vec<f64>, Failed> {
    say("ready")?;
    let others = go().await?;
    let mut talks = JoinSet::new();
    for other in others.split(' ').map(str::to_owned) {
        let own = plan.layer.new_channel().await?;
        let (layer, messages) = (plan.layer.clone(), plan.messages);
        talks.spawn(async move {
            let mut seen = Vec::with_capacity(messages);
            for _ in 0..messages {
                let began = now();
                layer.send(&other, &message(began).with("reply", own.as_str())).await?;
                layer.receive(&own).await?;
                seen.push(now() - began);
            }
            Ok::<_, Failed>(seen)
        });
    }
    let mut seen = Vec::new();
    while let Some(talk) = talks.join_next().await {
        seen.extend(talk??);
    }
    Ok(seen)
}

/// About what a chat message is.
fn message(at: f64) -> Message {
    Message::of_type("chat.message")
        .with("at", at)
        .with("room", 17)
        .with("text", "The tide is going out, and the boat hangs on its moorings.")
}

fn sent_at(message: &Message) -> f64 {
    message.get("at").and_then(Value::as_f64).unwrap_or_default()
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// The next line of stdin.
async fn go() -> std::io::Result<String> {
    let mut line = String::new();
    BufReader::new(tokio::io::stdin()).read_line(&mut line).await?;
    Ok(line.trim().to_owned())
}
