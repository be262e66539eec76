//! What other nodes committed: looks at the store once a second, and hands what changed to the hub's task.
//!
//! Started with the chat; ends with it. Over a store of which this node is the only writer it ends at once.

use std::time::Duration;

use moorline_store::{ChangedRooms, Store};
use tokio::sync::mpsc;

/// Between two looks. Nodes are spread by chance, so that they do not all ask at once.
const EVERY: Duration = Duration::from_secs(1);

/// Looks for as long as somebody listens. A look that fails is made again: it begins where the last good one ended.
pub(crate) async fn watch(store: Store, changes: mpsc::Sender<ChangedRooms>) {
    let mut since = None;
    let mut has_failed = false;
    while !changes.is_closed() {
        match store.changed_rooms(since).await {
            Ok(None) => return,
            Ok(Some(changed)) => {
                has_failed = false;
                since = Some(changed.since);
                let has_rest = changed.since.has_rest();
                if changes.send(changed).await.is_err() {
                    return;
                }
                if has_rest {
                    continue;
                }
            }
            Err(error) if !has_failed => {
                has_failed = true;
                tracing::warn!(%error, "could not see what other nodes committed, trying again");
            }
            Err(_) => {}
        }
        let pause = EVERY.mul_f64(0.8 + 0.4 * rand::random::<f64>());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = changes.closed() => return,
        }
    }
}
