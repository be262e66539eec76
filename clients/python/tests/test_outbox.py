"""The outbox: both or neither with the caller's transaction, then in order, until acknowledged."""

import signal
import socket
import threading
import time
from typing import Any

import pytest
from django.db import transaction
from django.test.utils import override_settings

from faulty import Middle
from moorline_django import post_message
from moorline_django.models import OutboxMessage
from server import Moorline
from starter import manage, run

pytestmark = pytest.mark.usefixtures("empty_outbox")
DEADLINE = 30.0


def write(server: Moorline, room: str, *texts: str, sender: str = "ann") -> None:
    with override_settings(MOORLINE=server.settings()):
        for text in texts:
            post_message(room, sender, text, durable=True)


def waits_until(is_so: Any, what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def test_a_durable_message_is_written_with_the_callers_work_or_not_at_all(configured: Moorline) -> None:
    room = configured.room("outbox.rollback", "ann")
    with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012
        post_message(room, "ann", "undone", durable=True)
        raise RuntimeError
    with transaction.atomic():
        row = post_message(room, "ann", "kept", durable=True)
    assert [one.body for one in OutboxMessage.objects.all()] == ["kept"]
    assert run(configured.settings(), "moorline_outbox", "--once") == (0, "1 sent, 0 refused\n")
    assert [(one["body"], one["cid"]) for one in configured.messages(room)] == [("kept", row.key)]
    assert OutboxMessage.objects.count() == 0


def test_each_room_gets_its_messages_in_order(configured: Moorline) -> None:
    rooms = [configured.room(f"outbox.order{number}", "ann") for number in range(5)]
    for number in range(50):
        write(configured, rooms[number % 5], f"{number}")
    assert run(configured.settings(), "moorline_outbox", "--once")[0] == 0
    for index, room in enumerate(rooms):
        assert configured.bodies(room) == [str(number) for number in range(index, 50, 5)]


def test_a_refused_message_stays_with_its_reason_and_holds_nothing_up(configured: Moorline) -> None:
    room = configured.room("outbox.refused", "ann")
    write(configured, room, "1")
    write(configured, room, "2", sender="late")
    write(configured, room, "3")
    code, said = run(configured.settings(), "moorline_outbox", "--once")
    assert code == 1
    assert "2 sent, 1 refused" in said
    row = OutboxMessage.objects.get()
    assert row.refused_at is not None
    assert "not_found" in row.error
    assert configured.bodies(room) == ["1", "3"]
    assert run(configured.settings(), "moorline_outbox", "--once")[0] == 0, "a refused row is passed over"
    configured.api("PUT", "users/late", {"name": "late"})
    configured.api("PUT", f"rooms/{room}/members/late")
    assert run(configured.settings(), "moorline_outbox", "--once", "--retry-refused")[0] == 0
    assert configured.bodies(room) == ["1", "3", "2"]


def test_a_wrong_api_key_refuses_no_message(configured: Moorline) -> None:
    room = configured.room("outbox.key", "ann")
    write(configured, room, "waits")
    wrong = configured.settings(API_KEY="z" * 40, RETRY=0.3)
    code, said = run(wrong, "moorline_outbox", "--once")
    assert code == 1
    assert "1 messages wait" in said
    assert "unauthorized" in said
    assert OutboxMessage.objects.filter(refused_at=None).count() == 1
    assert run(configured.settings(), "moorline_outbox", "--once")[0] == 0
    assert configured.bodies(room) == ["waits"]


def test_a_running_outbox_outlives_its_server_and_ends_at_sigterm(own_server: Moorline) -> None:
    room = own_server.room("outbox.away", "ann")
    process = manage(own_server.settings(TIMEOUT=1), "moorline_outbox", "--interval", "0.05")
    write(own_server, room, "before")
    waits_until(lambda: OutboxMessage.objects.count() == 0, "nothing was sent")
    own_server.kill()
    write(own_server, room, "while away", "and again")
    assert process.stderr is not None
    line = ""
    while "nothing is lost" not in line:
        line = process.stderr.readline()
        assert line, "it ended"
    own_server.start()
    waits_until(lambda: OutboxMessage.objects.count() == 0, "nothing was sent after the server came back")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    assert own_server.bodies(room) == ["before", "while away", "and again"]


def test_a_server_that_never_answers_is_not_asked_for_every_room(configured: Moorline) -> None:
    for number in range(60):
        write(configured, f"silent{number}", "waits")
    with Middle(lambda peer: closed_by(peer)) as silent:
        code, said = run(configured.settings(URL=silent.url, TIMEOUT=0.5, RETRY=0.1), "moorline_outbox", "--once")
    assert code == 1
    assert "60 messages wait (0 sent)" in said
    assert 1 <= silent.seen <= 8, "of four workers each asks once a pass"


def closed_by(peer: socket.socket) -> None:
    """Reads until the other side gives up."""
    while peer.recv(65536):
        pass


class Writer(threading.Thread):
    """Writes numbered messages to some rooms while senders are killed."""

    def __init__(self, server: Moorline, rooms: list[str], count: int) -> None:
        super().__init__()
        self.server, self.rooms, self.count = server, rooms, count

    def run(self) -> None:
        from django.db import connection

        for number in range(self.count):
            write(self.server, self.rooms[number % len(self.rooms)], str(number))
        connection.close()


def kills(server: Moorline, rooms: list[str], command: str, count: int, rounds: int) -> int:
    """Kills the command again and again while it sends; how often rows that were sent had not been deleted yet."""
    writer = Writer(server, rooms, count)
    writer.start()
    bites = 0
    for number in range(rounds):
        stored = sum(len(server.messages(room)) for room in rooms)
        process = manage(server.settings(), command, "--interval", "0.05", "--workers", "3")
        # Starting Django takes its time, so the moment counts from the first message that arrives.
        waits_until(
            lambda before=stored: sum(len(server.messages(room)) for room in rooms) > before, "nothing was sent"
        )
        # No wait for anything: the fault itself, at another moment of the pass each time.
        time.sleep(0.013 * (number % 5))
        process.kill()
        process.communicate()
        waiting = set(OutboxMessage.objects.values_list("key", flat=True))
        sent = {event["cid"] for room in rooms for event in server.messages(room)}
        bites += bool(waiting & sent) or command == "forgetful_outbox"
        if len(sent) >= count:
            break
    writer.join()
    return bites


@pytest.mark.timeout(180)
def test_killed_at_random_moments_each_message_is_stored_once_and_in_order(own_server: Moorline) -> None:
    rooms = [own_server.room(f"killed{number}", "ann") for number in range(3)]
    count = 600
    bites = kills(own_server, rooms, "moorline_outbox", count, rounds=6)
    assert bites >= 2, "hardly a kill fell between an acknowledgement and its deletion: the fault did not bite"
    assert run(own_server.settings(), "moorline_outbox", "--once")[0] == 0
    for index, room in enumerate(rooms):
        assert own_server.bodies(room) == [str(number) for number in range(index, count, 3)]


@pytest.mark.timeout(180)
def test_the_twin_without_lasting_keys_stores_doubles(own_server: Moorline) -> None:
    rooms = [own_server.room("twin", "ann")]
    kills(own_server, rooms, "forgetful_outbox", 200, rounds=2)
    assert run(own_server.settings(), "forgetful_outbox", "--once")[0] == 0
    bodies = own_server.bodies(rooms[0])
    assert len(bodies) > len(set(bodies)) == 200, "the proof would not notice doubles"


def test_two_outboxes_at_once_keep_the_order(own_server: Moorline) -> None:
    room = own_server.room("two", "ann")
    both = [manage(own_server.settings(), "moorline_outbox", "--interval", "0.01") for _ in range(2)]
    for process in both:
        assert process.stdout is not None
        assert "sending the outbox" in process.stdout.readline()
    write(own_server, room, *[str(number) for number in range(100)])
    waits_until(lambda: OutboxMessage.objects.count() == 0, "not all was sent")
    for process in both:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert own_server.bodies(room) == [str(number) for number in range(100)]


def test_wrong_options_are_told(configured: Moorline) -> None:
    for words in (["--workers", "0"], ["--interval", "0"]):
        code, said = run(configured.settings(), "moorline_outbox", *words)
        assert code == 1
        assert "--interval must be above 0" in said
