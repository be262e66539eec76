"""Expiry: of messages, of group memberships and of encrypted tokens, at their exact boundaries.

Old scores are put into Redis by the test, so that nothing has to wait for them.
"""

import asyncio
import time
from typing import Any

import msgpack
import pytest

from parties.deadline import eventually
from parties.peer import Peer, drain
from parties.world import World


@pytest.fixture(params=["subject", "django"])
def side(request: pytest.FixtureRequest) -> str:
    """Both sides must do the same to what lies in Redis."""
    chosen: str = request.param
    return chosen


async def opened(world: World, side: str, **options: Any) -> Peer:
    """The chosen side."""
    peer: Peer = await getattr(world, side)(world.options(**options))
    return peer


async def test_a_queue_lives_as_long_as_expiry_after_its_last_message(world: World, side: str) -> None:
    peer = await opened(world, side, expiry=30)
    await peer.send("worker", {"n": 1})
    assert 29 <= world.redis.ttl("asgiworker") <= 30
    world.redis.expire("asgiworker", 5)
    await peer.send("worker", {"n": 2})
    assert 29 <= world.redis.ttl("asgiworker") <= 30
    await peer.group_add("g", "worker")
    world.redis.expire("asgiworker", 5)
    await peer.group_send("g", {"n": 3})
    assert 29 <= world.redis.ttl("asgiworker") <= 30


async def test_a_message_unread_for_longer_than_expiry_is_gone(world: World) -> None:
    options = world.options(expiry=1)
    subject, django = await world.subject(options), await world.django(options)
    for sender in (subject, django):
        await sender.send("worker", {"n": 1})
        await eventually(lambda: not world.redis.exists("asgiworker"), 5)
    for sender, receiver in ((subject, django), (django, subject)):
        await sender.send("worker", {"n": 2})
        assert await receiver.receive("worker") == {"n": 2}


async def test_a_send_prunes_what_is_older_than_expiry_and_no_younger(world: World, side: str) -> None:
    peer = await opened(world, side, expiry=30)
    await peer.group_add("g", "worker")
    for send in (lambda: peer.send("worker", {"n": 0}), lambda: peer.group_send("g", {"n": 0})):
        world.redis.delete("asgiworker")
        now = int(time.time())
        world.redis.zadd("asgiworker", {b"old": now - 40, b"at the edge": now - 30, b"young": now - 28})
        await send()
        left = world.redis.zrange("asgiworker", 0, -1)
        assert b"young" in left and b"old" not in left and b"at the edge" not in left
        assert len(left) == 2


async def test_expired_messages_do_not_count_for_capacity(world: World, side: str) -> None:
    peer = await opened(world, side, expiry=30, capacity=2)
    await peer.group_add("g", "worker")
    for send in (lambda: peer.send("worker", {"n": 0}), lambda: peer.group_send("g", {"n": 0})):
        world.redis.delete("asgiworker")
        world.redis.zadd("asgiworker", {b"old": 1, b"older": 2, b"young": time.time()})
        await send()
        assert world.redis.zcard("asgiworker") == 2


async def test_scores_are_the_senders_clock(world: World, side: str) -> None:
    peer = await opened(world, side)
    before = time.time()
    await peer.send("worker", {"n": 1})
    await peer.group_add("g", "worker")
    await peer.group_send("g", {"n": 2})
    scores = [score for key in ("asgiworker", "asgi:group:g") for _, score in world.redis.zrange(key, 0, -1, withscores=True)]
    assert len(scores) == 3
    assert all(before - 0.01 <= score <= time.time() + 0.01 for score in scores)


async def test_a_group_lives_as_long_as_group_expiry_after_its_last_addition(world: World, side: str) -> None:
    peer = await opened(world, side, group_expiry=500)
    await peer.group_add("g", "worker")
    world.redis.expire("asgi:group:g", 5)
    await peer.group_add("g", "other")
    assert 499 <= world.redis.ttl("asgi:group:g") <= 500


async def test_adding_again_refreshes_a_membership(world: World, side: str) -> None:
    peer = await opened(world, side)
    world.redis.zadd("asgi:group:g", {"worker": 5})
    await peer.group_add("g", "worker")
    assert abs(world.redis.zscore("asgi:group:g", "worker") - time.time()) < 5


async def test_a_membership_older_than_group_expiry_gets_nothing_and_is_removed(world: World, side: str) -> None:
    peer = await opened(world, side, group_expiry=500)
    now = int(time.time())
    world.redis.zadd("asgi:group:g", {"old": now - 510, "edge": now - 500, "young": now - 490})
    await peer.group_send("g", {"n": 1})
    assert world.redis.zrange("asgi:group:g", 0, -1) == [b"young"]
    assert sorted(world.redis.keys("asgi*")) == [b"asgi:group:g", b"asgiyoung"]


async def test_members_are_served_in_the_order_of_joining(world: World, side: str) -> None:
    peer = await opened(world, side)
    world.redis.zadd("asgi:group:g", {"p.c!b": 10**10, "p.c!a": 10**10 + 1, "p.c!c": 10**10 - 1})
    await peer.group_send("g", {"n": 1})
    (member,) = world.redis.zrange("asgip.c!", 0, -1)
    assert msgpack.unpackb(member[12:])["__asgi_channel__"] == ["p.c!c", "p.c!b", "p.c!a"]


async def test_an_old_message_that_nobody_pruned_is_still_delivered(world: World, side: str) -> None:
    peer = await opened(world, side, expiry=30)
    sender = await world.django(world.options(expiry=30))
    await sender.send("worker", {"n": 1})
    (member,) = world.redis.zrange("asgiworker", 0, -1)
    world.redis.zadd("asgiworker", {member: time.time() - 1000})
    assert await peer.receive("worker") == {"n": 1}


async def test_the_oldest_score_is_delivered_first(world: World, side: str) -> None:
    peer = await opened(world, side)
    sender = await world.django(world.options())
    for number in range(5):
        await sender.send("worker", {"n": number})
    for place, member in enumerate(world.redis.zrange("asgiworker", 0, -1)):
        world.redis.zadd("asgiworker", {member: time.time() - place})
    assert [message["n"] for message in await drain(peer, "worker")] == [4, 3, 2, 1, 0]


@pytest.mark.better
async def test_a_member_stays_in_its_group_beyond_group_expiry(world: World) -> None:
    options = world.options(group_expiry=2)
    subject, django = await world.subject(options), await world.django(options)
    channel = await subject.new_channel()
    await subject.group_add("g", channel)
    joined = time.monotonic()
    await django.group_add("g", "some.worker")
    waiting = asyncio.ensure_future(subject.receive(channel, 10))
    await eventually(lambda: time.monotonic() > joined + 3.5, 5)
    await django.group_send("g", {"type": "still.here"})
    assert await asyncio.wait_for(waiting, 3) == {"type": "still.here"}


async def test_who_left_is_not_brought_back_by_a_refresh(world: World) -> None:
    options = world.options(group_expiry=2)
    subject, django = await world.subject(options), await world.django(options)
    gone, stays = await subject.new_channel(), await subject.new_channel()
    await subject.group_add("g", gone)
    await subject.group_add("h", stays)
    await subject.group_discard("g", gone)
    left = time.monotonic()
    await eventually(lambda: time.monotonic() > left + 2.5, 5)
    assert world.redis.exists("asgi:group:g") == 0
    await django.group_send("g", {"type": "m"})
    assert await subject.receive(gone, 0.2) is None
