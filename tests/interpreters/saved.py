"""What each Python saved, and how it went: models, mlflow's answers and results, kept under ``.cache/interpreters``."""

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import interpreters
from tests.support.once import made_once
from tests.support.saved import ROOT

_FOLDER = Path(__file__).parent
_CACHE = ROOT / ".cache" / "interpreters"
MODELS = ("classifier", "regressor", "tensor", "billing", "nested", "tensors", "lengths", "by_name")


@dataclass(frozen=True)
class Saved:
    """The models of one Python, the interpreter that saved them and serves them, and what its mlflow answers."""

    version: str
    python: Path
    folder: Path
    answers: dict[str, Any]
    versions: dict[str, str]

    def answer(self, case: dict[str, Any]) -> dict[str, Any]:
        """What mlflow answered to this case, or to the one that it says in another way."""
        found: dict[str, Any] = self.answers[case.get("like", case["name"])]
        return found


def saved_on(version: str) -> Saved:
    """Saves the models unless they are there; skips the test where the machine lacks this Python."""
    python = interpreters.environment(version)
    digest = hashlib.sha256()
    for file in (_FOLDER / "make_models.py", _FOLDER / "cases.json", ROOT / "requirements" / f"python-{version}.txt"):
        digest.update(file.read_bytes())
    folder = _CACHE / f"{version}-{digest.hexdigest()[:12]}"
    command = [python, "-W", "ignore", _FOLDER / "make_models.py"]
    made_once(folder, lambda draft: _run([*command, draft]))
    answers, versions = (json.loads((folder / f"{name}.json").read_text()) for name in ("answers", "versions"))
    return Saved(version, python, folder, answers, versions)


def _run(command: list[Any]) -> None:
    run = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert run.returncode == 0, run.stderr[-4000:]


@dataclass(frozen=True)
class Result:
    """How many cases one Python passed at one door (``serve``, ``predict``), with which libraries."""

    version: str
    door: str
    versions: dict[str, str]
    passed: int


def record(saved: Saved, door: str, passed: int) -> Result:
    """Keep a result for the page ``docs/pythons.md``."""
    result = Result(saved.version, door, saved.versions, passed)
    path = _result(saved.version, door)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(vars(result)))
    return result


def recorded(version: str, door: str) -> Result:
    """The newest result. FileNotFoundError: the tests have not passed there."""
    return Result(**json.loads(_result(version, door).read_text()))


def _result(version: str, door: str) -> Path:
    return _CACHE / "results" / f"{version}-{door}.json"
