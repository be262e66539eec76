"""Waiting for something to become true, with a deadline; tests never just sleep."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any


async def eventually(
    check: Callable[[], Any | Awaitable[Any]], within: float = 10, told: str = ""
) -> Any:
    """The first true result of `check`, asked every few milliseconds."""
    try:
        async with asyncio.timeout(within):
            while True:
                found = check()
                found = await found if isawaitable(found) else found
                if found:
                    return found
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"did not happen within {within} s: {told or check}") from None
