//! Django beside the chat over the layer of one process: what it gets, what it may send, and what is refused.

use std::time::Duration;

use moorline_chat::{CHANNEL, Django, DjangoSettings, Happening, Reason, now_ms};
use moorline_layer::{ChannelLayer, Host, Map, Message, Options, Value};
use moorline_protocol::{Cid, RoomId, RoomKind};
use moorline_store::Create;
use moorline_test_postgres::Database;

use crate::harness::{DEADLINE, TestChat, Window, layer, read, until, user};

fn settings(events: &[&str], accepts_posts: bool) -> DjangoSettings {
    let events = events.iter().map(|text| text.parse().unwrap()).collect();
    DjangoSettings { events, accepts_posts }
}

/// A backend: a channel of its own, and what comes to it.
struct Backend {
    layer: ChannelLayer,
    channel: String,
}

impl Backend {
    async fn on(layer: &ChannelLayer) -> Self {
        let channel = layer.new_channel().await.unwrap();
        Self { layer: layer.clone(), channel }
    }

    async fn joins(&self, group: &str) {
        self.layer.group_add(group, &self.channel).await.unwrap();
    }

    async fn next(&self) -> Message {
        let next = self.layer.receive_within(&self.channel, DEADLINE).await.unwrap();
        next.expect("nothing came to the backend in time")
    }

    async fn has_nothing(&self) -> bool {
        self.layer.receive_within(&self.channel, Duration::from_millis(50)).await.unwrap().is_none()
    }

    /// Sends to the nodes and waits for the answer.
    async fn asks(&self, message: Message) -> Message {
        let message = message.with("reply_channel", self.channel.as_str());
        self.layer.send(CHANNEL, &message).await.unwrap();
        let answer = self.next().await;
        assert_eq!(answer.kind(), Some("chat.answer"), "{answer:?}");
        answer
    }

    async fn is_refused(&self, message: Message) -> String {
        let answer = self.asks(message).await;
        assert_eq!(answer.get("ok"), Some(&Value::Bool(false)), "{answer:?}");
        let error = answer.get("error").and_then(Value::as_map).unwrap();
        error.text("code").unwrap().to_owned()
    }
}

fn post(room: &str, from: &str, cid: &str, body: &str) -> Message {
    Message::of_type("chat.post")
        .with("room", room)
        .with("from", from)
        .with("cid", cid)
        .with("body", body)
}

fn notice_to(key: &str, whom: &str) -> Message {
    Message::of_type("chat.notice").with(key, whom).with("name", "refresh")
}

fn event(message: &Message) -> &Map {
    message.get("event").and_then(Value::as_map).unwrap()
}

