"""Sets of workers and tables come and go under requests: in one process, and in a child that is told by lines."""

import asyncio
import json
import os
import socket
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from modelport.model import mlmodel
from modelport.serving.address import AddressSettings
from modelport.serving.metrics import MAX_DEPLOYMENTS, OPEN, Memory, requests_by_status, shared_memory
from modelport.serving.routing_table import Row
from modelport.supervisor.table import EndpointRoute
from modelport.workers.process import WorkerAddress, WorkerSet
from modelport.workers.spec import worker_spec
from modelport_runtime import wire
from tests.modelport.serving.endpoint_bench import BODY, JSON, KEY, Bench, credential, deployment, endpoint, run
from tests.modelport.serving.test_routes import Client
from tests.modelport.workers.peer import Peer

SCORE = "/endpoints/churn/score"


async def answering(peer: Peer, answer: bytes) -> None:
    while True:
        peer.result((await peer.inbox.get()).id, answer)


def test_no_request_fails_while_tables_change_under_load(tmp_path: Path) -> None:
    """Each answer is of a deployment that had a share, and is that deployment's own."""

    async def test(bench: Bench) -> None:
        blue, green = await bench.blue_and_green(100, 0)
        workers = [
            asyncio.ensure_future(answering(peer, b'"%s"' % name))
            for peer, name in ((blue, b"blue"), (green, b"green"))
        ]
        found: Counter[str] = Counter()
        stop = asyncio.Event()

        async def caller() -> None:
            client = bench.client()
            while not stop.is_set():
                status, body, headers = await client.ask("POST", SCORE, BODY, **JSON)
                assert status == 200
                assert headers["azureml-model-deployment"] == body
                found[body] += 1

        callers = [asyncio.ensure_future(caller()) for _ in range(16)]
        for number in range(40):
            share = number * 37 % 101
            bench.apply(endpoint(deployment("blue", 100 - share, 1), deployment("green", share, 2)))
            await asyncio.sleep(0.01)
        bench.apply(endpoint(deployment("blue", 0, 1), deployment("green", 100, 2)))
        await asyncio.sleep(0.05)
        before = found["blue"]
        await asyncio.sleep(0.1)
        assert found["blue"] == before > 0
        stop.set()
        await asyncio.gather(*callers)
        for worker in workers:
            worker.cancel()

    run(tmp_path, test)


