"""The pool against peers that speak the wire over real sockets: who gets a request, and what a death or a deadline does."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from modelport.workers import pool as pool_module
from modelport.workers.call import Call, Stream
from modelport.workers.pool import WINDOW, Overloaded, Pool
from modelport_runtime import wire
from tests.modelport.workers.peer import Peer

HEAD = b'{"content":"json","dialect":"mlflow","policy":"lenient","answer":"json"}'


class Bench:
    """A pool and its peers, and what the pool reported of them."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.answered: list[int] = []
        self.overrun: list[int] = []
        self.peers: list[Peer] = []
        settings: dict[str, Any] = {"timeout": 20.0, "max_queue": 1024, "retry_user_code": False, **options}
        self.pool = Pool(on_answer=self.answered.append, on_overrun=self.overrun.append, **settings)

    async def add(self, user_code: bool = False) -> Peer:
        """One more worker, told to the pool."""
        peer = await Peer(len(self.peers) + 1, self.folder, user_code).listen()
        self.peers.append(peer)
        await self.list(*self.peers)
        return peer

    async def list(self, *peers: Peer) -> None:
        await self.pool.update([peer.address for peer in peers])

    def ask(self, body: bytes = b"x") -> tuple[Call, "asyncio.Future[Call]"]:
        done: asyncio.Future[Call] = asyncio.get_running_loop().create_future()
        call = Call(HEAD, body, done.set_result)  # a second answer would raise
        self.pool.submit(call)
        return call, done


Test = Callable[[Bench], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., None]:
    def with_bench(test: Test, **options: Any) -> None:
        async def main() -> None:
            bench = Bench(tmp_path, **options)
            try:
                await asyncio.wait_for(test(bench), 20)
            finally:
                bench.pool.close()
                for peer in bench.peers:
                    await peer.die()
                await asyncio.sleep(0.02)

        uvloop.run(main())

    return with_bench


async def answer_of(done: "asyncio.Future[Call]") -> bytes:
    call = await asyncio.wait_for(done, 5)
    assert call.error is None, call.error
    return call.answer


async def code_of(done: "asyncio.Future[Call]") -> str:
    call = await asyncio.wait_for(done, 5)
    assert call.error is not None
    return str(call.error["code"])


async def settled() -> None:
    """Long enough for bytes to cross a socket of this process and back."""
    await asyncio.sleep(0.05)


