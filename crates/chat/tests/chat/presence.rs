//! Presence over several nodes: by hints at once, by the store within seconds, and without a node when its lease ends.

use std::time::{Duration, Instant};

use moorline_chat::{Happening, LeaseTimes};
use moorline_protocol::Presence;
use moorline_test_postgres::Database;
use tokio::runtime::Runtime;

use crate::harness::{TestChat, Window, dead_layer, layer, until, user};

/// The grace before somebody's going is told, and a little more.
const GRACE: Duration = Duration::from_secs(31);

/// A lease whose end is waited for; long enough that none lapses because the machine is busy.
const LEASE: Duration = Duration::from_secs(6);

fn short() -> LeaseTimes {
    LeaseTimes::of(LEASE)
}

/// Looks that come soon, and leases that no test outlives.
fn lasting() -> LeaseTimes {
    LeaseTimes { look: Duration::from_millis(200), ..LeaseTimes::default() }
}

/// Waits until a window was told that a person is so, and answers all that it was told until then.
async fn told(window: &Window, name: &str, state: &str) -> Vec<String> {
    let mut told = Vec::new();
    until(&format!("{name} is told {state}"), || {
        told.extend(window.presence_of(name));
        told.last().is_some_and(|last| last == state)
    })
    .await;
    told
}

async fn is_here(node: &TestChat, name: &str, state: Presence) {
    until(&format!("{name} is {state:?}"), || node.chat.hub().presence(&user(name)) == state).await;
}

