"""Somebody who prepares the environment of a model, apart from whoever runs the tests."""

import os
import subprocess
from pathlib import Path

from tests.end_to_end.server import MODELPORT

MLMODEL = """\
flavors:
  python_function:
    code: code
    loader_module: private_loader
"""
LOADER = """\
import mp_private


class Model:
    def predict(self, data, params=None):
        return mp_private.SAYS


def _load_pyfunc(path):
    return Model()
"""

WITHIN = 120.0
"""Seconds a build may take, on a machine that does many other things."""


class User:
    """Somebody with a home, variables and programs of their own, and a model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = folder / "model"
        self.home = folder / "home" / ".modelport"
        self.variables: dict[str, str] = {}
        (self.model / "code").mkdir(parents=True)
        (folder / "home").mkdir()
        (self.model / "MLmodel").write_text(MLMODEL)
        (self.model / "code" / "private_loader.py").write_text(LOADER)
        self.asks_for("mp-private==1.0")

    def asks_for(self, *lines: str) -> None:
        (self.model / "requirements.txt").write_text("\n".join(lines))

    def has_program(self, name: str, script: str) -> None:
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def prepares(self, *options: str) -> "subprocess.CompletedProcess[str]":
        return self.runs("prepare-env", "-m", str(self.model), "--env-manager", "uv", *options)

    def runs(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A command of modelport."""
        told = (
            "UV_INDEX",
            "UV_DEFAULT_INDEX",
            "UV_FIND_LINKS",
            "PIP_",
            "HTTP_PROXY",
            "http_proxy",
            "ALL_PROXY",
            "NETRC",
        )
        environment = {name: value for name, value in os.environ.items() if not name.startswith(told)}
        environment |= {
            "HOME": str(self.folder / "home"),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PIP_CONFIG_FILE": os.devnull,
            "UV_CACHE_DIR": str(self.folder / "uv-cache"),
            "MODELPORT_HOME": str(self.home),
            **self.variables,
        }
        return subprocess.run(
            [str(MODELPORT), *words], env=environment, capture_output=True, text=True, timeout=WITHIN, check=False
        )
