"""What Redis and redis-py say about logins, and redis-py 8's read timeout that ends idle readers."""

import asyncio
import socket

import pytest
import redis

from channels_redis.core import RedisChannelLayer
from parties.peer import LayerError
from parties.redis_server import RedisServer
from parties.world import World

MAJOR = int(redis.__version__.split(".")[0])


def answers(server: RedisServer, *commands: bytes) -> list[str]:
    """The first line of the reply to each inline command."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        lines = connection.makefile("rb")
        found = []
        for command in commands:
            connection.sendall(command + b"\r\n")
            found.append(lines.readline().decode().rstrip())
    return found


async def test_what_redis_answers_without_the_right_password(own_world: World) -> None:
    (server,) = own_world.servers
    ping, hello, wrong, wrong_hello = answers(server, b"PING", b"HELLO 3", b"AUTH no", b"HELLO 3 AUTH default no")
    assert ping == "-NOAUTH Authentication required."
    assert hello.startswith("-NOAUTH HELLO must be called with the client already authenticated")
    assert wrong == wrong_hello == "-WRONGPASS invalid username-password pair or user is disabled."
    server.client.config_set("requirepass", "")
    needless, any_word, database = answers(server, b"AUTH pw", b"HELLO 2 AUTH default pw", b"SELECT 99")
    assert needless.startswith("-ERR AUTH <password> called without any password configured for the default user.")
    assert any_word.startswith("*")


async def test_a_database_that_is_not_there(own_world: World) -> None:
    (server,) = own_world.servers
    server.client.config_set("requirepass", "")
    assert answers(server, b"SELECT 99") == ["-ERR DB index is out of range"]


@pytest.mark.parametrize("layer", ["core", "pubsub"])
@pytest.mark.parametrize("password", [None, "wrong"])
async def test_what_django_says_to_a_wrong_or_missing_password(
    own_world: World, layer: str, password: str | None
) -> None:
    (server,) = own_world.servers
    host = server.url("wrong") if password else f"redis://127.0.0.1:{server.port}"
    django = await own_world.django(own_world.options(layer=layer).but(hosts=[host]))
    with pytest.raises(LayerError) as caught:
        await django.send("worker", {"type": "m"})
    missing = {8: "HELLO must be called with the client already authenticated", 7: "Authentication required."}
    assert "AuthenticationError" in caught.value.detail
    assert "NOAUTH" not in caught.value.detail
    expected = "invalid username-password pair or user is disabled." if password else missing[MAJOR]
    assert expected in caught.value.detail


async def test_redis_py_8_gives_up_an_idle_reader_after_five_seconds(world: World) -> None:
    async def idle(host: object) -> object:
        layer = RedisChannelLayer(hosts=[host])
        try:
            return await asyncio.wait_for(layer.receive("worker"), 6)
        except Exception as error:
            return error
        finally:
            await layer.close_pools()

    url = world.servers[0].url()
    plain, patient, longer = await asyncio.gather(
        idle(url), idle({"address": url, "socket_timeout": None}), idle(url + "?socket_timeout=30")
    )
    assert type(patient) is type(longer) is TimeoutError, "still waiting after six seconds"
    if MAJOR >= 8:
        assert type(plain) is redis.exceptions.TimeoutError and "Timeout reading from 127.0.0.1" in str(plain)
    else:
        assert type(plain) is TimeoutError
