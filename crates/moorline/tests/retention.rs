//! Who may say how long a room's messages are kept: a backend, the room's owner from the page, and nobody else.
#![allow(clippy::unwrap_used, reason = "tests stop there")]

mod running;

use running::{Answer, Running, SECRET};
use serde_json::{Value, json};

const DAY: u64 = 86_400;

/// A server, a room, its owner's cookie and a member's.
struct Room {
    server: Running,
    path: String,
    owner: String,
    member: String,
}

impl Room {
    fn new() -> Self {
        let server = Running::start(&["--api-key", SECRET]);
        let (owner, member) = (server.sign_up("ann"), server.sign_up("bob"));
        let bob = server.get("/api/v1/session").cookie(&member).send().json();
        let create = json!({"commands": [{"type": "create", "id": 1, "cid": "c", "kind": "group", "name": "Ops",
            "members": [bob["user"]["id"]]}]});
        let made = server.post("/api/v1/commands", create).cookie(&owner).send().json();
        let room = made["answers"][0]["room"].as_str().unwrap();
        let path = format!("/api/v1/rooms/{room}/retention");
        Self { server, path, owner, member }
    }

    /// As the page asks.
    fn put(&self, cookie: &str, seconds: Value) -> Answer {
        self.put_from(&self.server.origin(), cookie, seconds)
    }

    fn put_from(&self, origin: &str, cookie: &str, seconds: Value) -> Answer {
        let request = self.server.request("PUT", &self.path).header("origin", origin);
        request.cookie(cookie).json(json!({"seconds": seconds})).send()
    }

    fn kept(&self, cookie: &str) -> Value {
        self.server.get(&self.path).cookie(cookie).send().json()
    }
}

#[test]
fn an_owner_sets_how_long_a_room_is_kept_and_its_members_read_it() {
    let room = Room::new();
    assert_eq!(room.kept(&room.member), json!({"seconds": null}));
    for seconds in [json!(30 * DAY), json!(0), json!(null), json!(DAY)] {
        let answer = room.put(&room.owner, seconds.clone());
        assert_eq!((answer.status, answer.json()), (200, json!({"seconds": seconds})));
        assert_eq!(room.kept(&room.member), json!({"seconds": seconds}));
    }
    let by_key = room.server.api("GET", &room.path, None);
    assert_eq!(by_key.json(), json!({"seconds": DAY}), "a backend reads the same");
    let too_long = room.put(&room.owner, json!(u64::MAX));
    assert_eq!((too_long.status, too_long.code().as_str()), (400, "invalid"));
}

#[test]
fn nobody_else_sets_it_and_strangers_do_not_read_it() {
    let room = Room::new();
    let member = room.put(&room.member, json!(DAY));
    assert_eq!((member.status, member.code().as_str()), (403, "forbidden"));
    let eve = room.server.sign_up("eve");
    let (read, set) = (room.server.get(&room.path).cookie(&eve).send(), room.put(&eve, json!(DAY)));
    assert_eq!((read.code().as_str(), set.code().as_str()), ("not_found", "not_found"));
    assert_eq!(room.server.get(&room.path).send().code(), "unauthorized");
    let nobody = room.server.request("PUT", &room.path).json(json!({"seconds": DAY})).send();
    assert_eq!(nobody.code(), "unauthorized");
    let wrong = room.server.request("PUT", &room.path).header("authorization", "Bearer wrong");
    let wrong = wrong.cookie(&room.owner).json(json!({"seconds": DAY})).send();
    assert_eq!(wrong.code(), "unauthorized", "a wrong key is no session");
    assert_eq!(room.kept(&room.owner), json!({"seconds": null}), "nothing was set");
}

#[test]
fn a_foreign_page_cannot_set_it_in_its_visitors_name() {
    let room = Room::new();
    let foreign = room.put_from("https://evil.example", &room.owner, json!(DAY));
    assert_eq!((foreign.status, foreign.code().as_str()), (403, "bad_origin"));
    let silent = room.server.request("PUT", &room.path).cookie(&room.owner);
    let silent = silent.json(json!({"seconds": DAY})).send();
    assert_eq!(silent.code(), "bad_origin", "a cookie needs an origin");
    assert_eq!(room.kept(&room.owner), json!({"seconds": null}));
}
