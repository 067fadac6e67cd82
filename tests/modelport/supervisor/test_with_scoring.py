"""The supervisor with real scoring processes: what is asked there is answered, whoever dies."""

import hashlib
import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from modelport.serving.address import AddressSettings
from modelport.supervisor.settings import SCORING
from modelport.supervisor.table import Credential, DeploymentRoute, EndpointRoute, Table, WantedWorkers
from tests.modelport.supervisor.bench import WITHIN, Bench

KEY = "k" * 40
ADDRESS = AddressSettings(
    max_body=1 << 20,
    max_buffered=1 << 24,
    access_log="none",
    tracebacks=False,
    ssl_certfile=None,
    ssl_keyfile=None,
    server_timing=False,
)


class Endpoints(Bench):
    """A bench that is asked for predictions."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.settings = replace(self.settings, scoring=SCORING, scoring_settings=asdict(ADDRESS))

    def serve(self, version: int, wanted: list[WantedWorkers], live: str | None = None) -> None:
        """``live`` is the set that gets all requests; without one there is no endpoint."""
        routes = []
        if live is not None:
            limits: Any = {"timeout": 20.0, "max_open": 100, "max_concurrent": None, "max_wait": None}
            routes = [DeploymentRoute("blue", live, 100, **limits, retry_user_code=False, position=1)]
        credentials = [Credential(hashlib.sha256(KEY.encode()).hexdigest())]
        endpoints = [EndpointRoute("e", credentials, routes)] if routes else []
        self.ask_control(say={"table": Table(version, wanted, endpoints).as_dict()})
        self.applied(version)

    def score(self) -> int:
        """The status of one answer, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.scoring_port, timeout=WITHIN)
        try:
            headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
            body = json.dumps({"dataframe_split": {"columns": ["x"], "data": [[1.0]]}})
            connection.request("POST", "/endpoints/e/invocations", body, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def scoring_pids(self) -> list[int]:
        own = os.getpid() if self.process is None else self.process.pid
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                    if parent == own and b"modelport.serving.process" in (entry / "cmdline").read_bytes():
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found


class Asking:
    """Somebody who asks all the time."""

    def __init__(self, bench: Endpoints) -> None:
        self._bench = bench
        self._stop = threading.Event()
        self.statuses: list[int | str] = []
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Asking":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                self.statuses.append(self._bench.score())
            except (OSError, http.client.HTTPException) as error:
                self.statuses.append(repr(error))
            time.sleep(0.005)

    def more(self) -> None:
        """Returns when some more answers have come."""
        number = len(self.statuses)
        self._bench.until(lambda: len(self.statuses) > number + 20)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Endpoints]:
    made = Endpoints(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.close()
    assert made.processes() == {}
    assert "Traceback" not in made.log()


def live(bench: Endpoints, wanted: WantedWorkers) -> list[int]:
    """As control does it: what is routed to was ready before, so that every scoring process knows it. Ids of its workers."""
    bench.serve(1, [wanted])
    pids: list[int] = bench.report(wanted.id, "ready", wanted.count)["pids"]
    bench.serve(2, [wanted], wanted.id)
    return pids


def test_a_new_revision_takes_over_and_no_request_is_lost(bench: Endpoints) -> None:
    old, new = bench.wanted("e/blue/1"), bench.wanted("e/blue/2")
    bench.serve(1, [old])
    bench.report("e/blue/1", "ready")
    bench.serve(2, [old], "e/blue/1")
    assert bench.score() == 200
    with Asking(bench) as asking:
        bench.serve(3, [old, new], "e/blue/1")
        bench.report("e/blue/2", "ready")
        bench.serve(4, [new], "e/blue/2")
        bench.report("e/blue/1", "gone")
        asking.more()
    assert set(asking.statuses) == {200}


def test_an_endpoint_answers_while_workers_and_control_die(bench: Endpoints) -> None:
    wanted = bench.wanted(count=2)
    (first, _) = live(bench, wanted)
    with Asking(bench) as asking:
        asking.more()
        os.kill(bench.ask_control(), signal.SIGKILL)
        os.kill(first, signal.SIGKILL)
        bench.until(lambda: (r := bench.reports()[-1])["restarts"] == 1 and r["ready"] == 2)
        bench.serve(3, [replace(wanted, count=1)], "e/blue/1")
        asking.more()
    assert set(asking.statuses) <= {200, 500}
    assert asking.statuses.count(500) <= 1  # what was in the worker when it was killed


def test_what_is_asked_while_no_scoring_process_lives_is_answered_by_the_next(bench: Endpoints) -> None:
    live(bench, bench.wanted())
    assert bench.score() == 200
    pids = bench.scoring_pids()
    assert len(pids) == 2
    bench.kill(*pids)
    assert bench.score() == 200
    bench.until(lambda: len(bench.scoring_pids()) == 2)
    assert not set(pids) & set(bench.scoring_pids())


def test_the_endpoint_is_there_again_after_a_supervisor_that_was_killed(bench: Endpoints) -> None:
    live(bench, bench.wanted())
    children = bench.scoring_pids()
    assert bench.process is not None
    bench.process.kill()
    bench.process.wait()
    bench.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), within=10)
    (bench.folder / "log").unlink()
    bench.start()
    bench.until(lambda: bench.score() == 200)
    assert bench.stop() == 0


def test_a_stop_answers_what_was_asked(bench: Endpoints) -> None:
    live(bench, bench.wanted())
    with Asking(bench) as asking:
        asking.more()
        assert bench.stop() == 0
    answered = [status for status in asking.statuses if isinstance(status, int)]
    assert set(answered) == {200}
    assert all("Refused" in status for status in asking.statuses[len(answered) :] if isinstance(status, str))
