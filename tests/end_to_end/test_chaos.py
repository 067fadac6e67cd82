"""Whatever can end is killed, whatever can change changes, under load: then all is as wanted, and nothing was lost.

Only requests inside a scoring process that was killed may be. MODELPORT_TEST_CHAOS_SECONDS and …_SEED say how long and
which; `make soak` runs it for ten minutes.
"""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelport.domain.online_endpoint import OnlineEndpointSpec
from modelport.domain.states import ProvisioningState
from modelport.errors import ModelportError
from tests.end_to_end.test_rollout import ENDPOINT, blue, load_on, spec
from tests.end_to_end.up_server import Load, UpServer, descendants

SECONDS = float(os.environ.get("MODELPORT_TEST_CHAOS_SECONDS", "60"))
SEED = int(os.environ.get("MODELPORT_TEST_CHAOS_SEED", "6"))
CONVERGED_WITHIN = 30.0


class Chaos:
    """The server, and everything that happens to it."""

    def __init__(self, server: UpServer, examples: Path, load: Load, disk: Path | None) -> None:
        self.server, self.examples, self.load, self.disk = server, examples, load, disk
        self.random = random.Random(SEED)
        self.client = server.client()
        self.done: list[str] = []

    def run(self, seconds: float) -> None:
        steps: list[Callable[[], None]] = [
            self.kill_worker,
            self.kill_worker,
            self.kill_control,
            self.kill_scoring,
            self.deploy,
            self.move_traffic,
            self.move_traffic,
            self.delete,
            self.slow_client,
            self.fill_disk,
            self.kill_supervisor,
        ]
        end = time.monotonic() + seconds
        left: list[Callable[[], None]] = []
        while time.monotonic() < end:
            left = left or self.random.sample(steps, len(steps))
            step = left.pop()
            self.done.append(step.__name__)
            with contextlib.suppress(ModelportError):  # what cannot be done now is refused, and that is fine
                step()
            time.sleep(self.random.uniform(0.1, 1.0))

    def _pids(self, of: str) -> list[int]:
        found = []
        for pid in descendants(self.server.process.pid):
            with contextlib.suppress(OSError):
                if of in Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "):
                    found.append(pid)
        return found

    def _kill(self, of: str) -> None:
        pids = self._pids(of)
        if pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.random.choice(pids), signal.SIGKILL)

    def kill_worker(self) -> None:
        self._kill(f"{ENDPOINT}/")

    def kill_control(self) -> None:
        self._kill("modelport.up.control")

    def kill_scoring(self) -> None:
        with self.load.excused():
            self._kill("modelport.serving.process")

    def kill_supervisor(self) -> None:
        """As a service manager would, start it again."""
        children = descendants(self.server.process.pid)
        with self.load.excused(2.0):
            self.server.process.kill()
            self.server.process.wait()
            end = time.monotonic() + 30
            while any(_state(pid) != "Z" for pid in children):
                assert time.monotonic() < end, "children outlive their supervisor"
                time.sleep(0.1)
            self.server.start()

    def deploy(self) -> None:
        name = self.random.choice(["green", "teal"])
        self.client.create_online_deployment(spec(self.examples, name))

    def delete(self) -> None:
        name = self.random.choice(["green", "teal"])
        if not self.client.get_online_endpoint(ENDPOINT).traffic.get(name):
            self.client.delete_online_deployment(ENDPOINT, name)

    def move_traffic(self) -> None:
        name, share = self.random.choice(["green", "teal"]), self.random.choice([0, 10, 50, 100])
        traffic = dict.fromkeys(self.client.get_online_endpoint(ENDPOINT).traffic, 0)
        self.client.update_online_endpoint(ENDPOINT, {"traffic": {**traffic, name: share, "blue": 100 - share}})

    def slow_client(self) -> None:
        connection = socket.create_connection(("127.0.0.1", self.server.scoring_port), timeout=5)
        connection.sendall(f"POST /endpoints/{ENDPOINT}/score HTTP/1.1\r\nHost: x\r\nContent-Le".encode())
        connection.close()

    def fill_disk(self) -> None:
        if self.disk is None:
            return
        filler = self.disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(bytes(1 << 20))
        with contextlib.suppress(ModelportError):
            self.client.create_online_endpoint(OnlineEndpointSpec(name="no-room"))
            self.client.delete_online_endpoint("no-room")
        filler.unlink()


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path | None]:
    """A small disk of its own for the server's home, where this machine lets us have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    yield folder if mounted.returncode == 0 else None
    if mounted.returncode == 0:
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


@pytest.mark.timeout(SECONDS + 240)
def test_nothing_is_lost_whatever_happens(tmp_path: Path, disk: Path | None, examples: Path) -> None:
    server = UpServer((disk or tmp_path) / "home", "--scoring-processes", "2", log=tmp_path / "log")
    server.start()
    try:
        client = server.client()
        blue(client, examples, instance_count=2)
        with load_on(server, clients=4) as load:
            chaos = Chaos(server, examples, load, disk)
            try:
                chaos.run(SECONDS)
            except BaseException as error:
                error.add_note(f"after {' '.join(chaos.done)}")
                raise
            told = f"seed {SEED}: {' '.join(chaos.done)}\n{server.log.read_text()[-6000:]}"
            _converge(server, told)
            time.sleep(1)
        assert load.failures == [], told
        assert load.lost == [], told
        assert sum(load.deployments.values()) > 100, told
        assert server.stop() == 0
        assert server.children() == []
    finally:
        server.stop()


def _converge(server: UpServer, told: str) -> None:
    """Wanted is actual: states are final, as many workers as wanted answer, and there are no more of them."""
    client = server.client()
    end = time.monotonic() + CONVERGED_WITHIN
    while True:
        endpoints = client.list_online_endpoints()
        deployments = [one for endpoint in endpoints for one in client.list_online_deployments(endpoint.name)]
        wanted = sum(deployment.instance_count for deployment in deployments)
        workers = [pid for pid in descendants(server.process.pid) if " -I " in _command(pid)]
        if (
            all(one.provisioning_state == ProvisioningState.SUCCEEDED for one in (*endpoints, *deployments))
            and all(one.ready_instances == one.instance_count for one in deployments)
            and len(workers) == wanted
        ):
            return
        states = [
            (one.name, str(one.provisioning_state), getattr(one, "ready_instances", ""))
            for one in (*endpoints, *deployments)
        ]
        for one in deployments:  # the disk was full when it was prepared: it says so, and whoever wants it asks again
            if one.provisioning_state == ProvisioningState.FAILED:
                assert one.error is not None and one.error["message"], told
                with contextlib.suppress(ModelportError):
                    client.update_online_deployment(ENDPOINT, one.name, {})
        assert time.monotonic() < end, f"{states}, {len(workers)} workers of {wanted}; {told}"
        time.sleep(0.2)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