def test_a_call_is_sent_with_its_budget_and_answered_with_what_the_worker_says(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add()
        call, done = bench.ask(b"body")
        sent = await peer.next(wire.INFER)
        assert (sent.id, sent.head, sent.body, sent.flags) == (call.id, HEAD, b"body", 0)
        assert 19_000 < sent.budget_ms <= 20_000
        peer.begin(call.id)
        peer.result(call.id, b"answer")
        assert await answer_of(done) == b"answer"
        assert call.facts == {"rows": 1, "phases": [1, 2, 3, 4]}
        assert bench.pool.open == 0

    run(test)


def test_an_error_of_the_worker_is_the_call_s_error(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add()
        call, done = bench.ask()
        await peer.next(wire.INFER)
        peer.say(wire.ERROR, call.id, {"rows": 0, "phases": None, "error": {"code": "BAD_REQUEST"}})
        assert await code_of(done) == "BAD_REQUEST"

    run(test)


def test_text_that_utf_8_does_not_have_costs_nothing_but_itself(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add()
        (first, odd), (second, good) = bench.ask(), bench.ask()
        peer_head = {"error": {"code": "BAD_REQUEST", "message": "no column '\ud800'"}}
        await peer.next(wire.INFER)
        peer.say(wire.ERROR, first.id, peer_head)
        peer.result(second.id)
        assert await code_of(odd) == "BAD_REQUEST"
        assert first.error is not None
        assert first.error["message"] == "no column '\ufffd'"
        assert await answer_of(good) == b"done"
        assert bench.pool.ready

    run(test)


def test_an_answer_that_cannot_be_told_costs_the_others_nothing(run: Any) -> None:
    def fail(call: Call) -> None:
        raise RuntimeError("cannot tell")

    async def test(bench: Bench) -> None:
        peer = await bench.add()
        odd = Call(HEAD, b"", fail)
        bench.pool.submit(odd)
        call, done = bench.ask()
        await peer.next(wire.INFER)
        peer.result(odd.id)
        peer.result(call.id)
        assert await answer_of(done) == b"done"
        assert (bench.pool.open, bench.pool.ready) == (0, True)

    run(test)


def test_only_the_first_answer_of_a_worker_is_reported(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add()
        for _ in range(3):
            call, done = bench.ask()
            peer.result(call.id)
            await answer_of(done)
        assert bench.answered == [1]

    run(test)


# -- which worker ------------------------------------------------------------------------------------------------------


def test_the_worker_with_the_fewest_calls_gets_the_next(run: Any) -> None:
    async def test(bench: Bench) -> None:
        first, second = await bench.add(), await bench.add()
        calls = [bench.ask()[0] for _ in range(4)]
        await settled()
        assert (first.inbox.qsize(), second.inbox.qsize()) == (2, 2)
        on_second = [(await second.next(wire.INFER)).id for _ in range(2)]
        for id in on_second:
            second.result(id)
        await settled()
        calls += [bench.ask()[0] for _ in range(2)]
        await settled()
        assert (first.inbox.qsize(), second.inbox.qsize()) == (2, 2)

    run(test)


def test_a_worker_holds_a_window_of_calls_and_the_others_wait_for_whoever_is_free(run: Any) -> None:
    async def test(bench: Bench) -> None:
        first = await bench.add()
        asked = [bench.ask() for _ in range(WINDOW + 3)]
        await settled()
        assert (first.inbox.qsize(), bench.pool.waiting) == (WINDOW, 3)
        first.result(asked[0][0].id)
        await settled()
        assert (first.inbox.qsize(), bench.pool.waiting) == (WINDOW + 1, 2)
        second = await bench.add()
        await settled()
        assert (second.inbox.qsize(), bench.pool.waiting) == (2, 0)

    run(test)


def test_more_calls_than_allowed_are_refused_until_one_is_answered(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add()
        call, done = bench.ask()
        bench.ask()
        with pytest.raises(Overloaded):
            bench.ask()
        await peer.next(wire.INFER)
        peer.result(call.id)
        await answer_of(done)
        bench.ask()
        assert bench.pool.open == 2

    run(test, max_queue=2)


def test_calls_wait_for_the_first_worker(run: Any) -> None:
    async def test(bench: Bench) -> None:
        _, done = bench.ask()
        assert (bench.pool.ready, bench.pool.waiting) == (False, 1)
        peer = await bench.add()
        peer.result((await peer.next(wire.INFER)).id)
        assert await answer_of(done) == b"done"

    run(test)


def test_large_bodies_flow_with_credit_and_let_small_ones_pass(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add()
        peer.gives_credit = False
        large = bytes(range(256)) * 40_000
        first, first_done = bench.ask(large)
        second, second_done = bench.ask(b"small")
        assert (await peer.next(wire.INFER)).id == second.id
        await settled()
        assert peer.inbox.empty()
        peer.gives_credit = True
        peer.result(second.id, large)
        assert await answer_of(second_done) == large
        sent = await peer.next(wire.INFER)
        assert (sent.id, sent.body) == (first.id, large)
        peer.result(first.id)
        assert await answer_of(first_done) == b"done"

    run(test)


# -- a worker dies -----------------------------------------------------------------------------------------------------


def test_calls_that_were_not_started_go_to_another_worker(run: Any) -> None:
    async def test(bench: Bench) -> None:
        first = await bench.add(user_code=True)
        asked = [bench.ask() for _ in range(3)]
        await settled()
        second = await bench.add(user_code=True)
        await first.die()
        for call, done in asked:
            sent = await second.next(wire.INFER)
            assert (sent.id, sent.flags) == (call.id, 0)
            second.result(sent.id)
            assert await answer_of(done) == b"done"

    run(test)


def test_started_user_code_without_side_effects_is_repeated_alone(run: Any) -> None:
    async def test(bench: Bench) -> None:
        first = await bench.add(user_code=True)
        (started, started_done), (waiting, _) = bench.ask(), bench.ask()
        await first.next(wire.INFER)
        first.begin(started.id)
        await settled()
        second = await bench.add(user_code=True)
        await first.die()
        flags = {(message := await second.next(wire.INFER)).id: message.flags for _ in range(2)}
        assert flags == {started.id: wire.ALONE, waiting.id: 0}
        second.begin(started.id)
        await settled()
        await second.die()
        assert await code_of(started_done) == "WORKER_DIED"
        third = await bench.add(user_code=True)
        sent = await third.next(wire.INFER)
        assert (sent.id, sent.flags) == (waiting.id, 0)

    run(test, retry_user_code=True)


def test_whatever_a_library_s_worker_was_given_is_repeated_alone(run: Any) -> None:
    async def test(bench: Bench) -> None:
        first = await bench.add()
        (deadly, deadly_done), (neighbour, neighbour_done) = bench.ask(), bench.ask()
        await first.next(wire.INFER)
        second = await bench.add()
        await first.die()
        flags = {(message := await second.next(wire.INFER)).id: message.flags for _ in range(2)}
        assert flags == {deadly.id: wire.ALONE, neighbour.id: wire.ALONE}
        second.begin(deadly.id)
        await settled()
        await second.die()
        assert await code_of(deadly_done) == "WORKER_DIED"
        third = await bench.add()
        sent = await third.next(wire.INFER)
        assert (sent.id, sent.flags) == (neighbour.id, wire.ALONE)
        third.begin(sent.id)
        third.result(sent.id)
        assert await answer_of(neighbour_done) == b"done"

    run(test)


def test_started_user_code_is_not_repeated(run: Any) -> None:
    async def test(bench: Bench) -> None:
        first, second = await bench.add(user_code=True), await bench.add(user_code=True)
        call, done = bench.ask()
        await first.next(wire.INFER)
        first.begin(call.id)
        await settled()
        await first.die()
        assert await code_of(done) == "WORKER_DIED"
        assert second.inbox.empty()

    run(test)


def test_a_call_nobody_waits_for_is_not_repeated(run: Any) -> None:
    async def test(bench: Bench) -> None:
        first, second = await bench.add(), await bench.add()
        call, done = bench.ask()
        await first.next(wire.INFER)
        first.begin(call.id)
        await settled()
        bench.pool.cancel(call)
        await first.die()
        await settled()
        assert second.inbox.empty()
        assert (bench.pool.open, done.done()) == (0, False)

    run(test)


def test_a_connection_lost_to_a_worker_that_stays_is_reported(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "LOST_GRACE", 0.1)

    async def test(bench: Bench) -> None:
        gone, garbled, stays = [await bench.add() for _ in range(3)]
        await settled()
        await gone.die()
        await settled()
        await bench.list(garbled, stays)  # whoever watches the process saw it die, and says so
        garbled.garble()
        await asyncio.wait_for(garbled.closed.wait(), 5)
        await asyncio.sleep(0.3)
        assert bench.overrun == [garbled.address.id]

    run(test)


def test_a_worker_that_cannot_be_reached_is_reported(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "LOST_GRACE", 0.1)

    async def test(bench: Bench) -> None:
        await bench.list(Peer(7, bench.folder))
        await asyncio.sleep(0.3)
        assert (bench.overrun, bench.pool.ready) == ([7], False)

    run(test)


# -- deadlines and cancelling ------------------------------------------------------------------------------------------


def test_a_call_no_worker_took_is_answered_at_its_deadline(run: Any) -> None:
    async def test(bench: Bench) -> None:
        asked = [bench.ask() for _ in range(50)]
        for _, done in asked:
            assert await code_of(done) == "DEADLINE_EXCEEDED"
        assert (bench.pool.open, bench.pool.waiting) == (0, 0)
        peer = await bench.add()
        await settled()
        assert peer.inbox.empty()

    run(test, timeout=0.2)


def test_a_call_that_was_not_started_is_taken_back_at_its_deadline(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add(user_code=True)
        call, done = bench.ask()
        await peer.next(wire.INFER)
        assert await code_of(done) == "DEADLINE_EXCEEDED"
        assert (await peer.next(wire.CANCEL)).id == call.id
        peer.result(call.id)  # the cancel and the answer crossed: nobody is told twice
        await settled()
        assert (bench.overrun, bench.pool.ready) == ([], True)

    run(test, timeout=0.2)


def test_a_library_s_worker_that_answers_others_is_busy_not_stuck(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add()
        (early, early_done), (late, late_done) = bench.ask(), bench.ask()
        await peer.next(wire.INFER)
        await peer.next(wire.INFER)
        await asyncio.sleep(0.1)
        peer.result(early.id)
        assert await answer_of(early_done) == b"done"
        assert await code_of(late_done) == "DEADLINE_EXCEEDED"
        assert (await peer.next(wire.CANCEL)).id == late.id
        assert (bench.overrun, bench.pool.ready) == ([], True)

    run(test, timeout=0.3)


def test_a_library_s_worker_that_says_nothing_is_stuck(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add()
        _, done = bench.ask()
        await peer.next(wire.INFER)
        await asyncio.sleep(0.15)
        neighbour, _ = bench.ask()
        assert await code_of(done) == "DEADLINE_EXCEEDED"
        assert bench.overrun == [peer.address.id]
        other = await bench.add()
        sent = await other.next(wire.INFER)
        assert (sent.id, sent.flags) == (neighbour.id, 0)

    run(test, timeout=0.3)


def test_a_call_past_its_deadline_costs_its_worker_but_not_its_neighbours(run: Any) -> None:
    async def test(bench: Bench) -> None:
        first = await bench.add(user_code=True)
        slow, slow_done = bench.ask()
        await first.next(wire.INFER)
        first.begin(slow.id)
        await asyncio.sleep(0.7)
        neighbour, neighbour_done = bench.ask()
        unstarted, unstarted_done = bench.ask()
        for _ in range(2):
            await first.next(wire.INFER)
        first.begin(neighbour.id)
        second = await bench.add(user_code=True)
        assert await code_of(slow_done) == "DEADLINE_EXCEEDED"
        assert bench.overrun == [first.address.id]
        assert (await first.next(wire.CANCEL)).id == unstarted.id
        first.give_back(unstarted.id)
        sent = await second.next(wire.INFER)
        assert sent.id == unstarted.id
        assert sent.budget_ms < 1400  # what is left, not the whole time again
        second.result(sent.id)
        assert await answer_of(unstarted_done) == b"done"
        first.result(neighbour.id)
        assert await answer_of(neighbour_done) == b"done"
        late, late_done = bench.ask()
        await first.next(wire.INFER)  # it has said something: it goes on until another takes its place
        await bench.list(second)
        assert (await first.next(wire.CANCEL)).id == late.id
        first.give_back(late.id)
        second.result((await second.next(wire.INFER)).id)
        assert await answer_of(late_done) == b"done"
        first.result(slow.id)
        bench.ask()
        await second.next(wire.INFER)
        assert first.inbox.empty()

    run(test, timeout=1.5)


@pytest.mark.parametrize("user_code", [True, False])
def test_a_worker_that_only_was_late_goes_on_until_it_is_replaced(run: Any, user_code: bool) -> None:
    async def test(bench: Bench) -> None:
        old = await bench.add(user_code)
        slow, slow_done = bench.ask()
        await old.next(wire.INFER)
        if user_code:
            old.begin(slow.id)
        await asyncio.sleep(0.3)
        behind, behind_done = bench.ask()
        await old.next(wire.INFER)
        assert await code_of(slow_done) == "DEADLINE_EXCEEDED"
        assert (bench.overrun, bench.pool.ready) == ([old.address.id], False)
        assert (await old.next(wire.CANCEL)).id == behind.id
        if user_code:
            old.give_back(behind.id)  # its socket is read, whatever its threads do
        waiting, waiting_done = bench.ask()
        await settled()
        assert old.inbox.empty()
        old.result(slow.id, b"late")
        for id, done in ((behind.id, behind_done), (waiting.id, waiting_done)):
            assert (await old.next(wire.INFER)).id == id
            old.result(id)
            assert await answer_of(done) == b"done"
        assert bench.pool.ready
        new = await bench.add(user_code)
        await bench.list(new)
        bench.ask()
        await new.next(wire.INFER)
        await asyncio.wait_for(old.closed.wait(), 5)
        assert bench.overrun == [old.address.id]

    run(test, timeout=0.5)


@pytest.mark.parametrize("user_code", [True, False])
def test_a_hanging_call_whose_client_left_still_costs_its_worker(run: Any, user_code: bool) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add(user_code)
        call, done = bench.ask()
        await peer.next(wire.INFER)
        if user_code:
            peer.begin(call.id)
            await settled()
        bench.pool.cancel(call)
        await asyncio.sleep(0.5)
        assert (bench.overrun, done.done(), bench.pool.open) == ([peer.address.id], False, 0)

    run(test, timeout=0.3)


def test_a_library_s_worker_says_what_it_dropped_and_is_not_taken_for_stuck(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add()
        asked = [bench.ask(body) for body in (b"small", bytes(5 << 20))]
        for call, _ in asked:
            bench.pool.cancel(call)
        assert bench.pool.open == 2
        for _ in asked:
            while (message := await asyncio.wait_for(peer.inbox.get(), 5)).kind != wire.CANCEL:
                pass
            peer.say(wire.ERROR, message.id, {"error": {"code": "CANCELLED"}})
        await settled()
        assert bench.pool.open == 0
        await asyncio.sleep(0.6)
        assert (bench.overrun, bench.pool.ready) == ([], True)
        assert not any(done.done() for _, done in asked)

    run(test, timeout=0.5)


def test_a_cancelled_call_is_not_given_to_another_worker(run: Any) -> None:
    async def test(bench: Bench) -> None:
        first = await bench.add()
        call, done = bench.ask()
        await first.next(wire.INFER)
        bench.pool.cancel(call)
        second = await bench.add()
        await bench.list(second)
        await settled()
        assert second.inbox.empty()
        assert (bench.pool.open, done.done()) == (0, False)

    run(test)


def test_a_cancelled_call_is_taken_back_wherever_it_is(run: Any) -> None:
    async def test(bench: Bench) -> None:
        queued, queued_done = bench.ask()
        bench.pool.cancel(queued)
        assert (bench.pool.open, bench.pool.waiting) == (0, 0)
        peer = await bench.add(user_code=True)
        given, given_done = bench.ask(bytes(5 << 20))
        bench.pool.cancel(given)
        bench.pool.cancel(given)
        started, started_done = bench.ask()
        assert (await peer.next(wire.CANCEL)).id == given.id
        peer.give_back(given.id)
        assert (await peer.next(wire.INFER)).id == started.id
        peer.begin(started.id)
        await settled()
        bench.pool.cancel(started)
        peer.result(started.id)
        await settled()
        assert bench.pool.open == 0
        assert not any(done.done() for done in (queued_done, given_done, started_done))

    run(test)


def test_a_cancelled_call_makes_room_for_a_waiting_one(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add(user_code=True)
        asked = [bench.ask()[0] for _ in range(WINDOW + 1)]
        await settled()
        bench.pool.cancel(asked[5])
        peer.give_back(asked[5].id)
        await settled()
        assert (bench.pool.waiting, peer.inbox.qsize()) == (0, WINDOW + 2)

    run(test)


# -- the table changes -------------------------------------------------------------------------------------------------


def test_a_worker_that_is_no_longer_listed_finishes_what_it_began(run: Any) -> None:
    async def test(bench: Bench) -> None:
        first = await bench.add(user_code=True)
        (started, started_done), (waiting, waiting_done) = bench.ask(), bench.ask()
        for _ in range(2):
            await first.next(wire.INFER)
        first.begin(started.id)
        second = await bench.add(user_code=True)
        await bench.list(second)
        assert (await first.next(wire.CANCEL)).id == waiting.id
        first.give_back(waiting.id)
        assert (await second.next(wire.INFER)).id == waiting.id
        second.result(waiting.id)
        assert await answer_of(waiting_done) == b"done"
        first.result(started.id)
        assert await answer_of(started_done) == b"done"
        await bench.list(second)
        await asyncio.wait_for(first.closed.wait(), 5)
        assert (bench.pool.ready, bench.overrun) == (True, [])

    run(test)


def test_user_code_that_began_as_it_was_recalled_does_not_run_twice(run: Any) -> None:
    async def test(bench: Bench) -> None:
        first = await bench.add(user_code=True)
        call, done = bench.ask()
        await first.next(wire.INFER)
        second = await bench.add(user_code=True)
        await bench.list(second)
        assert (await first.next(wire.CANCEL)).id == call.id
        first.begin(call.id)  # it crossed the cancel
        first.result(call.id)
        assert await answer_of(done) == b"done"
        assert second.inbox.empty()

    run(test)


def test_an_idle_worker_that_is_no_longer_listed_is_let_go(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add()
        await bench.list(peer)
        await settled()
        assert (peer.connections, bench.pool.ready) == (1, True)
        await bench.list()
        await asyncio.wait_for(peer.closed.wait(), 5)
        assert not bench.pool.ready

    run(test)


# -- answers that are made bit by bit ------------------------------------------------------------------------------------


def _ask_for_stream(bench: Bench) -> tuple[Call, list[bytes], "asyncio.Future[Call]"]:
    done: asyncio.Future[Call] = asyncio.get_running_loop().create_future()
    call = Call(HEAD, b"x", done.set_result)
    pieces: list[bytes] = []
    call.stream = Stream(pieces.append)
    bench.pool.submit(call)
    return call, pieces, done


def test_the_pieces_of_a_stream_come_one_by_one_and_each_gives_credit(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add(user_code=True)
        call, pieces, done = _ask_for_stream(bench)
        await peer.next(wire.INFER)
        peer.begin(call.id)
        credited: list[int] = []
        peer.on_credit = credited.append
        for number in range(3):
            peer.say(wire.STREAM, call.id, body=b"%d" % number)
            await settled()
            assert (len(pieces), len(credited), done.done()) == (number + 1, number + 1, False)
        peer.result(call.id, b"")
        assert await answer_of(done) == b""
        assert (pieces, bench.answered) == ([b"0", b"1", b"2"], [1])

    run(test)


def test_a_slow_client_holds_its_stream_up_and_no_time_out_counts(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add(user_code=True)
        call, pieces, done = _ask_for_stream(bench)
        assert call.stream is not None
        call.stream.paused = True
        await peer.next(wire.INFER)
        peer.begin(call.id)
        credited: list[int] = []
        peer.on_credit = credited.append
        for _ in range(3):
            peer.say(wire.STREAM, call.id, body=b"x")
        await asyncio.sleep(0.8)
        assert (len(pieces), credited, bench.overrun, done.done()) == (3, [], [], False)
        bench.pool.resume(call)
        await settled()
        assert credited == [call.id] * 3
        peer.result(call.id, b"")
        assert await answer_of(done) == b""

    run(test, timeout=0.3)


def test_a_stream_s_time_out_begins_anew_with_each_piece(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add(user_code=True)
        call, pieces, done = _ask_for_stream(bench)
        await peer.next(wire.INFER)
        peer.begin(call.id)
        for _ in range(6):
            await asyncio.sleep(0.3)
            peer.say(wire.STREAM, call.id, body=b"x")
        await settled()
        assert (len(pieces), done.done(), bench.overrun) == (6, False, [])
        assert await code_of(done) == "DEADLINE_EXCEEDED"
        assert bench.overrun == [1]

    run(test, timeout=1.5)


def test_a_stream_that_has_begun_is_never_repeated(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer, other = await bench.add(user_code=True), await bench.add(user_code=True)
        call, pieces, done = _ask_for_stream(bench)
        await settled()
        sender, spare = (other, peer) if peer.inbox.empty() else (peer, other)
        await sender.next(wire.INFER)
        sender.begin(call.id)
        sender.say(wire.STREAM, call.id, body=b"x")
        await settled()
        await sender.die()
        assert await code_of(done) == "WORKER_DIED"
        assert (pieces, spare.inbox.empty()) == ([b"x"], True)

    run(test, retry_user_code=True)


# -- limits that change ------------------------------------------------------------------------------------------------


def limits(**changes: Any) -> dict[str, Any]:
    unchanged = {"timeout": 20.0, "max_queue": 1024, "retry_user_code": False, "window": None, "max_wait": None}
    return {**unchanged, **changes}


def test_a_worker_is_given_no_more_than_it_may_have(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peers = [await bench.add() for _ in range(2)]
        bench.pool.limit(**limits(window=2))
        asked = [bench.ask() for _ in range(5)]
        await settled()
        assert [peer.inbox.qsize() for peer in peers] == [2, 2]
        assert bench.pool.waiting == 1
        bench.pool.limit(**limits())  # the one that waits need not wait any more
        await settled()
        assert bench.pool.waiting == 0
        for peer in peers:
            while not peer.inbox.empty():
                peer.result(peer.inbox.get_nowait().id)
        assert [await answer_of(done) for _, done in asked] == [b"done"] * 5

    run(test)


def test_more_or_fewer_may_be_open_from_one_moment_to_the_next(run: Any) -> None:
    async def test(bench: Bench) -> None:
        await bench.add()
        bench.ask()
        bench.pool.limit(**limits(max_queue=1))
        with pytest.raises(Overloaded):
            bench.ask()
        assert bench.pool.full
        bench.pool.limit(**limits(max_queue=2))
        bench.ask()

    run(test)


def test_what_is_open_has_no_longer_than_what_comes_after_a_shorter_time_out(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add(user_code=True)
        first, first_done = bench.ask()
        await peer.next(wire.INFER)
        peer.begin(first.id)
        await settled()
        bench.pool.limit(**limits(timeout=0.15))
        _, second_done = bench.ask()
        assert await code_of(first_done) == "DEADLINE_EXCEEDED"
        assert await code_of(second_done) == "DEADLINE_EXCEEDED"
        assert bench.overrun == [peer.address.id]

    run(test)


def test_a_longer_time_out_holds_for_what_comes_after_it(run: Any) -> None:
    async def test(bench: Bench) -> None:
        _, first = bench.ask()
        bench.pool.limit(**limits(timeout=20.0))
        _, second = bench.ask()
        assert await code_of(first) == "DEADLINE_EXCEEDED"
        await settled()
        assert not second.done()

    run(test, timeout=0.1)


def test_limits_may_change_where_nothing_is_open(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add()
        _, done = bench.ask()
        peer.result((await peer.next(wire.INFER)).id)
        assert await answer_of(done) == b"done"
        bench.pool.limit(**limits(timeout=0.1, max_wait=0.1))
        await asyncio.sleep(0.15)
        _, done = bench.ask()
        assert await code_of(done) == "DEADLINE_EXCEEDED"

    run(test)


@pytest.mark.parametrize("max_wait", [0.0, 0.1])
def test_a_call_that_no_worker_was_given_in_time_is_refused_and_the_rest_goes_on(run: Any, max_wait: float) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add()
        bench.pool.limit(**limits(window=1, max_wait=max_wait))
        first, first_done = bench.ask()
        refused = [bench.ask()[1] for _ in range(3)]
        await peer.next(wire.INFER)
        assert [await code_of(done) for done in refused] == ["REQUEST_LIMIT_EXCEEDED"] * 3
        assert (bench.pool.open, bench.pool.waiting) == (1, 0)
        await asyncio.sleep(max_wait)
        assert not first_done.done()  # a worker has it
        peer.result(first.id)
        assert await answer_of(first_done) == b"done"
        later, later_done = bench.ask()
        assert (await peer.next(wire.INFER)).id == later.id
        peer.result(later.id)
        assert await answer_of(later_done) == b"done"

    run(test)


def test_a_worker_that_frees_up_in_time_takes_what_waits(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add()
        bench.pool.limit(**limits(window=1, max_wait=0.5))
        calls = [bench.ask() for _ in range(3)]
        for _ in calls:
            peer.result((await peer.next(wire.INFER)).id)
        assert [await answer_of(done) for _, done in calls] == [b"done"] * 3

    run(test)


def test_a_call_that_a_worker_had_is_not_refused_for_waiting(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer = await bench.add()
        bench.pool.limit(**limits(max_wait=0.1))
        _, done = bench.ask()
        await peer.next(wire.INFER)
        await peer.die()  # the call waits for another worker
        await asyncio.sleep(0.3)
        assert not done.done()
        other = await bench.add()
        other.result((await other.next(wire.INFER)).id)
        assert await answer_of(done) == b"done"

    run(test)


def test_a_shorter_wait_holds_for_those_that_wait_already(run: Any) -> None:
    async def test(bench: Bench) -> None:
        bench.pool.limit(**limits(max_wait=10.0))
        _, first = bench.ask()
        bench.pool.limit(**limits(max_wait=0.1))
        _, second = bench.ask()
        assert [await code_of(done) for done in (first, second)] == ["REQUEST_LIMIT_EXCEEDED"] * 2

    run(test)


def test_a_worker_that_rests_ends_what_it_has_and_gets_nothing_new(run: Any) -> None:
    async def test(bench: Bench) -> None:
        first, second = await bench.add(), await bench.add()

        async def rest(*resting: Peer) -> None:
            await bench.pool.update([replace(peer.address, resting=peer in resting) for peer in bench.peers])

        (call, done), _ = bench.ask(), bench.ask()
        await first.next(wire.INFER)
        second.result((await second.next(wire.INFER)).id)
        await rest(first)
        assert bench.pool.ready
        for _ in range(2):
            bench.ask()
            second.result((await second.next(wire.INFER)).id)
        first.result(call.id)
        assert await answer_of(done) == b"done"
        await rest(first, second)
        assert not bench.pool.ready
        _, answered = bench.ask()
        await settled()
        assert (bench.pool.waiting, first.inbox.empty(), second.inbox.empty()) == (1, True, True)
        await rest(second)
        first.result((await first.next(wire.INFER)).id)
        assert await answer_of(answered) == b"done"
        assert (first.connections, second.connections, bench.overrun) == (1, 1, [])

    run(test)


def test_what_waits_is_handed_over_with_what_is_left_of_its_time(run: Any) -> None:
    async def test(bench: Bench) -> None:
        heir = Bench(bench.folder / "heir", timeout=0.9)
        heir.folder.mkdir()
        try:
            begun = await bench.add(user_code=True)
            (first, first_done), (_, second_done) = bench.ask(), bench.ask()
            for _ in range(2):
                await begun.next(wire.INFER)
            begun.begin(first.id)
            await asyncio.sleep(0.3)
            _, own_done = heir.ask(b"own")
            await bench.list()  # no worker is left for what comes back
            gone, _ = bench.ask(b"gone")
            _, waiting_done = bench.ask(b"waiting")
            bench.pool.hand_over(heir.pool)
            begun.give_back((await begun.next(wire.CANCEL)).id)
            await settled()
            bench.pool.cancel(gone)  # its route knows the pool that it came to
            _, after_done = bench.ask(b"after")
            assert (bench.pool.open, bench.pool.waiting, heir.pool.waiting) == (1, 0, 4)
            begun.result(first.id)
            assert await answer_of(first_done) == b"done"
            assert await code_of(second_done) == "DEADLINE_EXCEEDED"
            assert (own_done.done(), waiting_done.done()) == (False, False)
            peer = await heir.add()
            for body, done in ((b"after", after_done), (b"waiting", waiting_done), (b"own", own_done)):
                sent = await peer.next(wire.INFER)
                assert sent.body == body
                peer.result(sent.id)
                assert await answer_of(done) == b"done"
            assert (bench.pool.open, heir.pool.open) == (0, 0)
        finally:
            heir.pool.close()
            for peer in heir.peers:
                await peer.die()

    run(test, timeout=0.8)
