"""The driver's own protocol: JSON lines in, JSON lines out, in any order."""

import asyncio

import pytest

from parties.deadline import eventually
from parties.peer import LayerError
from parties.world import World


async def test_answers_come_in_any_order_and_all_come(world: World) -> None:
    subject = await world.subject()
    channel = await subject.new_channel()
    slow = asyncio.ensure_future(subject.receive(channel, 10))
    await asyncio.gather(*[subject.send(f"worker.{n}", {"n": n}) for n in range(50)])
    assert not slow.done()
    await subject.send(channel, {"n": 1})
    assert await slow == {"n": 1}


async def test_a_receive_gives_nothing_at_its_deadline_and_not_before(world: World) -> None:
    subject = await world.subject()
    loop = asyncio.get_running_loop()
    for channel in ("worker", await subject.new_channel()):
        began = loop.time()
        assert await subject.receive(channel, 0.5) is None
        assert 0.45 <= loop.time() - began < 3


@pytest.mark.parametrize("layer", ["core", "pubsub", "memory"])
async def test_close_cancels_what_waits(world: World, layer: str) -> None:
    subject = await world.subject(world.options(layer=layer))
    channel = await subject.new_channel()
    waiting = asyncio.ensure_future(subject.receive(channel, None))
    await asyncio.wait([waiting], timeout=0.1)
    await subject.ask("close")
    done, _ = await asyncio.wait([waiting], timeout=5)
    assert done
    with pytest.raises(LayerError):
        waiting.result()
    await subject.end()
    assert subject.process.returncode == 0


@pytest.mark.parametrize("layer", ["core", "pubsub", "memory"])
async def test_the_end_of_stdin_ends_it(world: World, layer: str) -> None:
    subject = await world.subject(world.options(layer=layer))
    waiting = asyncio.ensure_future(subject.receive(await subject.new_channel(), None))
    await asyncio.wait([waiting], timeout=0.1)
    await subject.end()
    waiting.cancel()


@pytest.mark.moorline
async def test_a_line_that_is_no_request_does_not_end_it(world: World) -> None:
    subject = await world.subject()
    assert subject.process.stdin is not None
    for line in (b"\n", b"nonsense\n", b"[]\n", b'{"op":"send"}\n', b"\xff\xfe\n"):
        subject.process.stdin.write(line)
    with pytest.raises(LayerError):
        await subject.ask("no_such_op")
    with pytest.raises(LayerError):
        await subject.ask("send", channel="worker")
    await subject.send("worker", {"type": "m"})
    assert await subject.receive("worker") == {"type": "m"}


async def test_a_request_before_open_is_refused(world: World) -> None:
    subject = await world.unopened()
    with pytest.raises(LayerError):
        await subject.ask("new_channel")


async def test_only_layer_and_hosts_are_needed_to_open(world: World) -> None:
    subject = await world.unopened()
    await subject.ask("open", layer="core", hosts=world.hosts())
    await subject.send("worker", {"type": "m"})
    django = await world.django()
    assert await django.receive("worker") == {"type": "m"}


async def test_a_receive_without_a_timeout_waits(world: World) -> None:
    subject, django = await world.subject(), await world.django()
    channel = await subject.new_channel()
    waiting = asyncio.ensure_future(subject.ask("receive", channel=channel, patience=None))
    await eventually(lambda: any(one["cmd"].startswith("b") for one in world.servers[0].others()))
    await django.send(channel, {"type": "m"})
    assert await waiting == {"message": {"type": "m"}}


@pytest.mark.parametrize("layer", ["core", "pubsub", "memory"])
async def test_one_process_alone_works_with_every_back_end(world: World, layer: str) -> None:
    subject = await world.subject(world.options(layer=layer))
    first, second = await subject.new_channel(), await subject.new_channel()
    for channel in (first, second):
        await subject.group_add("g", channel)
    await subject.group_send("g", {"type": "both", "b": b"\x00", "n": 2**63})
    assert await subject.receive(first) == {"type": "both", "b": b"\x00", "n": 2**63}
    assert await subject.receive(second) == {"type": "both", "b": b"\x00", "n": 2**63}
    await subject.group_discard("g", second)
    await subject.group_send("g", {"type": "first"})
    await subject.send(second, {"type": "second"})
    assert await subject.receive(first) == {"type": "first"}
    assert await subject.receive(second) == {"type": "second"}


async def test_the_memory_layer_has_capacity_and_names_like_the_original(world: World) -> None:
    subject = await world.subject(world.options(layer="memory", capacity=2))
    channel = await subject.new_channel()
    for _ in range(2):
        await subject.send(channel, {"type": "m"})
    with pytest.raises(LayerError, match="ChannelFull"):
        await subject.send(channel, {"type": "m"})
    for bad in ("a b", "é", "x" * 100, ""):
        with pytest.raises(LayerError, match="InvalidName"):
            await subject.send(bad, {"type": "m"})


@pytest.mark.moorline
async def test_nothing_but_answers_is_on_stdout(world: World) -> None:
    """Logs go to stderr, even when there is much to log."""
    subject = await world.unopened()
    with pytest.raises(LayerError):
        await subject.ask("open", layer="core", hosts=["redis://127.0.0.1:1/0"])
        await subject.ask("send", channel="worker", message={"type": "m"})
    assert subject.log()
