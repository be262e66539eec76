//! Consumers with a channel of their own: groups, messages from the layer, and what a slow or spoilt one costs others.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test says so")]

mod layered;

use std::sync::Arc;

use layered::{Layered, closed, hear, memory, say};
use moorline_layer::{ChannelLayer, Message, Options};
use moorline_protocol::CloseCode;
use moorline_server::{
    Accept, Channel, Close, Closed, Connection, Consumer, Dispatched, Incoming, Refusal, Route,
    Scope,
};
use tokio::sync::{Notify, mpsc};

/// Is in the group of its path, says what comes from there, and does what it is told.
struct Member {
    layer: ChannelLayer,
    channel: Option<Channel>,
    group: String,
    wait: Arc<Notify>,
    ended: mpsc::UnboundedSender<()>,
}

impl Consumer for Member {
    async fn connect(&mut self, scope: &Scope) -> Result<Accept, Refusal> {
        self.group = scope.parameter("group").unwrap().to_owned();
        let channel = self.channel.insert(Channel::open(&self.layer).await?);
        channel.group_add(&self.group).await?;
        if scope.query("refuse").is_some() {
            return Err(Refusal::new(http::StatusCode::FORBIDDEN, "forbidden", "Not you."));
        }
        Ok(Accept::new())
    }

    fn channel(&mut self) -> Option<&mut Channel> {
        self.channel.as_mut()
    }

    async fn receive(&mut self, incoming: Incoming, connection: &Connection) -> Result<(), Close> {
        let (Incoming::Text(text), Some(channel)) = (incoming, &self.channel) else {
            return Ok(());
        };
        let say = |text: &str| Message::of_type("say").with("text", text);
        match text.as_str() {
            "name" => connection.send_text(channel.name()),
            "leave" => channel.group_discard(&self.group).await.unwrap(),
            "flood" => channel.send(channel.name(), &Message::of_type("again")).await.unwrap(),
            "wait" => self.wait.notified().await,
            "echo" => connection.send_text("echo"),
            other => channel.group_send(&self.group, &say(other)).await.unwrap(),
        }
        Ok(())
    }

    async fn dispatch(
        &mut self,
        message: Message,
        connection: &Connection,
    ) -> Result<Dispatched, Close> {
        match message.kind() {
            Some("say") => connection.send_text(message.text("text").unwrap()),
            Some("large") => connection.send_text(&"x".repeat(100_000)),
            Some("again") => {
                let channel = self.channel.as_ref().unwrap();
                channel.send(channel.name(), &message).await.unwrap();
            }
            Some("close") => return Err(Close::new(CloseCode(4400), "as told")),
            Some("panic") => panic!("as told"),
            _ => return Ok(Dispatched::Unknown),
        }
        Ok(Dispatched::Handled)
    }

    async fn disconnect(&mut self, _: &Closed) {
        let _ = self.ended.send(());
    }
}

struct Test {
    server: Layered,
    wait: Arc<Notify>,
    ended: mpsc::UnboundedReceiver<()>,
}

async fn start() -> Test {
    let layer = memory(Options::default());
    let (end, ended) = mpsc::unbounded_channel();
    let wait = Arc::new(Notify::new());
    let (of_layer, of_wait) = (layer.clone(), Arc::clone(&wait));
    let member = move |_: &Scope| Member {
        layer: of_layer.clone(),
        channel: None,
        group: String::new(),
        wait: Arc::clone(&of_wait),
        ended: end.clone(),
    };
    let server = Layered::start(layer, Route::new("/{group}", member)).await;
    Test { server, wait, ended }
}

impl Test {
    /// How many sends a message to the group makes: one for all channels of this process, none for an empty group.
    async fn sends_to(&self, group: &str) -> u64 {
        let before = self.server.layer.counters().sent;
        self.server.layer.group_send(group, &Message::of_type("unknown")).await.unwrap();
        self.server.layer.counters().sent - before
    }

