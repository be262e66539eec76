"""A master, its replica and a Sentinel that watches them, each with a password.

The tests of fail-over use it. One Sentinel with a quorum of one: the vote is not what is tested.
"""

from pathlib import Path
from typing import Any

from .redis_server import PASSWORD, RedisServer

MASTER_NAME = "moorings"
SENTINEL_PASSWORD = "watch keeper"


class Sentinel(RedisServer):
    """`redis-server --sentinel`."""

    arguments = ("--sentinel",)

    def __init__(self, folder: Path, master: RedisServer) -> None:
        watched = (
            f"sentinel monitor {MASTER_NAME} 127.0.0.1 {master.port} 1",
            f'sentinel auth-pass {MASTER_NAME} "{master.password}"',
            f"sentinel down-after-milliseconds {MASTER_NAME} 400",
            f"sentinel failover-timeout {MASTER_NAME} 3000",
        )
        super().__init__(folder, SENTINEL_PASSWORD, watched)


class Fleet:
    """All three together."""

    def __init__(self, folder: Path) -> None:
        self.master = RedisServer(folder / "master", lines=(f'masterauth "{PASSWORD}"',))
        self.replica = RedisServer(
            folder / "replica",
            lines=(
                f'masterauth "{PASSWORD}"',
                f"replicaof 127.0.0.1 {self.master.port}",
                "repl-diskless-sync-delay 0",
            ),
        )
        self.sentinel = Sentinel(folder / "sentinel", self.master)

    def start(self) -> None:
        """In the order in which they need each other."""
        self.master.start()
        self.replica.start()
        self.sentinel.start()

    def stop(self) -> None:
        """All three."""
        for server in (self.sentinel, self.replica, self.master):
            server.stop()

    def host(self) -> dict[str, Any]:
        """The entry of `hosts` that Django's settings would have."""
        return {
            "sentinels": [["127.0.0.1", self.sentinel.port]],
            "master_name": MASTER_NAME,
            "sentinel_kwargs": {"password": SENTINEL_PASSWORD},
            "password": PASSWORD,
        }

    def is_ready(self) -> bool:
        """The replica has the master's data, and the Sentinel knows the replica."""
        linked = self.replica.client.info("replication").get("master_link_status") == "up"
        known = self.sentinel.client.execute_command("SENTINEL", "REPLICAS", MASTER_NAME)
        return linked and len(known) == 1

    def has_failed_over(self) -> bool:
        """The replica has become the master."""
        return bool(self.replica.client.info("replication")["role"] == "master")
