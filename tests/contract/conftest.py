"""Worlds for the contract: a control plane, called and over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.world import World, made, served


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


@pytest.fixture(params=["local", "http"])
def either(request: pytest.FixtureRequest) -> World:
    """Both, one after the other."""
    found: World = request.getfixturevalue("world" if request.param == "local" else "http_world")
    return found


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """What is uploaded: nothing here looks into it."""
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "data" / "weights.bin").write_bytes(bytes(range(256)) * 40)
    return folder
