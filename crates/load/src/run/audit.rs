//! The store's own word at the end: each room's log, read page by page through the protocol by whoever made the room, over a
//! connection that nobody records. The pages are in the history as `audit` lines.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep, timeout};

use super::Plan;
use crate::recorder::Recorder;
use crate::target::Target;
use crate::wire::{Heard, Wire};

/// Events in a page.
const PAGE: u64 = 200;
/// A page comes in this time.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a broken reading goes on, and when.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// Reads a room's log to its end and gives its head.
pub(super) async fn read(plan: &Plan, recorder: &Recorder, owner: &str, room: &str) -> Result<u64> {
    let mut after = 0;
    for attempt in 1.. {
        let node = &plan.nodes[attempt as usize % plan.nodes.len()];
        match read_on(plan, node, recorder, owner, room, &mut after).await {
            Ok(()) => break,
            Err(error) if attempt >= ATTEMPTS => return Err(error),
            Err(_) => sleep(PAUSE).await,
        }
    }
    Ok(after)
}

async fn read_on(
    plan: &Plan,
    node: &Target,
    recorder: &Recorder,
    owner: &str,
    room: &str,
    after: &mut u64,
) -> Result<()> {
    let token = plan.tokens.token(owner).await?;
    let transport = *plan.transports.first().context("no transport")?;
    let mut wire = Wire::connect(transport, node, &token).await?;
    wire.hello(&json!({}), &token).await?;
    answer(&mut wire, "welcome").await?;
    loop {
        let ask = json!({"type":"history","id":1,"room":room,"after":*after,"limit":PAGE});
        wire.send(ask.to_string()).await?;
        let page = answer(&mut wire, "page").await?;
        let last = page["events"].as_array().and_then(|events| events.last()?["seq"].as_u64());
        let is_over = page["more"] != true;
        recorder.line(json!({"is":"audit","page":page}));
        *after = last.unwrap_or(*after);
        if is_over {
            wire.close().await;
            return Ok(());
        }
    }
}

/// The next frame of this type; what else comes is passed over.
async fn answer(wire: &mut Wire, what: &str) -> Result<Value> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match timeout(PATIENCE, wire.next()).await.context("no page in time")? {
            Heard::Beat => {}
            Heard::Closed(code) => bail!("closed with {code}"),
            Heard::Frame(text) => {
                let frame: Value = serde_json::from_str(&text)?;
                match frame["type"].as_str() {
                    Some(kind) if kind == what => return Ok(frame),
                    Some("error") => bail!("refused: {}", frame["message"]),
                    _ => {}
                }
            }
        }
    }
    bail!("no {what} in time")
}
