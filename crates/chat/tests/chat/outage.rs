//! Presence while PostgreSQL is away for longer than a lease: nobody flickers, and nobody stays as a ghost.

use std::time::{Duration, Instant};

use moorline_chat::LeaseTimes;
use moorline_layer::ChannelLayer;
use moorline_protocol::Presence;
use moorline_test_postgres::Server;
use tokio::runtime::Runtime;

use crate::harness::{TestChat, Window, layer, until, user};

/// Long enough that a busy machine does not make it lapse.
const LEASE: Duration = Duration::from_secs(9);
/// The grace before somebody's going is told, and a little more.
const GRACE: Duration = Duration::from_secs(31);

/// Everything that a window was told of people, in its order.
#[derive(Default)]
struct Told(Vec<(String, String)>);

impl Told {
    /// Waits until it is told that a person is so.
    async fn hears(&mut self, window: &Window, name: &str, state: &str) {
        until(&format!("{name} is told {state}"), || {
            let text =
                |frame: &serde_json::Value, key: &str| frame[key].as_str().unwrap().to_owned();
            let frames = window.frames();
            let told = frames.iter().filter(|frame| frame["type"] == "presence");
            self.0.extend(told.map(|frame| (text(frame, "user"), text(frame, "state"))));
            self.of(name).last().is_some_and(|last| last == state)
        })
        .await;
    }

    fn of(&self, name: &str) -> Vec<String> {
        let of_them = self.0.iter().filter(|(user, _)| user == name);
        of_them.map(|(_, state)| state.clone()).collect()
    }
}

async fn who_is_here_stays_and_who_went_meanwhile_goes(layer: Option<ChannelLayer>) {
    let mut server = Server::start();
    let (url, times) = (server.url("postgres"), LeaseTimes::of(LEASE));
    let names = ["ann", "bob", "cid", "dan"];
    let nodes = TestChat::nodes(&url, [layer.clone(), layer.clone()], &names, times).await;
    let [one, two] = &nodes;
    let doomed = Runtime::new().unwrap();
    let three = {
        let _guard = doomed.enter();
        TestChat::beside(one, &url, layer, times)
    };
    let (bob, mut told) = (two.here("bob").await, Told::default());
    let (ann, cid, _dan) = (one.here("ann").await, one.here("cid").await, three.here("dan").await);
    for name in ["ann", "cid", "dan"] {
        told.hears(&bob, name, "online").await;
    }
    server.kill("INT");
    // One leaves, and the node of another dies, while nobody can write that down.
    cid.close();
    one.chat.hub().tick(Instant::now() + GRACE, 5);
    doomed.shutdown_background();
    // The fault itself: by then every lease has ended.
    tokio::time::sleep(LEASE * 3 / 2).await;
    server.resume();
    for name in ["cid", "dan"] {
        told.hears(&bob, name, "offline").await;
    }
    // Whoever was judged gone by a lease that ended has been told by now.
    assert_eq!(told.of("ann"), ["online"], "somebody who is here flickered: {:?}", told.0);
    assert_eq!((told.of("cid").len(), told.of("dan").len()), (2, 2), "{:?}", told.0);
    let (here, gone) = (Presence::Online, Presence::Offline);
    for node in &nodes {
        let state = |name| node.chat.hub().presence(&user(name));
        // Each node finds it by itself.
        until("all nodes agree", || {
            ["ann", "bob", "cid", "dan"].map(state) == [here, here, gone, gone]
        })
        .await;
    }
    one.chat.hub().set_away(&ann.listener, true, 6);
    told.hears(&bob, "ann", "away").await;
    assert_eq!(told.of("ann"), ["online", "away"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_store_alone_who_is_here_stays_and_who_went_while_it_was_away_goes() {
    who_is_here_stays_and_who_went_meanwhile_goes(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_layer_who_is_here_stays_and_who_went_while_the_store_was_away_goes() {
    who_is_here_stays_and_who_went_meanwhile_goes(Some(layer())).await;
}
