"""So many at a time, in order, and nobody holds up all others for long."""

import asyncio

import pytest

from modelport.workers import turns
from modelport.workers.turns import Turns


class Starting:
    """Those that began, in their order, and how many at once at most."""

    def __init__(self, number: int) -> None:
        self.turns = Turns(number)
        self.began: list[str] = []
        self.now = self.most = 0

    async def start(self, name: str, seconds: float = 0.01) -> None:
        async with self.turns.turn():
            self.began.append(name)
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                await asyncio.sleep(seconds)
            finally:
                self.now -= 1


def test_so_many_have_a_turn_at_once_in_the_order_in_which_they_came() -> None:
    async def test() -> None:
        starting = Starting(2)
        await asyncio.gather(*(starting.start(name) for name in "abcdefg"))
        assert (starting.began, starting.most) == (list("abcdefg"), 2)

    asyncio.run(test())


def test_one_that_takes_long_lets_the_next_begin_and_gives_back_one_turn_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 0.1)

    async def test() -> None:
        starting = Starting(1)
        long = asyncio.ensure_future(starting.start("long", 0.3))
        await asyncio.sleep(0.01)
        await starting.start("next")
        assert not long.done()
        await long
        starting.most = 0
        await asyncio.gather(*(starting.start(name) for name in "abc"))
        assert (starting.began, starting.most) == (["long", "next", *"abc"], 1)

    asyncio.run(test())


def test_who_gives_up_while_it_waits_or_begins_leaves_its_turn_to_others() -> None:
    async def test() -> None:
        starting = Starting(1)
        begun = asyncio.ensure_future(starting.start("begun", 20))
        waiting = asyncio.ensure_future(starting.start("waiting", 20))
        await asyncio.sleep(0.01)
        waiting.cancel()
        begun.cancel()
        await asyncio.wait_for(starting.start("next"), 5)
        assert starting.began == ["begun", "next"]

    asyncio.run(test())
