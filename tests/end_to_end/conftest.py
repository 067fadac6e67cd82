"""The models of the end-to-end tests, made once by the real mlflow and kept by the content of the script that makes them."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.server import MODEL_PYTHON, ROOT


@pytest.fixture(scope="session")
def models() -> Path:
    script = Path(__file__).with_name("make_models.py")
    requirements = ROOT / "requirements" / "mlflow-3.txt"
    digest = hashlib.sha256(script.read_bytes() + requirements.read_bytes()).hexdigest()[:12]
    folder = ROOT / ".cache" / "end_to_end" / digest
    if not folder.exists():
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        subprocess.run([MODEL_PYTHON, "-W", "ignore", script, draft], check=True, capture_output=True)
        draft.rename(folder)
    return folder
