"""A package serves and scores where there is no network and nothing was kept from before."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.server import MODELPORT, environment, free_port
from tests.modelport.package import tiny
from tests.support import interpreters
from tests.support.saved import SAVING_PYTHON

WITHOUT_NETWORK = Path(__file__).with_name("serve_without_network.py")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of who makes packages."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def wine(home: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packages") / "wine.mpkg"
    made = command(home, "package", "create", str(models / "wine"), "-o", str(path))
    assert made.returncode == 0, made.stderr
    return path


def command(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {**environment(), "MODELPORT_HOME": str(home)}
    return subprocess.run(
        [str(MODELPORT), *arguments], capture_output=True, text=True, env=variables, timeout=240, check=False
    )


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables of a user who has nothing yet: no cache, no configuration, no index."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root can cut a command off from the network")
    (tmp_path / "nobody").mkdir()
    yield {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "nobody"),
        "UV_CACHE_DIR": str(tmp_path / "nobody" / "cache"),
        "MODELPORT_HOME": str(tmp_path / "nobody" / "modelport"),
        "PYENV_ROOT": os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv"),
    }


def without_network(variables: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["unshare", "-n", *words], capture_output=True, text=True, env=variables, timeout=240, check=False
    )


def served(package: Path, body: dict[str, object], variables: dict[str, str]) -> dict[str, object]:
    """The answer of a server that was started without a network."""
    port = str(free_port())
    serve = [str(MODELPORT), "serve", "-m", str(package), "-p", port, "--access-log", "off"]
    done = without_network(variables, sys.executable, str(WITHOUT_NETWORK), port, json.dumps(body), *serve)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_a_package_serves_and_predicts_without_a_network(
    wine: Path, models: Path, bare: dict[str, str], tmp_path: Path
) -> None:
    request = (models / "wine" / "serving_input_example.json").read_text()
    (tmp_path / "rows.json").write_text(request)
    options = ("--python", str(SAVING_PYTHON), "-i", str(tmp_path / "rows.json"), "-o", str(tmp_path / "expected.json"))
    where_it_was_made = command(tmp_path / "other-home", "predict", "-m", str(models / "wine"), *options)
    assert where_it_was_made.returncode == 0, where_it_was_made.stderr
    expected = json.loads((tmp_path / "expected.json").read_text())

    assert served(wine, json.loads(request), bare) == expected
    predict = [str(MODELPORT), "predict", "-m", str(wine), "-i", str(tmp_path / "rows.json")]
    done = without_network(bare, *predict, "-o", str(tmp_path / "found.json"))
    assert done.returncode == 0, done.stderr
    assert "environment" not in done.stderr, "the environment of before is found"
    assert json.loads((tmp_path / "found.json").read_text()) == expected


def test_a_package_for_another_python_brings_the_json_library_too(
    home: Path, bare: dict[str, str], tmp_path: Path
) -> None:
    interpreters.interpreter("3.10")
    package = tmp_path / "doubling.mpkg"
    model = tiny.model(tmp_path / "doubling")
    made = command(home, "package", "create", str(model), "-o", str(package), "--python", "3.10")
    assert made.returncode == 0, made.stderr
    assert "for Python 3.10." in made.stdout
    body = {"dataframe_split": {"columns": ["x"], "data": [[1.5], [2.0]]}}
    assert served(package, body, bare) == {"predictions": [{"x": 3.0}, {"x": 4.0}]}
    assert list((Path(bare["MODELPORT_HOME"]) / "runtime" / "orjson").glob("orjson.cpython-310-*.so"))


def test_what_a_package_is_can_be_read_and_checked(wine: Path, home: Path, tmp_path: Path) -> None:
    text = command(home, "package", "inspect", str(wine))
    assert text.returncode == 0, text.stderr
    assert "model        sklearn, saved by MLflow" in text.stdout
    assert "without mlflow" in text.stdout and "\n  scikit-learn==" in text.stdout
    content = json.loads(command(home, "package", "inspect", str(wine), "--json").stdout)
    assert content["model"]["name"] == "wine" and content["files"]["model/MLmodel"]["size"] > 0
    verified = command(home, "package", "verify", str(wine))
    assert verified.returncode == 0 and content["digest"] in verified.stdout
    damaged = tmp_path / "damaged.mpkg"
    data = bytearray(wine.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    for arguments in (["package", "verify", str(damaged)], ["serve", "-p", "0", "-m", str(damaged)]):
        refused = command(tmp_path / "home", *arguments)
        assert refused.returncode == 1 and "[PACKAGE_DAMAGED]" in refused.stderr, refused.stderr


@pytest.mark.parametrize("flags", [["--newest"], ["--keep-mlflow"], ["-r", "six==1.16.0"], ["--env-manager", "conda"]])
def test_what_was_decided_when_it_was_made_cannot_be_asked_for(flags: list[str], wine: Path, home: Path) -> None:
    manager = [] if flags[0] == "--env-manager" else ["--env-manager", "uv"]
    refused = command(home, "predict", "-m", str(wine), *manager, *flags)
    assert refused.returncode == 1
    assert "does not go with a package" in refused.stderr and "modelport package create" in refused.stderr
