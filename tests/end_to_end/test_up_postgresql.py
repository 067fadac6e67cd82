"""`modelport up` with a store in PostgreSQL: control is killed, the database is gone for a while, and scoring goes on."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelport.client import Client
from modelport.domain.credentials import Keys
from modelport.domain.states import ProvisioningState
from modelport.errors import ModelportError
from tests.end_to_end.deploying import TINY_BODY, Endpoint, X, inline, multiplying, new_endpoint, until
from tests.end_to_end.up_server import UpServer, descendants, running
from tests.support.postgresql import PostgreSQL, a_server


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with a_server() as server:
        yield server


@pytest.fixture(scope="module")
def server(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpServer]:
    home = tmp_path_factory.mktemp("up") / "home"
    with running(home, "--store", postgresql.new_database("up")) as server:
        yield server


@pytest.fixture(scope="module")
def endpoint(server: UpServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with server.client() as client:
        endpoint = new_endpoint(server, client)
        endpoint.create(multiplying(tmp_path_factory.mktemp("models") / "two", 2.0))
        yield endpoint


def control_of(server: UpServer) -> int:
    """Its process id, once there is one."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for pid in descendants(server.process.pid):
            with contextlib.suppress(OSError):
                if b"modelport.up.control" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        time.sleep(0.02)
    raise AssertionError("there is no control process")


def store_error(client: Client) -> ModelportError | None:
    try:
        client.list_online_endpoints()
    except ModelportError as error:
        return error
    return None


def test_control_is_killed_and_nothing_is_forgotten(endpoint: Endpoint, server: UpServer) -> None:
    client = endpoint.client
    assert client.get_status()["store"].startswith("postgresql")
    assert not (server.home / "modelport.db").exists()
    for _ in range(30):  # more tables than seconds
        client.regenerate_keys(endpoint.name, "secondary")
    killed = control_of(server)
    with endpoint.load(TINY_BODY, clients=2) as load:
        os.kill(killed, signal.SIGKILL)
        until(lambda: control_of(server) != killed)
        keys = client.regenerate_keys(endpoint.name, "secondary")
        assert isinstance(keys, Keys)
        assert endpoint.ask(X, keys.secondary_key)[0] == 200
        assert json.loads(client.invoke(endpoint.name, TINY_BODY)) == [{"y": 2.0}]
        assert client.get_online_deployment(endpoint.name, "blue").provisioning_state == ProvisioningState.SUCCEEDED
    assert (load.failures, load.dropped) == ([], [])


def test_scoring_goes_on_without_the_store_and_control_recovers(
    endpoint: Endpoint, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    client = endpoint.client
    with endpoint.load(TINY_BODY, clients=2) as load:
        postgresql.stop()
        failed = store_error(client)
        assert failed is not None
        assert failed.code == "STORE_UNAVAILABLE"
        answered = load.deployments["blue"]
        until(lambda: load.deployments["blue"] > answered + 20)
        assert endpoint.ask(X)[1] == [{"y": 2.0}]
        postgresql.start()
        until(lambda: store_error(client) is None)
        endpoint.update(model=inline(multiplying(tmp_path / "three", 3.0)))
        assert endpoint.ask(X)[1] == [{"y": 3.0}]
    assert (load.failures, load.dropped) == ([], [])


def test_a_server_starts_again_on_its_store(endpoint: Endpoint, server: UpServer) -> None:
    assert server.stop() == 0
    server.start()
    until(lambda: endpoint.ask(X)[0] == 200)
    assert endpoint.wait().provisioning_state == ProvisioningState.SUCCEEDED
