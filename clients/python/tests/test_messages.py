"""Messages over the HTTP API: stored once, whatever happens in between."""

import threading
import time

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test.utils import override_settings

from faulty import loses_answers, says
from moorline_django import (
    Misdirected,
    MoorlineError,
    Refused,
    Unavailable,
    create_room,
    post_message,
    put_user,
    read_events,
)
from moorline_django.conf import read
from moorline_django.http import Connection
from moorline_django.messages import post
from server import API_KEY, Moorline


def test_a_message_is_stored_and_its_place_is_told(configured: Moorline) -> None:
    room = configured.room("messages.one", "7")
    first = post_message(room, User(pk=7, username="ann"), "héllo ✓")
    answer = post_message(room, "7", "again", reply_to=first.message)
    assert (answer.room, answer.seq) == (room, first.seq + 1)
    stored = configured.messages(room)
    assert [(one["from"], one["body"], one["cid"]) for one in stored] == [
        ("7", "héllo ✓", first.key),
        ("7", "again", answer.key),
    ]
    assert stored[1]["reply_to"] == first.message


def test_the_same_key_is_stored_once_and_another_text_under_it_refused(configured: Moorline) -> None:
    room = configured.room("messages.key", "ann")
    first = post_message(room, "ann", "paid", key="order-4711")
    assert post_message(room, "ann", "paid", key="order-4711") == first
    with pytest.raises(Refused) as refused:
        post_message(room, "ann", "not paid", key="order-4711")
    assert (refused.value.code, refused.value.status) == ("cid_conflict", 409)
    assert configured.bodies(room) == ["paid"]


def test_a_lost_answer_stores_nothing_twice(configured: Moorline) -> None:
    room = configured.room("messages.lost", "ann")
    middle, lost = loses_answers(configured.port, 2)
    with middle, override_settings(MOORLINE=configured.settings(URL=middle.url)):
        posted = post_message(room, "ann", "once")
    assert len(lost) == 2
    assert all(b" 201 " in answer for answer in lost), "the fault did not bite"
    assert middle.seen == 3
    assert [(one["seq"], one["body"]) for one in configured.messages(room)] == [(posted.seq, "once")]


def test_a_server_that_comes_back_in_time_gets_the_message(own_server: Moorline) -> None:
    room = own_server.room("back", "ann")
    own_server.kill()
    with override_settings(MOORLINE=own_server.settings(RETRY=20)):
        comes_back = threading.Timer(0.5, own_server.start)
        comes_back.start()
        post_message(room, "ann", "late")
        comes_back.join()
    assert own_server.bodies(room) == ["late"]


def test_a_server_that_is_away_is_told_in_time_with_the_key(own_server: Moorline) -> None:
    room = own_server.room("away", "ann")
    own_server.kill()
    began = time.monotonic()
    with (
        override_settings(MOORLINE=own_server.settings(RETRY=0.5)),
        pytest.raises(Unavailable, match="did not answer") as away,
    ):
        post_message(room, "ann", "hello")
    assert time.monotonic() - began < 3
    own_server.start()
    with override_settings(MOORLINE=own_server.settings()):
        assert post_message(room, "ann", "hello", key=away.value.key).key == away.value.key
    assert own_server.bodies(room) == ["hello"]


def test_refusals_are_final_and_say_their_code(configured: Moorline) -> None:
    room = configured.room("messages.refused", "ann")
    for target, sender, code in ((room, "stranger", "not_found"), ("messages.none", "ann", "not_found")):
        with pytest.raises(Refused) as refused:
            post_message(target, sender, "hello")
        assert refused.value.code == code
    wrong = configured.settings(API_KEY="y" * 40)
    with override_settings(MOORLINE=wrong), pytest.raises(Refused) as refused:
        post_message(room, "ann", "hello")
    assert refused.value.code == "unauthorized"
    assert API_KEY not in repr(refused.value)


def test_a_kept_connection_that_was_closed_meanwhile_is_opened_again(configured: Moorline) -> None:
    room = configured.room("messages.kept", "ann")
    middle, _ = loses_answers(configured.port, 0)
    with middle, Connection(read(configured.settings(URL=middle.url))) as connection:
        for number in range(3):
            post(connection, room=room, sender="ann", body=f"{number}", reply_to=None, key=f"kept-{number}", once=True)
    assert middle.seen == 3, "the fault did not bite: each answer ends its connection without saying so"
    assert configured.bodies(room) == ["0", "1", "2"]