/// The first notice that this window gets.
async fn noticed(window: &Window) -> serde_json::Value {
    let mut found = None;
    until("a notice comes", || {
        found = window.frames().into_iter().find(|frame| frame["type"] == "notice");
        found.is_some()
    })
    .await;
    found.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_committed_event_comes_once_to_the_group_of_its_room_under_the_type() {
    let (chat, layer) = (TestChat::with_room(&["ann", "bob"]).await, layer());
    let backend = Backend::on(&layer).await;
    backend.joins(&format!("chat.{}", chat.room)).await;
    let all = Backend::on(&layer).await;
    all.joins("everything").await;
    let to = ["group=chat.{room} type=chat.event", "group=everything type=any.event"];
    let django = Django::start(&chat.chat, &layer, settings(&to, false));
    for n in 0..20 {
        chat.send("ann", &format!("m{n}")).await;
    }
    let removed = chat.remove("ann", "bob").await;
    for n in 0..20 {
        let message = backend.next().await;
        assert_eq!(message.kind(), Some("chat.event"));
        let told = event(&message);
        assert_eq!((told.kind(), told.text("kind")), (Some("event"), Some("message")));
        assert_eq!(told.text("body"), Some(format!("m{n}").as_str()));
        assert_eq!(told.get("seq"), Some(&Value::from(2 + n)));
        assert_eq!(told.text("room"), Some(chat.room.as_str()));
        assert_eq!(all.next().await.kind(), Some("any.event"));
    }
    let last = backend.next().await;
    assert_eq!(event(&last).get("seq"), Some(&Value::from(removed.seq.0)));
    assert!(event(&last).get("changes").and_then(Value::as_array).is_some());
    all.next().await;
    assert!(backend.has_nothing().await && all.has_nothing().await);
    assert_eq!((read(&django.counts().sent), read(&django.counts().unsent)), (42, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_option_a_group_of_django_gets_nothing() {
    let (chat, layer) = (TestChat::with_room(&["ann"]).await, layer());
    let backend = Backend::on(&layer).await;
    for group in [format!("chat.{}", chat.room), chat.room.to_string(), "chat".to_owned()] {
        backend.joins(&group).await;
    }
    let django = Django::start(&chat.chat, &layer, settings(&[], true));
    chat.send("ann", "hello").await;
    // This one has gone the whole way by the time that its answer comes.
    let answer = backend.asks(post(chat.room.as_str(), "ann", "p1", "from a backend")).await;
    assert_eq!(answer.get("ok"), Some(&Value::Bool(true)));
    assert!(backend.has_nothing().await);
    assert!(django.outlet().is_none() && read(&django.counts().sent) == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_is_gone_delays_no_ack_and_the_losses_are_counted() {
    let chat = TestChat::with_room(&["ann"]).await;
    // Nobody listens on port 1, and each event is given up after a tenth of a second.
    let (hosts, patience) = (vec![Host::pair("127.0.0.1", 1)], Duration::from_millis(100));
    let options = Options { hosts, patience, ..Options::default() };
    let layer = ChannelLayer::redis(options).unwrap();
    let to = ["group=chat.{room} type=chat.event"];
    let django = Django::start(&chat.chat, &layer, settings(&to, false));
    let counts = django.counts().clone();
    for _ in 0..300 {
        chat.send("ann", "hello").await;
    }
    until("the losses are counted", || read(&counts.unsent) == 300).await;
    assert_eq!(read(&counts.sent), 0);
    django.finish(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_at_the_end_is_sent_and_later_events_are_not_queued() {
    let (chat, layer) = (TestChat::with_room(&["ann"]).await, layer());
    let backend = Backend::on(&layer).await;
    backend.joins("all").await;
    let django = Django::start(&chat.chat, &layer, settings(&["group=all type=e"], false));
    for _ in 0..500 {
        chat.send("ann", "hello").await;
    }
    let counts = django.counts().clone();
    django.finish(DEADLINE).await;
    assert_eq!(read(&counts.sent), 500);
    chat.send("ann", "too late").await;
    for _ in 0..500 {
        backend.next().await;
    }
    assert!(backend.has_nothing().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_is_stored_once_however_often_it_comes_and_the_first_answer_is_given_again() {
    let (chat, layer) = (TestChat::with_room(&["ann", "bob"]).await, layer());
    let django = Django::start(&chat.chat, &layer, settings(&[], true));
    let (backend, bob) = (Backend::on(&layer).await, chat.live("bob").await);
    let posted = post(chat.room.as_str(), "ann", "p1", "from a backend");
    let first = backend.asks(posted.clone()).await;
    let again = backend.asks(posted.clone()).await;
    assert_eq!((first.get("seq"), again.get("seq")), (Some(&2.into()), Some(&2.into())));
    assert_eq!((first.text("message"), first.text("id")), (again.text("message"), Some("p1")));
    assert_eq!(
        (first.get("repeated"), again.get("repeated")),
        (Some(&false.into()), Some(&true.into()))
    );
    assert_eq!(backend.is_refused(posted.with("body", "another")).await, "cid_conflict");
    assert_eq!(bob.messages(), ["2 ann: from a backend"]);
    let counts = django.counts();
    assert_eq!((read(&counts.posts), read(&counts.repeated)), (1, 1));
    assert_eq!(counts.refused(Reason::CidConflict), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_posts_that_come_at_once_under_one_cid_one_counts_as_stored() {
    let (chat, layer) = (TestChat::with_room(&["ann"]).await, layer());
    let django = Django::start(&chat.chat, &layer, settings(&[], true));
    for n in 0..200 {
        let posted = post(chat.room.as_str(), "ann", &format!("p{}", n / 4), "hi");
        layer.send(CHANNEL, &posted).await.unwrap();
    }
    let counts = django.counts();
    until("all are answered", || read(&counts.posts) + read(&counts.repeated) == 200).await;
    assert_eq!((read(&counts.posts), chat.head().await.0), (50, 51));
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_keep_their_order() {
    let (chat, layer) = (TestChat::with_room(&["ann", "bob"]).await, layer());
    let _django = Django::start(&chat.chat, &layer, settings(&[], true));
    let bob = chat.live("bob").await;
    for n in 0..200 {
        let (cid, body) = (format!("p{n}"), format!("m{n}"));
        layer.send(CHANNEL, &post(chat.room.as_str(), "ann", &cid, &body)).await.unwrap();
    }
    let mut messages = Vec::new();
    until("all posts come", || {
        messages.extend(bob.messages());
        messages.len() == 200
    })
    .await;
    let expected: Vec<String> = (0..200).map(|n| format!("{} ann: m{n}", n + 2)).collect();
    assert_eq!(messages, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_are_refused_unless_the_operator_accepts_them() {
    let (chat, layer) = (TestChat::with_room(&["ann"]).await, layer());
    let django = Django::start(&chat.chat, &layer, settings(&[], false));
    let backend = Backend::on(&layer).await;
    let refused = backend.is_refused(post(chat.room.as_str(), "ann", "p1", "hi")).await;
    assert_eq!((refused.as_str(), chat.head().await.0), ("forbidden", 1));
    assert_eq!(django.counts().refused(Reason::Forbidden), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_rooms_and_people_strangers_and_bad_messages_are_refused_told_and_counted() {
    let (chat, layer) = (TestChat::with_room(&["ann"]).await, layer());
    let django = Django::start(&chat.chat, &layer, settings(&[], true));
    let (backend, room) = (Backend::on(&layer).await, chat.room.as_str());
    let deep = (0..17).fold(Value::from(1), |inner, _| Value::Array(vec![inner]));
    let cases = [
        ("not_found", post("nowhere", "ann", "1", "hi")),
        ("not_found", post(room, "nobody", "2", "hi")),
        ("not_found", post(room, "eve", "3", "hi")),
        ("too_large", post(room, "ann", "4", &"x".repeat(65_537))),
        ("invalid", post(room, "ann", "5", " ")),
        ("invalid", post(room, "ann", "a cid", "hi")),
        ("not_found", notice_to("room", "nowhere")),
        ("not_found", notice_to("user", "nobody")),
        ("invalid", notice_to("room", room).with("user", "ann")),
        ("too_deep", notice_to("room", room).with("data", deep)),
        ("too_large", notice_to("room", room).with("data", "x".repeat(70_000))),
        ("invalid", notice_to("room", room).with("data", f64::NAN)),
        ("stale", notice_to("room", room).with("at", 1)),
        ("unknown_type", Message::of_type("moorline.hint").with("body", "{}")),
        ("unknown_type", Message::new()),
    ];
    for (code, message) in &cases {
        assert_eq!(backend.is_refused(message.clone()).await, *code, "{message:?}");
    }
    let counted: u64 = Reason::ALL.iter().map(|reason| django.counts().refused(*reason)).sum();
    assert_eq!(counted, cases.len() as u64);
    assert_eq!(django.counts().refused(Reason::NotFound), 5);
    assert_eq!(chat.head().await.0, 1, "nothing was stored");
    let good = backend.asks(post(room, "ann", "good", "hi")).await;
    assert_eq!(good.get("ok"), Some(&Value::Bool(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_reaches_a_rooms_people_or_one_person_and_nobody_else() {
    let (chat, layer) = (TestChat::with_room(&["ann", "bob"]).await, layer());
    let django = Django::start(&chat.chat, &layer, settings(&[], false));
    let backend = Backend::on(&layer).await;
    let (ann, bob, eve) = (chat.live("ann").await, chat.live("bob").await, chat.window("eve"));
    let data = Map::new().with("n", 1_i64 << 60).with("raw", b"a".as_slice());
    let answer = backend.asks(notice_to("room", chat.room.as_str()).with("data", data)).await;
    assert_eq!(answer.get("ok"), Some(&Value::Bool(true)));
    let expected = serde_json::json!({
        "type": "notice", "room": chat.room, "name": "refresh",
        "data": {"n": "1152921504606846976", "raw": {"$bytes": "YQ=="}},
    });
    assert_eq!((noticed(&ann).await, noticed(&bob).await), (expected.clone(), expected));
    backend.asks(notice_to("user", "eve")).await;
    let expected =
        serde_json::json!({"type": "notice", "user": "eve", "name": "refresh", "data": null});
    assert_eq!(noticed(&eve).await, expected);
    assert!(ann.frames().is_empty() && bob.frames().is_empty());
    assert_eq!(read(&django.counts().notices), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_reaches_people_on_every_node_and_a_repeated_one_nobody_whichever_node_takes_it() {
    let (database, layer) = (Database::new(), layer());
    let nodes = TestChat::two_nodes(&database.url(), layer.clone(), &["ann", "bob"]).await;
    let heard = |node: &TestChat| read(&node.chat.hub().hints().unwrap().0.received) > 0;
    until("both nodes hear", || nodes.iter().all(heard)).await;
    let [one, two] = &nodes;
    let (ann, bob) = (one.live("ann").await, two.live("bob").await);
    // Only one of them listens to Django at a time, so that it is known who takes what.
    let takes_first = Django::start(&one.chat, &layer, settings(&[], false));
    let backend = Backend::on(&layer).await;
    let notice =
        notice_to("room", one.room.as_str()).with("id", "n1").with("at", now_ms()).with("data", 7);
    backend.asks(notice.clone()).await;
    assert_eq!(
        (noticed(&ann).await["data"].clone(), noticed(&bob).await["data"].clone()),
        (7.into(), 7.into())
    );
    assert_eq!(backend.is_refused(notice.clone()).await, "repeated");
    takes_first.finish(DEADLINE).await;
    let takes_then = Django::start(&two.chat, &layer, settings(&[], false));
    assert_eq!(backend.is_refused(notice).await, "repeated");
    assert_eq!(takes_then.counts().refused(Reason::Repeated), 1);
    backend.asks(notice_to("user", "ann").with("data", 8)).await;
    assert_eq!(noticed(&ann).await["data"], 8, "nothing came in between");
    assert!(bob.frames().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outlet_tells_what_this_node_committed_and_not_what_another_did() {
    let (database, layer) = (Database::new(), layer());
    let [one, two] = TestChat::two_nodes(&database.url(), layer, &["ann", "bob"]).await;
    let (here, there) = (one.chat.hub().outlet(), two.chat.hub().outlet());
    let _window = two.live("bob").await;
    let create = Create {
        by: Some(user("ann")),
        id: Some(RoomId::new("new").unwrap()),
        cid: Cid::new("make").unwrap(),
        kind: RoomKind::Group,
        name: Some("New".into()),
        members: vec![],
        at_ms: 5,
    };
    one.chat.store().create(create.clone()).await.unwrap();
    one.chat.store().create(create).await.unwrap();
    let sent = one.send("ann", "one").await;
    let last = two.send("bob", "two").await;
    let mut told = Vec::new();
    while told.len() < 3 {
        told.extend(here.take(10).await.unwrap());
    }
    assert!(matches!(&told[0], Happening::Made(made) if made.room.as_str() == "new"), "{told:?}");
    assert!(matches!(&told[1], Happening::Event(event) if event.room.as_str() == "new"));
    assert!(matches!(&told[2], Happening::Event(event) if event.id == sent.id));
    let told = there.take(10).await.unwrap();
    assert!(
        matches!(told.as_slice(), [Happening::Event(event)] if event.id == last.id),
        "{told:?}"
    );
    here.close();
    assert!(here.take(1).await.is_none());
}