    /// Waits until nobody is in the group.
    async fn is_left(&self, group: &str) {
        let until = tokio::time::Instant::now() + layered::SOON;
        while self.sends_to(group).await > 0 {
            assert!(tokio::time::Instant::now() < until, "somebody stays in {group}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_group_is_heard_until_it_is_left() {
    let test = start().await;
    let (mut ann, mut bob) = (test.server.socket("/g").await, test.server.socket("/g").await);
    say(&mut ann, "one").await;
    assert_eq!((hear(&mut ann).await, hear(&mut bob).await), ("one".into(), "one".into()));
    say(&mut bob, "leave").await;
    say(&mut bob, "name").await;
    hear(&mut bob).await; // So it has left.
    say(&mut ann, "two").await;
    assert_eq!(hear(&mut ann).await, "two");
    say(&mut bob, "echo").await;
    assert_eq!(hear(&mut bob).await, "echo");
}

#[tokio::test]
async fn a_connection_is_sent_to_by_its_own_name() {
    let test = start().await;
    let (mut ann, mut bob) = (test.server.socket("/g").await, test.server.socket("/g").await);
    say(&mut ann, "name").await;
    let name = hear(&mut ann).await;
    let message = Message::of_type("say").with("text", "for ann");
    test.server.layer.send(&name, &message).await.unwrap();
    assert_eq!(hear(&mut ann).await, "for ann");
    say(&mut bob, "echo").await;
    assert_eq!(hear(&mut bob).await, "echo");
}

#[tokio::test]
async fn an_unknown_type_is_counted_and_harms_nobody() {
    let test = start().await;
    let mut ann = test.server.socket("/g").await;
    for message in [Message::of_type("unheard.of"), Message::new(), Message::new().with("type", 7)]
    {
        test.server.layer.group_send("g", &message).await.unwrap();
    }
    test.server.counts("layer_messages_unknown_total", 3).await;
    say(&mut ann, "still here").await;
    assert_eq!(hear(&mut ann).await, "still here");
    test.server.counts("layer_messages_handled_total", 1).await;
}

#[tokio::test]
async fn a_consumer_may_close_upon_a_message_and_a_panic_ends_only_its_connection() {
    let test = start().await;
    let (mut ann, mut bob, mut cleo) = (
        test.server.socket("/a").await,
        test.server.socket("/b").await,
        test.server.socket("/c").await,
    );
    test.server.layer.group_send("a", &Message::of_type("close")).await.unwrap();
    assert_eq!(closed(&mut ann).await, 4400);
    test.server.layer.group_send("b", &Message::of_type("panic")).await.unwrap();
    assert_eq!(closed(&mut bob).await, 1011);
    say(&mut cleo, "still here").await;
    assert_eq!(hear(&mut cleo).await, "still here");
    test.is_left("b").await;
}

#[tokio::test]
async fn groups_are_left_at_the_end_also_where_the_handshake_was_refused() {
    let mut test = start().await;
    assert_eq!(test.server.try_socket("/g?refuse", &[]).await.err(), Some(403));
    test.is_left("g").await;
    let ann = test.server.socket("/g").await;
    assert_eq!(test.sends_to("g").await, 1);
    drop(ann); // Without a close, as a cable that is pulled.
    test.ended.recv().await.unwrap();
    test.is_left("g").await;
}

#[tokio::test]
async fn a_group_that_no_peer_accepts_is_refused_before_the_upgrade() {
    let test = start().await;
    for path in ["/a%20b", "/%C3%A9", "/a%21b", &format!("/{}", "x".repeat(100))] {
        assert_eq!(test.server.try_socket(path, &[]).await.err(), Some(400), "{path}");
    }
}

#[tokio::test]
async fn neither_the_layer_nor_the_client_keeps_the_other_from_being_heard() {
    let test = start().await;
    let mut ann = test.server.socket("/g").await;
    say(&mut ann, "flood").await; // From now on there is always one more message in the layer.
    for _ in 0..3 {
        say(&mut ann, "echo").await;
        assert_eq!(hear(&mut ann).await, "echo");
    }
    // And the other way round: while the client never pauses, what the layer brings is heard.
    let message = Message::of_type("say").with("text", "from the layer");
    test.server.layer.group_send("g", &message).await.unwrap();
    let mut said = 0;
    loop {
        say(&mut ann, "echo").await;
        said += 1;
        if hear(&mut ann).await == "from the layer" {
            break;
        }
        assert!(said < 10_000, "the layer is not heard");
    }
}

#[tokio::test]
async fn a_busy_consumer_takes_nothing_and_hears_all_afterwards_in_order() {
    let test = start().await;
    let mut ann = test.server.socket("/g").await;
    say(&mut ann, "wait").await;
    for text in ["one", "two", "three"] {
        let message = Message::of_type("say").with("text", text);
        test.server.layer.group_send("g", &message).await.unwrap();
    }
    test.wait.notify_one();
    assert_eq!(
        [hear(&mut ann).await, hear(&mut ann).await, hear(&mut ann).await],
        ["one", "two", "three"]
    );
}

#[tokio::test]
async fn a_reader_that_stands_still_holds_up_nobody_and_costs_a_bounded_queue() {
    let test = start().await;
    let slow = test.server.socket("/g").await; // Reads nothing.
    let mut quick = test.server.socket("/g").await;
    let capacity = Options::default().capacity;
    for number in 0..capacity + 500 {
        test.server.layer.group_send("g", &Message::of_type("large")).await.unwrap();
        assert_eq!(hear(&mut quick).await.len(), 100_000, "message {number}");
    }
    let dropped = test.server.layer.counters().dropped_at_capacity;
    assert!(dropped > 0, "the slow one's queue has no end");
    drop(slow);
}