def test_a_request_ends_in_the_deployment_it_was_given_to(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        (old,), (new,) = await bench.workers("churn/blue/1"), await bench.workers("churn/blue/2")
        bench.apply(endpoint(deployment("blue", 100)))
        first, second = bench.client(), bench.client()
        await first.send("POST", SCORE, BODY, **JSON)
        sent = await old.next(wire.INFER)
        bench.apply(endpoint(deployment("blue", 100, workers="churn/blue/2")))
        drained: list[str] = []
        bench.scoring.leave("churn/blue/1", lambda: drained.append("churn/blue/1"))
        await second.send("POST", SCORE, BODY, **JSON)
        new_sent = await new.next(wire.INFER)
        await asyncio.sleep(0.1)
        assert drained == []
        old.result(sent.id, b'"old"')
        assert (await first.answer())[:2] == (200, "old")
        new.result(new_sent.id, b'"new"')
        assert (await second.answer())[:2] == (200, "new")
        await asyncio.wait_for(old.closed.wait(), 5)
        assert drained == ["churn/blue/1"]
        await asyncio.sleep(1.2)  # nobody takes the end of its connection for a death
        assert bench.overrun == []

    run(tmp_path, test)


def test_what_waits_for_a_set_that_never_came_is_answered_by_the_one_that_takes_its_place(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.row("churn/blue/1", [])
        bench.apply(endpoint(deployment("blue", 100)))
        clients = [bench.client() for _ in range(3)]
        for client in clients:
            await client.send("POST", SCORE, BODY, **JSON)
        await asyncio.sleep(0.1)
        (new,) = await bench.workers("churn/blue/2")
        bench.apply(endpoint(deployment("blue", 100, workers="churn/blue/2")))
        drained = asyncio.Event()
        bench.scoring.leave("churn/blue/1", drained.set)
        await asyncio.wait_for(drained.wait(), 5)
        for _ in clients:
            new.result((await new.next(wire.INFER)).id, b"[2]")
        for client in clients:
            assert (await client.answer())[:2] == (200, [2])
        assert bench.requests(1) == {200: 3}

    run(tmp_path, test)


def test_a_set_is_not_drained_before_its_copies_are_answered(tmp_path: Path) -> None:
    from modelport.supervisor.table import Mirror

    async def test(bench: Bench) -> None:
        blue, green = await bench.blue_and_green(100, 0, mirror=Mirror("green", 100))
        client = bench.client()
        await client.send("POST", SCORE, BODY, **JSON)
        blue.result((await blue.next(wire.INFER)).id, b"[1]")
        assert (await client.answer())[0] == 200
        bench.apply(endpoint(deployment("blue", 100)))
        drained = asyncio.Event()
        bench.scoring.leave("churn/green/1", drained.set)
        await asyncio.sleep(0.1)
        assert not drained.is_set()
        green.result((await green.next(wire.INFER)).id, b"[1]")
        await asyncio.wait_for(drained.wait(), 5)

    run(tmp_path, test)


def test_a_worker_that_dies_in_a_set_that_leaves_is_made_up_for(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        (first,) = await bench.workers("churn/blue/1")
        bench.apply(endpoint(deployment("blue", 100)))
        client = bench.client()
        await client.send("POST", SCORE, BODY, **JSON)
        await first.next(wire.INFER)
        bench.apply(endpoint())
        drained = asyncio.Event()
        bench.scoring.leave("churn/blue/1", drained.set)
        await first.die()
        (second,) = await bench.workers("churn/blue/1")
        second.result((await second.next(wire.INFER)).id, b"[2]")
        assert (await client.answer())[:2] == (200, [2])
        await asyncio.wait_for(drained.wait(), 5)

    run(tmp_path, test)


def test_a_set_that_is_named_again_stays(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        (peer,) = await bench.workers("churn/blue/1")
        client = bench.client()
        bench.apply(endpoint(deployment("blue", 100)))
        await client.send("POST", SCORE, BODY, **JSON)
        sent = await peer.next(wire.INFER)
        bench.apply(endpoint())
        drained = asyncio.Event()
        bench.scoring.leave("churn/blue/1", drained.set)
        bench.apply(endpoint(deployment("blue", 100)))
        peer.result(sent.id, b"[1]")
        assert (await client.answer())[0] == 200
        await asyncio.sleep(0.1)
        assert not drained.is_set()
        await client.send("POST", SCORE, BODY, **JSON)
        peer.result((await peer.next(wire.INFER)).id, b"[2]")
        assert (await client.answer())[:2] == (200, [2])

    run(tmp_path, test)


def test_a_set_that_nobody_knows_is_drained(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        drained = asyncio.Event()
        bench.scoring.leave("churn/blue/1", drained.set)
        assert drained.is_set()

    run(tmp_path, test)


def test_an_endpoint_that_did_not_change_is_not_made_again(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        (peer,) = await bench.workers("churn/blue/1")
        routes = [endpoint(deployment("blue", 100)), endpoint(name="other")]
        bench.apply(*routes)
        before = bench.scoring._endpoints._table
        bench.apply(routes[0], endpoint(name="third"))
        after = bench.scoring._endpoints._table
        path = SCORE.encode()
        assert after[path] is before[path]
        status, _, _ = await bench.client().ask("POST", "/endpoints/other/score", BODY, **JSON)
        assert status == 401
        assert peer.inbox.empty()

    run(tmp_path, test)


def test_the_depth_is_shown_by_position(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from modelport.serving import endpoint_scoring

    monkeypatch.setattr(endpoint_scoring, "DEPTH_INTERVAL", 0.02)

    async def test(bench: Bench) -> None:
        (old,), (new,) = await bench.workers("churn/blue/1"), await bench.workers("churn/blue/2")
        sent = []
        for workers, peer in (("churn/blue/1", old), ("churn/blue/2", new)):
            bench.apply(endpoint(deployment("blue", 100, 7, workers=workers)))
            client = bench.client()
            await client.send("POST", SCORE, BODY, **JSON)
            sent.append((peer, (await peer.next(wire.INFER)).id))
        await asyncio.sleep(0.1)
        assert bench.memory.totals(7)[OPEN] == 2
        for peer, id in sent:
            peer.result(id, b"[1]")
        await asyncio.sleep(0.1)
        assert bench.memory.totals(7)[OPEN] == 0

    run(tmp_path, test)


# -- a child, with real workers ----------------------------------------------------------------------------------------

LOADER = """
import time

def _load_pyfunc(path):
    return Model(open(path).read())

class Model:
    def __init__(self, word):
        self.word = word
    def predict(self, data):
        time.sleep(0.05)
        return [self.word] * len(data)
"""


def model(folder: Path, word: str) -> Path:
    """A model that answers a word for each row."""
    (folder / "code").mkdir(parents=True)
    (folder / "code" / f"says_{word}.py").write_text(LOADER)
    (folder / "word").write_text(word)
    flavor = f"{{loader_module: says_{word}, code: code, data: word, python_version: {sys.version.split()[0]}}}"
    (folder / "MLmodel").write_text(f"flavors:\n  python_function: {flavor}\n")
    return folder


class Child:
    """A scoring process, and what a supervisor would do for it."""

    def __init__(self) -> None:
        self.memory = shared_memory(2, MAX_DEPLOYMENTS)
        self.listener = socket.create_server(("127.0.0.1", 0))

    async def start(self) -> None:
        ours, theirs = socket.socketpair()
        descriptors = [theirs.fileno(), self.listener.fileno(), self.memory]
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "modelport.serving.process", *map(str, descriptors), pass_fds=descriptors
        )
        theirs.close()
        self.reader, self.writer = await asyncio.open_unix_connection(sock=ours)
        settings = AddressSettings(1 << 20, 1 << 24, "off", False, None, None, False)
        self.say(settings=asdict(settings), process=1, processes=2)

    def say(self, **message: Any) -> None:
        self.writer.write(json.dumps(message).encode() + b"\n")

    def table(self, version: int, *endpoints: EndpointRoute) -> None:
        self.say(table={"version": version, "endpoints": [asdict(route) for route in endpoints]})

    async def hear(self, key: str) -> Any:
        """The next message of this kind; others are passed over."""
        while True:
            message = json.loads(await asyncio.wait_for(self.reader.readline(), 30))
            if key in message:
                return message[key]

    async def close(self) -> None:
        self.writer.close()
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        self.listener.close()
        os.close(self.memory)


class Sets:
    """Real workers, told to the child as the supervisor tells them."""

    def __init__(self, child: Child, folder: Path) -> None:
        self.child = child
        self.folder = folder
        self.sets: list[WorkerSet] = []

    async def start(self, id: str, word: str) -> None:
        folder = model(self.folder / word, word)
        content = mlmodel.read(folder)
        spec = worker_spec(
            folder, content, sys.executable, self.folder / "home", workers=1, name=word, model_config=None, threads=4,
            max_body=1 << 20,
        )  # fmt: skip

        def publish(workers: list[WorkerAddress]) -> None:
            self.child.say(row=Row(id, None, str(folder), content, workers, 0).as_dict())

        run_folder = self.folder / f"r{len(self.sets)}"
        run_folder.mkdir()
        self.sets.append(WorkerSet(spec, 1, run_folder, publish, 20.0))
        await self.sets[-1].start()

    async def stop(self) -> None:
        await asyncio.gather(*(workers.stop() for workers in self.sets))


def with_child(test: Any, folder: Path) -> None:
    async def main() -> None:
        child = Child()
        sets = Sets(child, folder)
        await child.start()
        try:
            await asyncio.wait_for(test(child, sets), 60)
        finally:
            await child.close()
            await sets.stop()

    asyncio.run(main())


def test_a_child_answers_what_it_is_told_of_and_says_what_became_of_it(short_folder: Path) -> None:
    async def test(child: Child, sets: Sets) -> None:
        child.table(1, endpoint(deployment("blue", 100, 1)))
        assert await child.hear("applied") == 1
        child.say(listen=True)
        assert await child.hear("ready") is True
        client = Client(child.listener.getsockname()[1])
        assert (await client.ask("GET", "/ping"))[0] == 200
        assert (await client.ask("POST", SCORE, BODY, **JSON))[0] == 503
        await sets.start("churn/blue/1", "one")
        await sets.start("churn/green/1", "two")
        child.table(2, endpoint(deployment("blue", 0, 1), deployment("green", 100, 2)))
        assert await child.hear("applied") == 2
        status, body, headers = await client.ask("POST", SCORE, BODY, **JSON)
        assert (status, body, headers["azureml-model-deployment"]) == (200, ["two"], "green")
        assert await child.hear("answered") > 0
        by_name = {**JSON, "azureml_model_deployment": "blue"}
        assert (await client.ask("POST", SCORE, BODY, **by_name))[:2] == (200, ["one"])
        await client.send("POST", SCORE, BODY, **by_name)  # open while its set goes
        await asyncio.sleep(0.02)
        child.table(3, endpoint(deployment("green", 100, 2)))
        child.say(gone="churn/blue/1")
        assert await child.hear("drained") == "churn/blue/1"
        assert (await client.answer())[:2] == (200, ["one"])
        assert (await client.ask("POST", SCORE, BODY, **by_name))[0] == 404
        memory = Memory(child.memory, 2)
        assert (requests_by_status(memory.totals(1)), requests_by_status(memory.totals(2))) == (
            {200: 2, 503: 1},
            {200: 1},
        )
        await client.send("POST", SCORE, BODY, **JSON)
        await asyncio.sleep(0.02)
        child.say(drain=True)
        status, body, headers = await client.answer()
        assert (status, body, headers["connection"]) == (200, ["two"], "close")
        assert client.writer is not None
        client.writer.close()
        assert await asyncio.wait_for(child.process.wait(), 10) == 0

    with_child(test, short_folder)


def test_a_child_whose_parent_is_gone_answers_what_it_has_and_ends(short_folder: Path) -> None:
    async def test(child: Child, sets: Sets) -> None:
        await sets.start("churn/blue/1", "one")
        child.table(1, endpoint(deployment("blue", 100, 1), credentials=[credential(KEY)]))
        await child.hear("applied")
        child.say(listen=True)
        await child.hear("ready")
        client = Client(child.listener.getsockname()[1])
        await client.send("POST", SCORE, BODY, **JSON)
        await asyncio.sleep(0.02)
        child.writer.close()
        began = time.monotonic()
        assert (await client.answer())[:2] == (200, ["one"])
        assert client.writer is not None
        client.writer.close()
        assert await asyncio.wait_for(child.process.wait(), 10) == 0
        assert time.monotonic() - began < 10

    with_child(test, short_folder)


def test_a_child_whose_workers_went_with_its_parent_waits_for_nobody(short_folder: Path) -> None:
    async def test(child: Child, sets: Sets) -> None:
        child.say(row=Row("churn/blue/1", None, str(short_folder), {"flavors": {}}, [], 0).as_dict())
        child.table(1, endpoint(deployment("blue", 100, 1, timeout=60.0)))
        await child.hear("applied")
        child.say(listen=True)
        await child.hear("ready")
        client = Client(child.listener.getsockname()[1])
        await client.send("POST", SCORE, BODY, **JSON)  # waits for a worker that never comes
        await asyncio.sleep(0.05)
        child.writer.close()
        assert await asyncio.wait_for(child.process.wait(), 10) == 0
        assert client.writer is not None
        client.writer.close()

    with_child(test, short_folder)
