"""The options that every peer of a channel layer must share, in the words of a driver's `open`.

Peers are opened with them; a test changes one with `but`.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

LayerName = Literal["core", "pubsub", "memory"]


@dataclass(frozen=True)
class Options:
    """Fields that stay None are not sent, so that both sides use their own defaults."""

    layer: LayerName = "core"
    hosts: list[Any] = field(default_factory=list)
    prefix: str | None = None
    expiry: float | None = None
    group_expiry: int | None = None
    capacity: int | None = None
    channel_capacity: list[tuple[str, int]] | None = None
    keys: list[str] | None = None
    random_prefix_length: int | None = None
    serializer: Literal["msgpack", "json"] | None = None

    def but(self, **changes: Any) -> Self:
        """The same options with these changed."""
        return replace(self, **changes)

    def given(self) -> dict[str, Any]:
        """Only what was chosen, by the names of `open`."""
        return {name: value for name, value in vars(self).items() if value is not None}
