"""Models of tests, saved by the real mlflow of ``.envs/mlflow-3``."""

import hashlib
import subprocess
from pathlib import Path

from tests.support.once import made_once

ROOT = Path(__file__).resolve().parents[2]
SAVING_PYTHON = ROOT / ".envs" / "mlflow-3" / "bin" / "python"
"""Where the real mlflow saves the models."""


def saved_by(script: Path) -> Path:
    """The folder that ``script`` filled with models, kept by the content of the script and of mlflow's requirements."""
    requirements = ROOT / "requirements" / "mlflow-3.txt"
    digest = hashlib.sha256(script.read_bytes() + requirements.read_bytes()).hexdigest()[:12]
    command = [SAVING_PYTHON, "-W", "ignore", script]
    return made_once(
        ROOT / ".cache" / script.parent.name / f"{script.stem}-{digest}",
        lambda draft: subprocess.run([*command, draft], check=True, capture_output=True) and None,
    )
