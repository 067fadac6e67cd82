"""The request that `modelport inspect` shows is pasted into a shell, as it is, and answered by a server of that model."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.server import MODELPORT, Server, environment, running
from tests.support.saved import saved_by

DOCUMENTED = ("columns", "tensor", "tensors", "nested", "chat")
SAVED = ("python_class", "sklearn_pickle", "sklearn_skops", "onnx_tensor", "function", "hinted")
INSPECTED = ("quotes", "large 'one'", "tensors", "objects", "values", "hinted")
ADDRESS = "http://127.0.0.1:5000/"
FAST_ENOUGH = 0.5
"""Seconds of the whole command."""


@pytest.fixture(scope="module")
def models(saved_models: Callable[[str], Path]) -> dict[str, Path]:
    here = Path(__file__)
    folders = {
        "documented": (saved_by(here.with_name("make_documented.py")), DOCUMENTED),
        "inspected": (saved_by(here.with_name("make_inspected.py")), INSPECTED),
        "saved": (saved_models("mlflow-3"), SAVED),
    }
    named = {f"{kind}-{name}": folder / name for kind, (folder, names) in folders.items() for name in names}
    return {"".join(c if c.isalnum() else "-" for c in name): path for name, path in named.items()}


@pytest.fixture(scope="module")
def server(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(models, tmp_path_factory.mktemp("server")) as server:
        yield server


def inspect(*arguments: str | Path) -> str:
    done = subprocess.run([MODELPORT, "inspect", *arguments], capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_request_that_is_shown_is_answered_when_it_is_pasted(models: dict[str, Path], server: Server) -> None:
    for name, path in models.items():
        (command,) = [line for line in inspect(path).splitlines() if line.startswith("curl ")]
        pasted = command.replace(ADDRESS, f"{server.address}/models/{name}/", 1) + " -w '\\n%{http_code}\\n'"
        answer = subprocess.run(["bash", "-c", pasted], capture_output=True, text=True, check=True).stdout
        assert answer.splitlines()[-1] == "200", (name, command, answer)


def test_the_example_is_sent_as_it_was_given(models: dict[str, Path], server: Server) -> None:
    path = models["inspected-quotes"]
    command = json.loads(inspect(path, "--json"))["request"]["curl"].replace(
        ADDRESS, f"{server.address}/models/inspected-quotes/"
    )
    answer = json.loads(subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout)
    stored: dict[str, Any] = json.loads((path / "serving_input_example.json").read_text())["dataframe_split"]
    assert [next(iter(row.values())) for row in answer["predictions"]] == [row[0] for row in stored["data"]]


def test_it_takes_less_than_half_a_second(saved_models: Callable[[str], Path]) -> None:
    """Of the processor's time: how long a busy machine lets it wait is another matter."""
    path = saved_models("mlflow-3") / "sklearn_pickle"

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        inspect(path)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(5)) < FAST_ENOUGH


def test_nothing_of_the_model_is_executed(tmp_path: Path) -> None:
    bomb = f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()"
    model = tmp_path / "model"
    (model / "code").mkdir(parents=True)
    for file in ("code/yaml.py", "code/evil.py", "sitecustomize.py", "evil.py"):
        (model / file).write_text(bomb)
    (model / "python_model.pkl").write_bytes(b"cbuiltins\nexec\n(V" + bomb.encode() + b"\ntR.")
    (model / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: evil\n    code: code\n    python_model: python_model.pkl\n"
        "    model_code_path: evil.py\n"
    )
    done = subprocess.run(
        [MODELPORT, "inspect", ".", "--python", sys.executable], cwd=model, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 dangerous" in done.stdout
    assert "builtins.exec" in done.stdout
    assert not (tmp_path / "ran").exists()