/// What the store holds of a person: node and connections.
fn rows(database: &Database, name: &str) -> String {
    let rows = format!(
        "SELECT count(*), coalesce(sum(connections), 0) FROM moorline.presence p
         JOIN moorline.users u ON u.n = p.usr WHERE u.id = '{name}'"
    );
    database.psql(&rows).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn coming_turning_away_and_going_on_one_node_are_told_around_on_the_other() {
    let database = Database::new();
    let layer = Some(layer());
    // By the store alone nothing would come in time.
    let times = LeaseTimes { look: Duration::from_secs(600), ..LeaseTimes::default() };
    let nodes =
        TestChat::nodes(&database.url(), [layer.clone(), layer], &["ann", "bob"], times).await;
    let [one, two] = &nodes;
    let (bob, eve) = (two.here("bob").await, two.window("eve"));
    let ann = one.here("ann").await;
    assert_eq!(told(&bob, "ann", "online").await, ["online"]);
    assert_eq!(two.chat.hub().presence(&user("ann")), Presence::Online);
    one.chat.hub().set_away(&ann.listener, true, 3);
    assert_eq!(told(&bob, "ann", "away").await, ["away"]);
    one.chat.hub().set_away(&ann.listener, false, 4);
    assert_eq!(told(&bob, "ann", "online").await, ["online"]);
    ann.close();
    one.chat.hub().tick(Instant::now() + GRACE, 5);
    assert_eq!(told(&bob, "ann", "offline").await, ["offline"]);
    assert_eq!(rows(&database, "ann"), "1|0");
    assert!(eve.frames().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_layer_and_with_one_that_loses_everything_it_is_found_by_the_store() {
    for layers in [[None, None], [Some(dead_layer()), Some(dead_layer())]] {
        let database = Database::new();
        let times = LeaseTimes { look: Duration::from_secs(1), ..LeaseTimes::default() };
        let url = database.url();
        let [one, two] = &TestChat::nodes(&url, layers, &["ann", "bob"], times).await;
        let bob = two.here("bob").await;
        let started = Instant::now();
        let ann = one.here("ann").await;
        assert_eq!(told(&bob, "ann", "online").await, ["online"]);
        ann.close();
        one.chat.hub().tick(Instant::now() + GRACE, 5);
        assert_eq!(told(&bob, "ann", "offline").await, ["offline"]);
        assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_to_another_node_is_told_to_nobody() {
    let database = Database::new();
    let layer = Some(layer());
    let layers = [layer.clone(), layer.clone(), layer];
    let nodes =
        TestChat::nodes(&database.url(), layers, &["ann", "bob", "cid", "dan"], lasting()).await;
    let [one, two, three] = &nodes;
    let around = [one.here("bob").await, two.here("cid").await, three.here("dan").await];
    let ann = one.here("ann").await;
    for window in &around {
        told(window, "ann", "online").await;
    }
    ann.close();
    let again = two.here("ann").await;
    until("both places are written", || rows(&database, "ann") == "2|2").await;
    one.chat.hub().tick(Instant::now() + GRACE, 5);
    until("the first place is given up", || rows(&database, "ann") == "2|1").await;
    again.close();
    two.chat.hub().tick(Instant::now() + GRACE, 6);
    for window in &around {
        assert_eq!(told(window, "ann", "offline").await, ["offline"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_loses_its_people_and_those_who_went_elsewhere_stay() {
    let database = Database::new();
    let layer = Some(layer());
    let names = ["ann", "bob", "cid"];
    let nodes = TestChat::nodes(&database.url(), [layer.clone()], &names, short()).await;
    let [one] = &nodes;
    let doomed = Runtime::new().unwrap();
    let bob = one.here("bob").await;
    let two = {
        let _guard = doomed.enter();
        TestChat::beside(one, &database.url(), layer, short())
    };
    let _ann = two.here("ann").await;
    assert_eq!(told(&bob, "ann", "online").await, ["online"]);
    let _cid = two.here("cid").await;
    assert_eq!(told(&bob, "cid", "online").await, ["online"]);
    let cid = one.here("cid").await;
    doomed.shutdown_background();
    let killed = Instant::now();
    assert_eq!(told(&bob, "ann", "offline").await, ["offline"]);
    let took = killed.elapsed();
    assert!(took > LEASE / 3 && took < 4 * LEASE, "{took:?}");
    is_here(one, "cid", Presence::Online).await;
    assert!(bob.presence_of("cid").is_empty());
    drop(cid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_later_knows_who_is_here_and_a_lapsed_lease_is_made_good() {
    let database = Database::new();
    let [one] = &TestChat::nodes(&database.url(), [None], &["ann", "bob"], short()).await;
    let _ann = one.here("ann").await;
    until("it is written", || rows(&database, "ann") == "1|1").await;
    let two = TestChat::beside(one, &database.url(), None, short());
    is_here(&two, "ann", Presence::Online).await;
    let bob = two.here("bob").await;
    // As if the node had been stopped for a while, and others had taken away what it left.
    let lapse = "UPDATE moorline.nodes SET until = 'epoch'; DELETE FROM moorline.presence;";
    database.psql(lapse).unwrap();
    until("it is written again", || rows(&database, "ann") == "1|1").await;
    is_here(&two, "ann", Presence::Online).await;
    drop(bob);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_alone_tells_programs_outside_at_its_end_that_its_people_went_and_one_of_several_does_not()
 {
    let alone = TestChat::with_room(&["ann", "bob"]).await;
    let outlet = alone.chat.hub().outlet();
    let (ann, _bob) = (alone.here("ann").await, alone.here("bob").await);
    // In the grace after her last connection.
    ann.close();
    alone.chat.hub().tell_end(9);
    let mut happenings = Vec::new();
    while happenings.len() < 4 {
        happenings.extend(outlet.take(10).await.unwrap());
    }
    let gone = |happening: &Happening| match happening {
        Happening::Presence(change) if change.state == Presence::Offline => {
            Some((change.user.to_string(), change.at))
        }
        _ => None,
    };
    let mut gone: Vec<_> = happenings.iter().filter_map(gone).collect();
    gone.sort();
    assert_eq!(gone, [("ann".to_owned(), 9), ("bob".to_owned(), 9)]);

    let (database, layer) = (Database::new(), Some(layer()));
    let layers = [layer.clone(), layer];
    let nodes = TestChat::nodes(&database.url(), layers, &["ann", "bob"], short()).await;
    let [one, two] = &nodes;
    let (outlet, bob) = (one.chat.hub().outlet(), two.here("bob").await);
    let _ann = one.here("ann").await;
    // By now each has heard of the other.
    told(&bob, "ann", "online").await;
    is_here(one, "bob", Presence::Online).await;
    outlet.take(10).await.unwrap();
    one.chat.hub().tell_end(9);
    assert!(outlet.is_empty(), "the other node will tell it");
}
