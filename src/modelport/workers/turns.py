"""Workers start in turn: a model that is loaded takes a core, and a hundred at once take each other's time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PATIENCE = 30.0
"""Seconds after which the next begins, although one that began before it is not ready."""


class Turns:
    """So many at a time, in the order in which they come."""

    def __init__(self, number: int) -> None:
        self._free = asyncio.Semaphore(number)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Holds a turn, until the end or for as long as others are patient."""
        await self._free.acquire()
        held = asyncio.get_running_loop().call_later(PATIENCE, self._free.release)
        try:
            yield
        finally:
            if asyncio.get_running_loop().time() < held.when():
                held.cancel()
                self._free.release()
