"""The models of the end-to-end tests, made once by the real mlflow and kept by the content of the script that makes them."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.server import ROOT, SAVING_PYTHON
from tests.support.once import made_once


@pytest.fixture(scope="session")
def models() -> Path:
    script = Path(__file__).with_name("make_models.py")
    requirements = ROOT / "requirements" / "mlflow-3.txt"
    digest = hashlib.sha256(script.read_bytes() + requirements.read_bytes()).hexdigest()[:12]
    command = [SAVING_PYTHON, "-W", "ignore", script]
    return made_once(
        ROOT / ".cache" / "end_to_end" / digest,
        lambda draft: subprocess.run([*command, draft], check=True, capture_output=True) and None,
    )
