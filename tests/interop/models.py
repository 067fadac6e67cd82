"""The models of the interop suite, saved once per MLflow environment into ``.cache/interop``."""

import hashlib
import subprocess
from pathlib import Path

from tests.interop.environment import HERE, ROOT, python_of
from tests.support.once import made_once


def saved_models(mlflow: str) -> Path:
    """The folder with one model directory per name; saved now if they are not there, or what makes them has changed."""
    folder = ROOT / ".cache" / "interop" / f"{mlflow}-{fingerprint(mlflow)}"
    return made_once(folder, lambda draft: run([python_of(mlflow), HERE / "make_models.py", draft], timeout=120))


def fingerprint(mlflow: str) -> str:
    """A hash of all that decides what the saved models are."""
    sources = [HERE / "make_models.py", HERE / "echoes.py", ROOT / "requirements" / f"{mlflow}.txt"]
    sources += sorted(path for path in (HERE / "handmade").rglob("*") if path.is_file())
    content = hashlib.sha256()
    for source in sources:
        content.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return content.hexdigest()[:12]


def run(command: list[str | Path], timeout: float) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[1]} ended with {done.returncode}:\n{done.stderr[-4000:]}")
