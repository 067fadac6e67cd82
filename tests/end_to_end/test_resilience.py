"""Nothing is lost: workers killed under load, the whole stopped under load, poison, deadlines, dripping clients."""

import asyncio
import json
import os
import random
import signal
import socket
import time
from pathlib import Path

import pytest
from sklearn.datasets import load_wine

from tests.end_to_end.server import Load, Server, running
from tests.end_to_end.up_server import descendants

KILLING_SECONDS = float(os.environ.get("MODELPORT_TEST_KILLING_SECONDS", "20"))
"""How long workers are killed under load: the soak asks for 90 s, every run for less."""
KILL_EVERY = 8.0 if KILLING_SECONDS > 60 else 4.0

WINE = load_wine(as_frame=True).data
DOCUMENT = {"dataframe_split": {"columns": list(WINE.columns), "data": WINE.head(3).to_numpy().tolist()}}


def assert_only_200(load: Load) -> None:
    assert set(load.results) == {"200"}, load.results


async def _kill_now_and_then(server: Server, load: Load) -> int:
    until = time.monotonic() + KILLING_SECONDS
    kills = 0
    while time.monotonic() < until:
        await asyncio.sleep(KILL_EVERY)
        workers = await asyncio.to_thread(server.workers)
        os.kill(random.Random(kills).choice(workers), signal.SIGKILL)
        kills += 1
    load.stop = True
    return kills


@pytest.mark.parametrize("processes", ["1", "2"])
def test_killed_workers_lose_no_request(models: Path, tmp_path: Path, processes: str) -> None:
    with running(models / "wine", tmp_path, "-w", "2", "--processes", processes) as server:
        load = Load(server.port, DOCUMENT, 32)

        async def test() -> int:
            _, kills = await asyncio.gather(load.run(), _kill_now_and_then(server, load))
            return kills

        kills = asyncio.run(test())
        assert kills >= 4
        assert_only_200(load)
        assert load.results["200"] > 1000
        assert server.metric("modelport_worker_restarts_total") >= 2


def _scoring_processes(server: Server) -> list[int]:
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in descendants(server.process.pid)}
    return [pid for pid, command in commands.items() if b"modelport.serving.process" in command]


def test_a_scoring_process_that_is_killed_is_started_again_with_its_model(models: Path, tmp_path: Path) -> None:
    with running(models / "wine", tmp_path, "--processes", "2") as server:
        before = _scoring_processes(server)
        assert len(before) == 2
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + 20
        while len(set(_scoring_processes(server)) - set(before)) < 2:
            assert time.monotonic() < end, server.log.read_text()
            time.sleep(0.05)
        assert {server.predict(DOCUMENT)[0] for _ in range(10)} == {200}
        assert server.log.read_text().count("was killed by SIGKILL: it is started again") == 2


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize("attempt", range(2))
def test_a_stop_under_load_loses_no_request(models: Path, tmp_path: Path, processes: str, attempt: int) -> None:
    with running(models / "wine", tmp_path, "-w", "2", "--processes", processes) as server:
        load = Load(server.port, DOCUMENT, 32)

        async def test() -> None:
            running_load = asyncio.ensure_future(load.run())
            await asyncio.sleep(1.5)
            load.may_end = True
            server.process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(running_load, 20)

        asyncio.run(test())
        assert_only_200(load)
        assert server.process.wait(10) == 0


def _ask_together(server: Server, documents: list[object], pause: float = 0.0) -> list[tuple[int, object]]:
    """Every answer in order; the last document is sent ``pause`` seconds after the others."""

    async def ask(document: object, after: float) -> tuple[int, object]:
        await asyncio.sleep(after)
        return await asyncio.to_thread(server.predict, document)

    async def test() -> list[tuple[int, object]]:
        asks = [ask(document, 0.0) for document in documents[:-1]]
        return list(await asyncio.gather(*asks, ask(documents[-1], pause)))

    loop = asyncio.new_event_loop()
    try:
        from concurrent.futures import ThreadPoolExecutor

        loop.set_default_executor(ThreadPoolExecutor(len(documents)))
        return loop.run_until_complete(test())
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def _point(x: float) -> object:
    return {"dataframe_split": {"columns": ["x", "y"], "data": [[x, 0.0]]}}


def test_a_request_that_kills_the_interpreter_costs_only_itself(models: Path, tmp_path: Path) -> None:
    with running(models / "crashing", tmp_path, "-w", "2") as server:
        answers = _ask_together(server, [_point(666.0 if number == 7 else number / 10) for number in range(32)])
        status, body = answers.pop(7)
        assert (status, body["error_code"]) == (500, "WORKER_DIED")  # type: ignore[index]
        assert [status for status, _ in answers] == [200] * 31
        assert server.predict(_point(1.0))[0] == 200


