"""Worlds for the contract: a control plane, called and over HTTP, with SQLite and with a real PostgreSQL."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelport.store.store import Store
from tests.contract.world import World, made, served
from tests.support.postgresql import PostgreSQL, a_server

_COUNT = itertools.count()
EMPTY = "empty-store"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One that is called."""
    with made(tmp_path / "home") as world:
        yield world


@pytest.fixture
def http_world(world: World) -> Iterator[World]:
    """One over HTTP: a real server on a loopback port."""
    with served(world) as url:
        yield World(world.control, url, world.failure)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A server with the database of a store in which there is nothing yet."""
    with a_server() as server:
        Store.open(server.new_database(EMPTY)).close()
        yield server


@pytest.fixture
def postgresql_world(postgresql: PostgreSQL, tmp_path: Path) -> Iterator[World]:
    """One that is called, with a database of its own."""
    name = f"contract-{next(_COUNT)}"
    postgresql.run(f'CREATE DATABASE "{name}" TEMPLATE "{EMPTY}"')
    with made(tmp_path / "home", postgresql.url(name)) as world:
        yield world


@pytest.fixture(params=["world", "postgresql_world", "http_world"], ids=["local", "postgresql", "http"])
def either(request: pytest.FixtureRequest) -> World:
    """Each of them, one after the other."""
    found: World = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """What is uploaded: nothing here looks into it."""
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "data" / "weights.bin").write_bytes(bytes(range(256)) * 40)
    return folder
