"""Copies of live requests for a shadow: nobody waits for one, and no answer changes."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from modelport.serving import mirror as mirror_module
from modelport.serving.metrics import MIRRORED, MIRRORS_DROPPED
from modelport.supervisor.table import Mirror
from modelport_runtime import wire
from tests.modelport.serving.endpoint_bench import BODY, JSON, Bench, deployment, endpoint, run
from tests.modelport.serving.test_score import failure
from tests.modelport.workers.peer import Peer

SCORE = "/endpoints/churn/score"
ALL = Mirror("green", 100)


def counted(bench: Bench) -> tuple[int, int]:
    """Copies answered, copies dropped."""
    totals = bench.memory.totals(2)
    return int(totals[MIRRORED]), int(totals[MIRRORS_DROPPED])


async def answered(bench: Bench, blue: Peer, path: str = SCORE, **headers: str) -> Any:
    client = bench.client()
    await client.send("POST", path, BODY, **{**JSON, **headers})
    blue.result((await blue.next(wire.INFER)).id, b"[1]")
    return await client.answer()


@pytest.mark.parametrize("path", [SCORE, "/endpoints/churn/invocations", "/endpoints/churn/v2/models/churn/infer"])
def test_the_shadow_gets_what_the_live_one_got_and_nobody_its_answer(tmp_path: Path, path: str) -> None:
    async def test(bench: Bench) -> None:
        blue, green = await bench.blue_and_green(100, 0, mirror=ALL)
        client = bench.client()
        await client.send("POST", path, BODY, **JSON)
        live, copied = await blue.next(wire.INFER), await green.next(wire.INFER)
        assert (live.head, live.body) == (copied.head, copied.body)
        green.result(copied.id, b"[2]")
        await asyncio.sleep(0.05)
        blue.result(live.id, b"[1]")
        status, body, headers = await client.answer()
        assert (status, body, headers["azureml-model-deployment"]) == (200, [1], "blue")
        assert counted(bench) == (1, 0)
        assert (bench.requests(1), bench.requests(2)) == ({200: 1}, {200: 1})

    run(tmp_path, test)


def test_no_answer_waits_for_a_shadow_that_is_slow_and_the_copy_outlives_its_client(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        blue, green = await bench.blue_and_green(100, 0, mirror=ALL)
        for _ in range(3):
            assert (await answered(bench, blue))[:2] == (200, [1])
        for client in bench.clients:
            assert client.writer is not None
            client.writer.close()
        await asyncio.sleep(0.05)
        for _ in range(3):
            green.result((await green.next(wire.INFER)).id, b"[2]")
        await asyncio.sleep(0.05)
        assert counted(bench) == (3, 0)

    run(tmp_path, test)


def test_what_the_shadow_does_wrong_is_counted_and_told_nobody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def test(bench: Bench) -> None:
        blue, green = await bench.blue_and_green(100, 0, mirror=ALL)
        client = bench.client()
        await client.send("POST", SCORE, BODY, **JSON, x_request_id="id-1")
        green.say(wire.ERROR, (await green.next(wire.INFER)).id, failure(type="ModelFailed", message="it raised"))
        await asyncio.sleep(0.05)
        blue.result((await blue.next(wire.INFER)).id, b"[1]")
        assert (await client.answer())[:2] == (200, [1])
        assert bench.requests(2) == {424: 1}

    run(tmp_path, test, access_log="json")
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    shown = [(line["deployment"], line.get("mirrored"), line["status"], line["request_id"]) for line in lines]
    assert shown == [("green", "true", 424, "id-1"), ("blue", None, 200, "id-1")]


def test_a_shadow_that_is_full_gets_no_more(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        (blue,), (green,) = await bench.workers("churn/blue/1"), await bench.workers("churn/green/1")
        bench.apply(endpoint(deployment("blue", 100), deployment("green", 0, 2, max_open=2), mirror=ALL))
        for _ in range(5):
            assert (await answered(bench, blue))[:2] == (200, [1])
        assert (green.inbox.qsize(), counted(bench)) == (2, (0, 3))
        green.result((await green.next(wire.INFER)).id, b"[2]")
        await asyncio.sleep(0.05)
        assert (await answered(bench, blue))[0] == 200
        assert (green.inbox.qsize(), counted(bench)) == (2, (1, 3))

    run(tmp_path, test)


def test_copies_hold_no_more_memory_than_they_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror_module, "MAX_BODIES", 2 * len(BODY))

    async def test(bench: Bench) -> None:
        blue, green = await bench.blue_and_green(100, 0, mirror=ALL)
        for _ in range(4):
            assert (await answered(bench, blue))[0] == 200
        assert (green.inbox.qsize(), counted(bench)) == (2, (0, 2))

    run(tmp_path, test)


@pytest.mark.parametrize("how", ["dies", "was never there", "has no workers"])
def test_a_dead_shadow_is_no_matter(tmp_path: Path, how: str) -> None:
    async def test(bench: Bench) -> None:
        (blue,) = await bench.workers("churn/blue/1")
        green = (await bench.workers("churn/green/1"))[0] if how != "was never there" else None
        bench.apply(endpoint(deployment("blue", 100), deployment("green", 0, 2), mirror=ALL))
        if green is not None and how == "dies":
            await green.die()
        elif green is not None:
            await bench.row("churn/green/1", [])
        for _ in range(3):
            assert (await answered(bench, blue))[:2] == (200, [1])
        assert bench.requests(2) == {}

    run(tmp_path, test)


def test_a_stream_is_copied_and_its_pieces_are_let_go(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        blue, green = await bench.blue_and_green(100, 0, mirror=ALL)
        client = bench.client()
        await client.send("POST", "/endpoints/churn/invocations", BODY, **JSON, accept="text/event-stream")
        live, copied = await blue.next(wire.INFER), await green.next(wire.INFER)
        credits = []
        green.on_credit = credits.append
        for number in range(wire.STREAM_WINDOW + 4):
            green.say(wire.STREAM, copied.id, None, b"data: %d\n\n" % number)
        green.result(copied.id, b"")
        blue.say(wire.STREAM, live.id, None, b"data: live\n\n")
        blue.result(live.id, b"")
        assert client.reader is not None
        text = await asyncio.wait_for(client.reader.readuntil(b"[DONE]"), 5)
        assert b"azureml-model-deployment: blue\r\n" in text
        assert text.count(b"data: ") == 2
        await asyncio.sleep(0.05)
        assert len(credits) == wire.STREAM_WINDOW + 4
        assert counted(bench) == (1, 0)

    run(tmp_path, test)


@pytest.mark.parametrize("name", ["blue", "green"])
def test_who_names_a_deployment_is_not_copied(tmp_path: Path, name: str) -> None:
    async def test(bench: Bench) -> None:
        blue, green = await bench.blue_and_green(100, 0, mirror=ALL)
        peer, other = (blue, green) if name == "blue" else (green, blue)
        assert (await answered(bench, peer, azureml_model_deployment=name))[0] == 200
        await asyncio.sleep(0.02)
        assert other.inbox.empty()
        assert counted(bench) == (0, 0)

    run(tmp_path, test)


def test_what_never_reached_the_live_one_is_not_copied(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        _, green = await bench.blue_and_green(100, 0, mirror=ALL)
        await bench.client().ask("POST", SCORE, BODY, **{**JSON, "content_type": "text/csv"})
        await bench.client().ask("GET", "/endpoints/churn/swagger.json", **JSON)
        await asyncio.sleep(0.02)
        assert green.inbox.empty()

    run(tmp_path, test)


def test_so_many_percent_are_copied(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        blue, green = await bench.blue_and_green(100, 0, mirror=Mirror("green", 20))
        client = bench.client()
        for _ in range(500):
            await client.send("POST", SCORE, BODY, **JSON)
            blue.result((await blue.next(wire.INFER)).id, b"[1]")
            assert (await client.answer())[0] == 200
            while not green.inbox.empty():
                green.result(green.inbox.get_nowait().id, b"[2]")
        await asyncio.sleep(0.05)
        while not green.inbox.empty():
            green.result(green.inbox.get_nowait().id, b"[2]")
        await asyncio.sleep(0.05)
        copied, dropped = counted(bench)
        assert dropped == 0
        assert abs(copied - 100) <= 5 * 80**0.5

    run(tmp_path, test)