def test_user_code_is_not_repeated_unless_it_may_be(models: Path, tmp_path: Path) -> None:
    deadly = {"dataframe_split": {"columns": ["seconds"], "data": [[-1.0]]}}
    slow = {"dataframe_split": {"columns": ["seconds"], "data": [[6.0]]}}
    with running(models / "sleeper", tmp_path / "a") as server:
        answers = _ask_together(server, [slow, slow, slow, deadly], pause=3.0)
        assert [status for status, _ in answers] == [500] * 4
        assert server.predict({"dataframe_split": {"columns": ["seconds"], "data": [[0.0]]}})[0] == 200
    with running(models / "sleeper", tmp_path / "b", "--no-side-effects") as server:
        answers = _ask_together(server, [slow, slow, slow, deadly], pause=3.0)
        assert [status for status, _ in answers] == [200, 200, 200, 500]


def test_a_request_past_its_deadline_is_answered_and_its_worker_replaced(models: Path, tmp_path: Path) -> None:
    with running(models / "sleeper", tmp_path, "-t", "1") as server:
        before = server.workers()
        began = time.monotonic()
        status, body = server.predict({"dataframe_split": {"columns": ["seconds"], "data": [[30.0]]}})
        assert (status, body["error_code"]) == (504, "DEADLINE_EXCEEDED")
        assert time.monotonic() - began < 15  # and not the 30 s the model sleeps
        until = time.monotonic() + 60
        while (status := server.predict({"dataframe_split": {"columns": ["seconds"], "data": [[0.0]]}})[0]) != 200:
            assert status == 504  # the new worker may need longer than a whole time-out to load
            assert time.monotonic() < until
        assert set(server.workers()) - set(before)  # the old one may still get the time to end what it began


def test_a_full_queue_is_refused_with_a_time_to_come_back(models: Path, tmp_path: Path) -> None:
    with running(models / "sleeper", tmp_path, "--max-queue", "2", "--threads", "1") as server:
        slow = {"dataframe_split": {"columns": ["seconds"], "data": [[1.0]]}}
        answers = _ask_together(server, [slow] * 6)
        statuses = sorted(status for status, _ in answers)
        assert statuses == [200, 200, 429, 429, 429, 429]
        assert server.ask("/ping")[0] == 200


def test_dripping_connections_do_not_delay_a_good_one(models: Path, tmp_path: Path) -> None:
    with running(models / "wine", tmp_path) as server:
        server.predict(DOCUMENT)
        drips = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(500)]
        began = time.monotonic()
        for drip in drips:
            drip.sendall(b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{")
        times = []
        while time.monotonic() - began < 9:
            for drip in drips[::10]:
                drip.sendall(b" ")
            asked = time.monotonic()
            assert server.predict(DOCUMENT)[0] == 200
            times.append(time.monotonic() - asked)
            time.sleep(0.05)
        assert sorted(times)[len(times) * 9 // 10] < 0.25
        time.sleep(3)
        for drip in drips:
            drip.settimeout(2)
            answer = b""
            while data := drip.recv(4096):
                answer += data
            assert answer.startswith(b"HTTP/1.1 408 "), answer
            drip.close()


def test_a_body_over_the_limit_and_a_cut_connection_leave_the_server_well(models: Path, tmp_path: Path) -> None:
    with running(models / "wine", tmp_path, "--max-body", "1") as server:
        status, body, _ = server.ask("/invocations", b"[" + b" " * (2 << 20), content_type="application/json")
        assert (status, body["error_code"]) == (413, "REQUEST_TOO_LARGE")
        for cut in (
            b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{",
            b"\x00\x01garbage\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(cut)
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            whole = json.dumps(DOCUMENT).encode()
            connection.sendall(
                b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                b"content-length: %d\r\n\r\n%s" % (len(whole), whole)
            )
        assert server.predict(DOCUMENT)[0] == 200


def test_a_body_of_many_chunks_reaches_the_model(models: Path, tmp_path: Path) -> None:
    rows = WINE.head(1).to_numpy().tolist() * 60_000
    document = {"dataframe_split": {"columns": list(WINE.columns), "data": rows}}
    with running(models / "wine", tmp_path) as server:
        status, body = server.predict(document)
        assert status == 200
        assert len(body["predictions"]) == 60_000
