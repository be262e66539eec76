//! What does not work as it should while the chat goes on: told to operators and, in a word, to clients.
//!
//! `serve` shows it in `/readyz` and in metrics, sessions in `welcome`. A task of the chat tells each change in one line of
//! the log. Nothing here mends anything.

use std::sync::Arc;
use std::time::Duration;

use moorline_layer::{Cause, ChannelLayer};
use moorline_protocol::ServerPart;
use moorline_protocol::admin::What;
use moorline_store::Store;
use tokio::sync::watch;
use tokio::time::interval;

use crate::nodes::Nodes;
use crate::tap::Tap;

/// How often a change is looked for.
const LOOK: Duration = Duration::from_secs(1);

/// A part that does not work as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Which.
    pub part: ServerPart,
    /// Why, in one word for programs: `password_missing`, `password_wrong`, `refused`, `unreachable`, `silent` or `write`.
    pub cause: &'static str,
    /// What failed, why, and what to do.
    pub error: String,
}

/// The parts that can be in trouble.
pub(crate) struct Parts {
    pub(crate) layer: Option<ChannelLayer>,
    pub(crate) nodes: Option<Arc<Nodes>>,
    pub(crate) store: Store,
}

impl Parts {
    /// What is in trouble now, the worst first.
    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        self.store_trouble().into_iter().chain(self.layer_trouble()).collect()
    }

    fn store_trouble(&self) -> Option<Trouble> {
        let health = self.store.health();
        let why = || health.last_error.unwrap_or_else(|| "the store cannot write".to_owned());
        (!health.writable).then(|| Trouble {
            part: ServerPart::Store,
            cause: "write",
            error: why(),
        })
    }

    fn layer_trouble(&self) -> Option<Trouble> {
        let layer = self.layer.as_ref()?;
        let troubles = layer.troubles();
        // What waiting does not mend comes first.
        let worst = troubles.iter().min_by_key(|trouble| trouble.cause == Cause::Unreachable);
        let (cause, why) = match worst {
            Some(trouble) => {
                let why = format!("Redis at {} cannot be used: {}", trouble.host, trouble.why);
                (trouble.cause.as_str(), why)
            }
            None => ("silent", self.nodes.as_ref()?.silence()?),
        };
        let effect = match self.nodes {
            Some(_) => "until then other nodes hear about a second later, by the database",
            None => "until then nothing goes to or comes from others on it",
        };
        Some(Trouble { part: ServerPart::Layer, cause, error: format!("{why}; {effect}") })
    }

    /// Tells each change of the layer in one line, until the hub's task ends. The store tells its own.
    pub(crate) async fn watch(self: Arc<Self>, tap: Arc<Tap>, mut end: watch::Receiver<()>) {
        let mut told = None;
        let mut looks = interval(LOOK);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                _ = end.changed() => return,
            }
            let now = self.layer_trouble();
            if is_news(told, now.as_ref()) {
                told = now.as_ref().map(|trouble| trouble.cause);
                tell(now.as_ref());
                tap.tell(None, || what(now.as_ref()));
            }
        }
    }
}

fn what(trouble: Option<&Trouble>) -> What {
    let part = ServerPart::Layer.as_str().to_owned();
    match trouble {
        Some(trouble) => {
            What::Trouble { part, cause: trouble.cause.to_owned(), error: trouble.error.clone() }
        }
        None => What::Recovered { part },
    }
}

/// Of a part in trouble only that is news which somebody must mend: that it does not answer looks one way now and another
/// way then.
fn is_news(told: Option<&'static str>, now: Option<&Trouble>) -> bool {
    let passes = ["unreachable", "silent"];
    match (told, now.map(|now| now.cause)) {
        (None, None) => false,
        (Some(told), Some(now)) => told != now && !passes.contains(&now),
        _ => true,
    }
}

fn tell(trouble: Option<&Trouble>) {
    match trouble {
        Some(Trouble { cause, error, .. }) => {
            tracing::warn!(part = "layer", cause, "the channel layer does not work: {error}");
        }
        None => tracing::info!(part = "layer", "the channel layer works again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(cause: &'static str) -> Option<Trouble> {
        Some(Trouble { part: ServerPart::Layer, cause, error: String::new() })
    }

    /// The causes told of a course of looks; `well` for an end.
    fn told(course: &[Option<Trouble>]) -> Vec<&'static str> {
        let mut told = None;
        let mut lines = Vec::new();
        for now in course {
            if is_news(told, now.as_ref()) {
                told = now.as_ref().map(|trouble| trouble.cause);
                lines.push(told.unwrap_or("well"));
            }
        }
        lines
    }

    #[test]
    fn a_loss_and_a_return_are_one_line_each_however_they_look_on_the_way() {
        let course =
            [None, trouble("silent"), trouble("unreachable"), trouble("silent"), None, None];
        assert_eq!(told(&course), ["silent", "well"]);
    }

    #[test]
    fn a_password_that_turns_out_to_be_wrong_is_told_though_the_layer_was_away_already() {
        let (away, wrong) = (trouble("unreachable"), trouble("password_wrong"));
        let course = [away.clone(), away, wrong.clone(), wrong, trouble("silent"), None];
        assert_eq!(told(&course), ["unreachable", "password_wrong", "well"]);
    }
}
