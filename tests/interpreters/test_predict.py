"""On every Python: files are scored there, by the models saved there, with the predictions that mlflow gives."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.server import MODELPORT, environment
from tests.interpreters import table
from tests.interpreters.cases import CASES, Case, mismatch, text
from tests.interpreters.saved import Saved, record, saved_on
from tests.support.interpreters import VERSIONS

PREDICTED = [case for case in CASES if case.get("predict")]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.timeout(300)
def test_every_case_is_predicted_as_mlflow_does_there(version: str, tmp_path: Path) -> None:
    saved = saved_on(version)
    failed = {}
    for case in PREDICTED:
        wrong = mismatch(case, saved.answer(case), *predict(saved, case, tmp_path))
        if wrong is not None:
            failed[case["name"]] = wrong
    assert not failed, "\n".join(f"{name}: {wrong}" for name, wrong in failed.items())
    table.assert_shown(record(saved, "predict", len(PREDICTED)))


def predict(saved: Saved, case: Case, folder: Path) -> tuple[int, Any]:
    """The status and body that a server would have answered; an error's code stands on standard error."""
    kind = "csv" if case["content"] == "text/csv" else "json"
    source, target = folder / f"input.{kind}", folder / "output.json"
    source.write_text(text(case))
    target.unlink(missing_ok=True)
    arguments = ["-m", saved.folder / case["model"], "-i", source, "-o", target, "-t", kind, "--python", saved.python]
    run = subprocess.run([MODELPORT, "predict", *arguments], capture_output=True, text=True, env=environment())
    if run.returncode == 0:
        return 200, json.loads(target.read_text())
    assert run.returncode == 1 and "Traceback" not in run.stderr and not target.exists(), run.stderr
    (line,) = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    return 400, {"error_code": line.rsplit("[", 1)[1].rstrip("]"), "message": line}
