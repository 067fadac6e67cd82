"""A model of the matrix served by `modelport serve` alone, which builds its environment; and what was built."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelport.environments.store import Store
from tests.end_to_end.server import MODELPORT, Server, free_port, started

READY_WITHIN = 240.0
"""Seconds for a build and a start; what is not in uv's cache is downloaded."""
_OURS = ("MODELPORT_ENV_MANAGER", "UV_COMPILE_BYTECODE")
"""Variables that tests and the Makefile set; indexes that only pip knows here are left out too, as the Makefile does."""


def users_environment(home: Path) -> dict[str, str]:
    """The environment variables of a command as a user has them who keeps everything under ``home``."""
    kept = {name: value for name, value in os.environ.items() if name not in _OURS and not name.startswith("PIP_")}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "MODELPORT_HOME": str(home), "UV_SYSTEM_CERTS": "1"}


@contextlib.contextmanager
def served(
    model: Path, home: Path, folder: Path, *options: str, variables: dict[str, str] | None = None
) -> Iterator[Server]:
    """The model, served from the environment that Modelport builds for it under ``home``."""
    environment = {**users_environment(home), **(variables or {})}
    port = free_port()
    command = [str(MODELPORT), "serve", "-m", str(model), "-p", str(port), *options]
    with started(command, port, folder, environment, READY_WITHIN) as server:
        yield server


@dataclass(frozen=True)
class Built:
    """The environment that a model runs in."""

    id: str
    python: str
    versions: dict[str, str]
    seconds: dict[str, float]
    """Stage → how long it took."""


def built(home: Path, model: Path) -> Built | None:
    """What was built for the model; None where it runs in our own interpreter."""
    store = Store(home)
    found = [each for each in store.environments() if each.state is not None and str(model) in each.uses]
    if not found:
        return None
    assert len(found) == 1, found
    environment = found[0]
    assert environment.state is not None
    resolution = next(each for each in store.resolutions().values() if each["environment"] == environment.id)
    lines = (line.split(" ")[0].partition("==") for line in resolution["lock"])
    versions = {name.partition("[")[0]: version for name, _, version in lines}
    seconds = {**resolution["seconds"], **environment.state["seconds"]}
    return Built(environment.id, environment.state["python"], versions, seconds)
