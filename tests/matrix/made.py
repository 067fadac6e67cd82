"""The models of the table, made where they say: kept under ``.cache/matrix`` by what they are made from."""

import hashlib
import json
import os
import re
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from modelport.environments import uv
from tests.matrix.table import Case
from tests.support import interpreters
from tests.support.once import made_once
from tests.support.saved import ROOT, SAVING_PYTHON

CACHE = ROOT / ".cache" / "matrix"
_RECIPES = Path(__file__).parent / "recipes"
_NOT_MADE_FROM = ("about", "variables", "light")
"""Of a case: what changes nothing in the model."""
_CREATED = re.compile(r"^utc_time_created:.*$", re.MULTILINE)


@dataclass(frozen=True)
class Made:
    """A model's folder, what to ask it, and what mlflow answered where it was made."""

    model: Path
    request: dict[str, Any]
    answer: Any


def made(case: Case) -> Made:
    """Makes the model unless it is there; skips the test where the machine lacks its Python."""
    what = {name: value for name, value in asdict(case).items() if name not in _NOT_MADE_FROM}
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode())
    recipe = _RECIPES / f"{case.recipe}.py"
    for file in (Path(__file__), recipe, _RECIPES / "keeping.py", ROOT / "requirements" / "mlflow-3.txt"):
        digest.update(file.read_bytes())
    folder = CACHE / "models" / f"{case.name}-{digest.hexdigest()[:12]}"
    made_once(folder, lambda draft: _make(case, draft))
    request, answer = (json.loads((folder / f"{name}.json").read_text()) for name in ("request", "answer"))
    return Made(folder / "model", request, answer)


def _make(case: Case, draft: Path) -> None:
    python = _environment(case) if case.made_with else SAVING_PYTHON
    recipe = _RECIPES / f"{case.recipe}.py"
    _run([python, "-W", "ignore", recipe, draft, json.dumps(case.arguments)], cwd=draft)
    model = draft / "model"
    for name in case.removes:
        (model / name).unlink()
    for name, text in case.writes.items():
        (model / name).parent.mkdir(exist_ok=True)
        (model / name).write_text(text)
    if case.hashed:
        requirements = model / "requirements.txt"
        arguments = ["pip", "compile", "-q", "--no-header", "--generate-hashes", "--python", python, requirements]
        _run([uv.program(), *arguments, *_of_day(case), "-o", requirements])
    if case.day is not None:
        mlmodel = model / "MLmodel"
        text, count = _CREATED.subn(f"utc_time_created: '{case.day} 12:00:00.000000'", mlmodel.read_text())
        assert count == 1, text
        mlmodel.write_text(text)


def _environment(case: Case) -> Path:
    """The interpreter with what the case is made with."""
    base = interpreters.interpreter(case.python)
    text = json.dumps([case.python, case.made_with, case.day])
    folder = CACHE / "pythons" / f"{case.python}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def make(draft: Path) -> None:
        _run([uv.program(), "venv", "-q", "--relocatable", "--clear", "--python", base, draft])
        install = ["pip", "install", "-q", "--python", draft / "bin" / "python", *case.made_with]
        _run([uv.program(), *install, *_of_day(case)])

    return made_once(folder, make) / "bin" / "python"


def _of_day(case: Case) -> list[str]:
    return [] if case.day is None else ["--exclude-newer", f"{case.day}T23:59:59Z"]


def _run(command: list[Any], cwd: Path | None = None) -> None:
    environment = {"UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never", **os.environ}
    run = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment, cwd=cwd)
    assert run.returncode == 0, f"{command}\n{run.stdout[-2000:]}{run.stderr[-4000:]}"
