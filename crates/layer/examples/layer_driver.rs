//! Drives a channel layer by lines of JSON, so that any language can test against it.
//!
//! One request a line on stdin, one answer a line on stdout in any order, logs on stderr; the end of stdin is the end.
//! `cargo run -p moorline-layer --example layer_driver`, then for example:
//!
//! ```text
//! {"id":1,"op":"open","layer":"core","hosts":["redis://:secret@127.0.0.1:6379/0"]}
//! {"id":2,"op":"new_channel"}
//! {"id":3,"op":"receive","channel":"worker","timeout":5}
//! {"id":4,"op":"send","channel":"worker","message":{"type":"job","data":{"$bytes":"00ff"}}}
//! ```

mod driver {
    pub(crate) mod request;
}

use std::time::Duration;

use driver::request::{self, Failure};
use moorline_layer::{ChannelLayer, Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let (answers, queue) = mpsc::channel(1024);
    let writer = tokio::spawn(write(queue));
    read(answers).await?;
    writer.await?
}

async fn read(answers: mpsc::Sender<Vec<u8>>) -> std::io::Result<()> {
    let mut input = BufReader::with_capacity(1 << 16, tokio::io::stdin());
    let mut layer: Option<ChannelLayer> = None;
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line).await? > 0 {
        let request = match request::parse(&line) {
            Ok(request) => request,
            Err((id, failure)) => {
                send(&answers, answer(&Map::new().with("id", id), Err(failure))).await;
                line.clear();
                continue;
            }
        };
        line.clear();
        match request.text("op") {
            Some("open") => {
                if let Some(before) = layer.take() {
                    before.close().await;
                }
                let opened = request::open(&request).map(|opened| layer = Some(opened));
                send(&answers, answer(&request, opened.map(|()| Value::Nil))).await;
            }
            Some("close") => {
                if let Some(layer) = layer.take() {
                    layer.close().await;
                }
                send(&answers, answer(&request, Ok(Value::Nil))).await;
            }
            _ => {
                let (layer, answers) = (layer.clone(), answers.clone());
                tokio::spawn(async move {
                    let result = match layer {
                        Some(layer) => run(&layer, &request).await,
                        None => Err(Failure::other("no layer is open; send `open` first")),
                    };
                    send(&answers, answer(&request, result)).await;
                });
            }
        }
    }
    if let Some(layer) = layer {
        layer.close().await;
    }
    Ok(())
}

async fn run(layer: &ChannelLayer, request: &Map) -> Result<Value, Failure> {
    let text = |key: &str| request::text(request, key);
    match text("op")? {
        "new_channel" => Ok(match request.text("prefix") {
            Some(prefix) => layer.new_channel_with_prefix(prefix).await?,
            None => layer.new_channel().await?,
        }
        .into()),
        "send" => {
            layer.send(text("channel")?, &request::message(request)?).await?;
            Ok(Value::Nil)
        }
        "receive" => receive(layer, text("channel")?, request).await,
        "group_add" => {
            layer.group_add(text("group")?, text("channel")?).await?;
            Ok(Value::Nil)
        }
        "group_discard" => {
            layer.group_discard(text("group")?, text("channel")?).await?;
            Ok(Value::Nil)
        }
        "group_send" => {
            layer.group_send(text("group")?, &request::message(request)?).await?;
            Ok(Value::Nil)
        }
        // Beyond what other layers' drivers have to know:
        "close_channel" => {
            layer.close_channel(text("channel")?).await?;
            Ok(Value::Nil)
        }
        "flush" => {
            layer.flush().await?;
            Ok(Value::Nil)
        }
        "counters" => Ok(request::counters(layer.counters())),
        other => Err(Failure::other(&format!("there is no operation {other:?}"))),
    }
}

async fn receive(layer: &ChannelLayer, channel: &str, request: &Map) -> Result<Value, Failure> {
    let message = match request.get("timeout").and_then(Value::as_f64) {
        Some(seconds) => {
            let deadline = Duration::try_from_secs_f64(seconds).unwrap_or_default();
            layer.receive_within(channel, deadline).await?
        }
        None => Some(layer.receive(channel).await?),
    };
    Ok(message.map_or(Value::Nil, |message| {
        Map::new().with("message", request::to_json(message.into())).into()
    }))
}

fn answer(request: &Map, result: Result<Value, Failure>) -> Vec<u8> {
    let id = request.get("id").cloned().unwrap_or(Value::Nil);
    let answer = Map::new().with("id", id);
    let answer = match result {
        Ok(result) => answer.with("ok", true).with("result", result),
        Err(failure) => answer
            .with("ok", false)
            .with("error", failure.code)
            .with("detail", failure.detail.as_str()),
    };
    let mut line = request::encode(answer);
    line.push(b'\n');
    line
}

/// An error here means that nobody reads the answers any more; the end of stdin follows.
async fn send(answers: &mpsc::Sender<Vec<u8>>, line: Vec<u8>) {
    let _ = answers.send(line).await;
}

async fn write(mut queue: mpsc::Receiver<Vec<u8>>) -> std::io::Result<()> {
    let mut out = tokio::io::stdout();
    let mut lines = Vec::new();
    while let Some(line) = queue.recv().await {
        lines.extend_from_slice(&line);
        while let Ok(line) = queue.try_recv() {
            lines.extend_from_slice(&line);
        }
        out.write_all(&lines).await?;
        out.flush().await?;
        lines.clear();
    }
    Ok(())
}
