//! The registry alone: who is in a group, what must be subscribed, and what a receive that waits sees of it.

use futures_util::FutureExt as _;

use super::*;
use crate::value::Message;

fn receivers(registry: &Registry, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    registry.each_receiver(name, |channel, _| found.push(channel.to_owned()));
    found
}

fn deliver(registry: &Registry, name: &str) {
    registry.each_receiver(name, |_, inbox| {
        inbox.deliver(Message::of_type(name), 10);
    });
}

#[test]
fn a_group_is_wanted_while_it_has_members_here() {
    let registry = Registry::new("asgi");
    let group = registry.wire_name("room 1/é");
    assert_eq!(group, "asgi__group__room 1/é");
    assert!(!registry.join(&group, "a"), "not of this process");
    registry.add_channel("a").unwrap();
    registry.add_channel("b").unwrap();
    assert!(registry.join(&group, "a") && registry.join(&group, "b"));
    assert_eq!(receivers(&registry, &group), ["a", "b"]);
    registry.leave(&group, "a");
    assert!(registry.is_wanted(&group));
    let mut gone = registry.remove_channel("b");
    gone.sort();
    assert_eq!(gone, [group.as_str(), "b"]);
    assert!(!registry.is_wanted(&group) && !registry.is_wanted("b"));
    assert_eq!(registry.wanted(), ["a"]);
    assert_eq!((registry.clear(), registry.wanted().len()), (vec!["a".to_owned()], 0));
}

#[test]
fn a_channel_with_the_name_of_a_group_alone_gets_what_is_sent_there() {
    let registry = Registry::new("asgi");
    let group = registry.wire_name("room");
    registry.add_channel("a").unwrap();
    registry.add_channel(&group).unwrap();
    assert!(registry.join(&group, "a"));
    assert_eq!(receivers(&registry, &group), [group]);
}

#[test]
fn a_message_to_a_group_arrives_in_the_inbox_of_each_member_and_of_nobody_else() {
    let registry = Registry::new("asgi");
    let [a, b, c] = ["a", "b", "c"].map(|name| registry.add_channel(name).unwrap());
    assert!(registry.join("g", "a") && registry.join("g", "b"));
    deliver(&registry, "g");
    for inbox in [a, b] {
        assert_eq!(inbox.next().now_or_never(), Some(Ok(Message::of_type("g"))));
    }
    assert!(c.next().now_or_never().is_none());
}

#[test]
fn a_receive_outlives_that_its_channel_is_forgotten_and_known_again() {
    let registry = Registry::new("asgi");
    let forgets: [fn(&Registry); 2] =
        [|registry| drop(registry.remove_channel("a")), |registry| drop(registry.clear())];
    for forget in forgets {
        let waits_on = registry.add_channel("a").unwrap();
        deliver(&registry, "a");
        forget(&registry);
        assert!(registry.inbox("a").is_none());
        let mut receive = Box::pin(waits_on.next());
        assert!(receive.as_mut().now_or_never().is_none(), "what was unread is gone");
        registry.add_channel("a").unwrap();
        deliver(&registry, "a");
        assert_eq!(receive.now_or_never(), Some(Ok(Message::of_type("a"))));
    }
}

#[test]
fn forgotten_channels_on_which_nobody_waits_do_not_pile_up() {
    let registry = Registry::new("asgi");
    for n in 0..10_000 {
        let name = n.to_string();
        // Somebody waits while it is forgotten, and gives up right after.
        let inbox = registry.add_channel(&name).unwrap();
        registry.remove_channel(&name);
        drop(inbox);
    }
    assert!(registry.state.read().forgotten.len() < 10);
}

#[test]
fn after_the_end_nothing_becomes_known_and_who_waits_hears_of_it() {
    let registry = Registry::new("asgi");
    let [known, forgotten] = ["a", "b"].map(|name| registry.add_channel(name).unwrap());
    registry.remove_channel("b");
    registry.close();
    for inbox in [known, forgotten] {
        assert_eq!(inbox.next().now_or_never(), Some(Err(Error::Closed)));
    }
    assert_eq!(registry.add_channel("c").map(|_| ()), Err(Error::Closed));
}
