"""Fixtures that several floors share."""

import hashlib
import logging
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.once import made_once

# Models run in the interpreter of the tests; only the tests of environments have one built, and say so.
os.environ["MODELPORT_ENV_MANAGER"] = "local"
os.environ.pop("UV_COMPILE_BYTECODE", None)  # the Makefile sets it for environments of its own

ROOT = Path(__file__).parent.parent
MAKE_MODELS = ROOT / "tests" / "support" / "make_models.py"


@pytest.fixture(autouse=True)
def _no_log_of_an_earlier_command() -> Iterator[None]:
    """A command that ran in this process wrote its log to a standard error that is gone."""
    yield
    logging.getLogger("modelport").handlers.clear()


@pytest.fixture(scope="session")
def saved_models() -> Callable[[str], Path]:
    """``saved_models("mlflow-3")``: the folder of models that ``make_models.py`` saved with that environment's mlflow.

    Made once for each version of the script; skips where the environment is not there (``make setup`` builds it).
    """
    return _saved_models


def _saved_models(environment: str) -> Path:
    python = ROOT / ".envs" / environment / "bin" / "python"
    digest = hashlib.sha256(MAKE_MODELS.read_bytes()).hexdigest()[:12]
    folder = ROOT / ".cache" / "models" / environment / digest
    if not folder.is_dir() and not python.exists():
        pytest.skip(f"the environment .envs/{environment} is not built")

    def make(draft: Path) -> None:
        command = [str(python), "-W", "ignore", str(MAKE_MODELS), str(draft)]
        made = subprocess.run(command, capture_output=True, text=True, timeout=240)
        assert made.returncode == 0, made.stderr[-4000:]

    return made_once(folder, make)