def test_an_answer_that_is_not_moorlines_is_no_refusal(configured: Moorline) -> None:
    page = b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found"
    with (
        says(page) as stranger,
        override_settings(MOORLINE=configured.settings(URL=stranger.url)),
        pytest.raises(Misdirected, match="look at MOORLINE"),
    ):
        post_message("r", "ann", "hello")
    assert stranger.seen == 1


def test_answers_without_end_or_form_are_errors_of_ours(configured: Moorline) -> None:
    flood = b"HTTP/1.1 201 Created\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000
    for answer in (flood, b"nonsense\r\n\r\n", b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"):
        settings = configured.settings(RETRY=0.3)
        with says(answer) as stranger, override_settings(MOORLINE={**settings, "URL": stranger.url}):
            with pytest.raises(MoorlineError):
                post_message("r", "ann", "hello")
            assert stranger.seen >= 1


def test_a_wish_to_wait_does_not_outlast_the_callers_patience(configured: Moorline) -> None:
    body = b'{"error":{"code":"overloaded","message":"Wait.","retry_after_ms":600000}}'
    answer = b"HTTP/1.1 503 Busy\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with says(answer) as busy, override_settings(MOORLINE=configured.settings(URL=busy.url)):
        began = time.monotonic()
        with pytest.raises(Unavailable, match="overloaded") as unavailable:
            post_message("r", "ann", "hello")
    assert unavailable.value.retry_after == 600
    assert time.monotonic() - began < 3


def test_what_could_never_be_stored_is_refused_at_once(configured: Moorline) -> None:
    for room, body in (("a room", "x"), ("r", ""), ("r", "x" * (64 * 1024 + 1)), ("r", "\ud800")):
        with pytest.raises(ValueError):
            post_message(room, "ann", body)
    with pytest.raises(ValueError):
        post_message("r", "ann", "x", key="has space")


def test_on_commit_posts_after_the_commit_and_not_after_a_rollback(configured: Moorline) -> None:
    room = configured.room("messages.commit", "ann")
    with transaction.atomic():
        transaction.on_commit(lambda: post_message(room, "ann", "kept"), robust=True)
        assert configured.bodies(room) == []
    with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012
        transaction.on_commit(lambda: post_message(room, "ann", "undone"), robust=True)
        raise RuntimeError
    assert configured.bodies(room) == ["kept"]


def test_on_commit_with_a_server_away_fails_neither_the_work_nor_the_next_callback(
    own_server: Moorline, caplog: pytest.LogCaptureFixture
) -> None:
    own_server.kill()
    after: list[str] = []
    with override_settings(MOORLINE=own_server.settings(RETRY=0.2)), transaction.atomic():
        transaction.on_commit(lambda: post_message("r", "ann", "hello"), robust=True)
        transaction.on_commit(lambda: after.append("ran"))
    assert after == ["ran"]
    assert "did not answer" in caplog.text


def test_people_and_rooms_may_be_made_again_and_again(configured: Moorline) -> None:
    ann = User(pk=90, username="ann")
    for _ in range(2):
        put_user(ann)
        put_user("91", "Bob")
        assert create_room("messages.made", name="Made", members=[ann, "91"]) == "messages.made"
    with pytest.raises(Refused) as refused:
        create_room("messages.made", kind="public", name="Other")
    assert refused.value.code == "conflict"


def test_a_removed_member_posts_no_more_until_added_again(configured: Moorline) -> None:
    from moorline_django import add_member, remove_member

    room = configured.room("messages.members", "ann")
    configured.api("PUT", "users/bob", {"name": "bob"})
    add_member(room, "bob")
    add_member(room, "bob")
    post_message(room, "bob", "in")
    remove_member(room, "bob")
    with pytest.raises(Refused):
        post_message(room, "bob", "out")
    assert configured.bodies(room) == ["in"]


def test_a_log_is_read_from_any_position_on(configured: Moorline) -> None:
    room = configured.room("messages.log", "ann")
    posted = [post_message(room, "ann", str(number)) for number in range(5)]
    page = read_events(room, after=posted[0].seq, limit=3)
    assert [event["body"] for event in page.events] == ["1", "2", "3"]
    assert (page.more, page.head, page.epoch) == (True, posted[4].seq, posted[4].epoch)
    rest = read_events(room, after=page.events[-1]["seq"])
    assert ([event["id"] for event in rest.events], rest.more) == ([posted[4].message], False)
    with pytest.raises(Refused):
        read_events("messages.nowhere")
