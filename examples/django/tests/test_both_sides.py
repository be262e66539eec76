"""A person on Daphne and a person on Moorline chat in one room."""

import subprocess
import time

from people import Site


def test_each_side_reads_the_other_in_the_same_order_and_once(site: Site) -> None:
    ann, bob = site.person("ann"), site.person("bob")
    with ann.at_daphne() as here, bob.at_moorline() as there:
        for number in range(10):
            for socket, name in ((here, "ann"), (there, "bob")):
                socket.write("harbour", f"{name} {number}")
                here.message(f"{name} {number}")
                there.message(f"{name} {number}")
        expected = [f"{name} {number}" for number in range(10) for name in ("ann", "bob")]
        assert here.bodies("harbour") == there.bodies("harbour") == expected
        seqs = {
            side: [frame["seq"] for frame in socket.heard if frame.get("body") in expected and "seq" in frame]
            for side, socket in (("daphne", here), ("moorline", there))
        }
        assert seqs["daphne"] == seqs["moorline"] == sorted(set(seqs["daphne"]))
    copy = [message for message in ann.messages("harbour") if message["body"] in expected]
    assert [message["body"] for message in copy] == expected
    assert {message["name"] for message in copy} == {"ann", "bob"}


def test_the_same_key_again_is_stored_once(site: Site) -> None:
    ann = site.person("ann")
    with ann.at_daphne() as here:
        for _ in range(3):
            here.say(type="send", room="lobby", body="once", key="the-same-key")
            here.until(lambda frame: frame["type"] == "ack")
        here.write("lobby", "after")
        here.message("after")
    assert [message["body"] for message in ann.messages("lobby")].count("once") == 1


def test_a_message_in_a_transaction_reaches_both_sides_by_the_outbox(site: Site) -> None:
    ann, bob = site.person("ann"), site.person("bob")
    with ann.at_daphne() as here, bob.at_moorline() as there:
        ann.post("/rooms/harbour/orders/", form_at="/rooms/harbour/")
        told = here.until(lambda frame: str(frame.get("body", "")).endswith("is paid."))
        assert told["name"] == "ann"
        there.until(lambda frame: {"notice", "event"} <= {one["type"] for one in there.heard})
        notices = [frame for frame in there.heard if frame["type"] == "notice"]
        number = int(told["body"].split()[1])
        assert [(one["room"], one["name"], one["data"]) for one in notices] == [
            ("harbour", "order.paid", {"number": number})
        ]
        assert [one["from"] for one in there.heard if one.get("body") == told["body"]] == [told["from"]]


def test_djangos_session_is_enough_for_moorline(site: Site) -> None:
    ann = site.person("ann")
    with ann.at_moorline_by_session() as there:
        welcome = there.until(lambda frame: True)
        assert (welcome["type"], welcome["user"]["name"]) == ("welcome", "ann")
        assert {room["id"] for room in welcome["rooms"]} == {"harbour", "lobby"}
    ann.forget()
    with ann.at_moorline_by_session() as there:
        assert there.until(lambda frame: True)["code"] == "token_refused"


def test_who_is_not_signed_in_gets_no_socket_and_no_token(site: Site) -> None:
    from urllib.request import urlopen

    import pytest
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    with urlopen(f"{site.django}/token/", timeout=20) as answer:
        assert "/login/" in answer.url
    with pytest.raises(InvalidStatus), connect(f"{site.django.replace('http', 'ws')}/ws/chat/", origin=site.django):
        pass


def test_what_the_channel_layer_lost_is_in_the_copy_all_the_same(own_site: Site) -> None:
    ann, bob = own_site.person("ann"), own_site.person("bob")
    with ann.at_daphne() as here, bob.at_moorline() as there:
        flush(own_site)
        there.write("harbour", "while the group was forgotten")
        there.message("while the group was forgotten")
        here.say(type="send", room="nowhere", body="x")
        here.until(lambda frame: frame["type"] == "error")
        assert here.bodies("harbour") == [], "the fault did not bite: Daphne's group was not forgotten"
    assert [message["body"] for message in ann.messages("harbour")] == ["while the group was forgotten"]


def test_the_chat_as_it_was_works_without_moorline(old_site: Site) -> None:
    ann, bob = old_site.person("ann"), old_site.person("bob")
    with ann.at_daphne() as here, bob.at_daphne() as there:
        here.write("harbour", "hello")
        assert here.message("hello")["id"] == there.message("hello")["id"]
    assert [message["body"] for message in bob.messages("harbour")] == ["hello"]


def flush(site: Site) -> None:
    """Redis forgets everything."""
    config = (site.folder / "redis.conf").read_text().split()
    port, password = config[config.index("port") + 1], config[config.index("requirepass") + 1]
    words = ["redis-cli", "-p", port, "--no-auth-warning", "-a", password, "FLUSHALL"]
    deadline = time.monotonic() + 10
    while subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip() != "OK":
        assert time.monotonic() < deadline
