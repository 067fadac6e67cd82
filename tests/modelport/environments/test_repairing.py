"""A damaged environment is found out and made anew, from a lock that knows a hash for everything, in the same place."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelport.environments import ahead
from modelport.environments.managing import find
from modelport.environments.repairing import repair
from modelport.environments.store import Environment, Store
from modelport.environments.verifying import damages
from modelport.errors import NotFound
from modelport.settings import EnvironmentSettings
from tests.modelport.environments.archives import wheel
from tests.modelport.environments.tiny import PINS, SIX, tiny_model

CODE = "WORDS = ['as', 'it', 'was', 'installed']\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its wheel is nobody else's: what is done here to uv's cache is done to no other test."""
    folder = tmp_path_factory.mktemp("models") / "model"
    tiny_model(folder, requirements=(*PINS, SIX, "./wheels/modelport_tests_words-1.0-py3-none-any.whl"))
    (folder / "wheels").mkdir()
    wheel(folder / "wheels", "modelport-tests-words", "1.0", code=CODE)
    return folder


@pytest.fixture(scope="module")
def home(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    ahead.prepare_ahead(str(model), EnvironmentSettings(), home=home)
    return home


@pytest.fixture
def environment(home: Path) -> Iterator[Environment]:
    (environment,) = Store(home).environments()
    yield environment
    (left,) = Store(home).environments()
    assert damages(left, lock(home)) == []
    assert not list(Store(home).root.glob(".*"))


def lock(home: Path) -> tuple[str, ...]:
    (resolution,) = Store(home).resolutions().values()
    return tuple(resolution["lock"])


def site_packages(environment: Environment) -> Path:
    (site,) = environment.folder.glob("lib/python*/site-packages")
    return site


def repaired(environment: Environment, home: Path) -> list[str]:
    return [damage.says for damage in repair(Store(home), environment, home, offline=False)]


def test_one_that_is_whole_stays_as_it_is(environment: Environment, home: Path) -> None:
    before = environment.folder.stat().st_ino
    assert repaired(environment, home) == []
    assert environment.folder.stat().st_ino == before


def test_an_altered_file_is_found_and_replaced_even_where_it_is_the_one_in_uvs_cache(
    environment: Environment, home: Path
) -> None:
    file = site_packages(environment) / "modelport_tests_words.py"
    assert file.stat().st_nlink > 1
    with file.open("a") as same_file:
        same_file.write("WORDS.append('altered')\n")
    assert repaired(environment, home) == ["modelport_tests_words.py of modelport-tests-words has been altered"]
    assert file.read_text() == CODE


def test_what_is_missing_or_too_much_is_found(environment: Environment, home: Path) -> None:
    site = site_packages(environment)
    (site / "six.py").unlink()
    shutil.rmtree(next(site.glob("python_dateutil-*.dist-info")))
    added = site / "added-2.0.dist-info"
    added.mkdir()
    assert sorted(repaired(environment, home)) == [
        "added 2.0 is installed, which nobody asked for",
        "python-dateutil 2.9.0.post0 is not there",
        "six.py of six is gone",
    ]


def test_an_interpreter_that_does_not_start_is_found(environment: Environment, home: Path) -> None:
    python = Path(environment.python)
    python.unlink()
    python.symlink_to("/bin/false")
    (told,) = repaired(environment, home)
    assert told.startswith("its interpreter is Python nothing, and was 3.11.")
    subprocess.run([environment.python, "-c", "import six"], check=True)


def test_an_unfinished_one_is_finished(environment: Environment, home: Path) -> None:
    (environment.folder / "environment.json").unlink()
    assert repaired(environment, home) == ["its build did not come to its end"]


def test_a_process_that_runs_in_it_goes_on_and_imports_what_it_has_not_yet(
    environment: Environment, home: Path
) -> None:
    code = (
        "import numpy, sys; print(1, flush=True); sys.stdin.readline(); import six, numpy.fft, pandas; print(six.PY3)"
    )
    command = [environment.python, "-I", "-B", "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        (site_packages(environment) / "six.py").unlink()
        assert repaired(environment, home) == ["six.py of six is gone"]
        output, _ = process.communicate("\n", timeout=60)
    assert (process.returncode, output) == (0, "True\n")


def test_without_a_lock_or_a_model_it_is_to_be_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (store.root / ("1" * 16)).mkdir(parents=True)
    with pytest.raises(NotFound, match="it has no lock") as refused:
        repair(store, find(store, "1"), tmp_path, offline=False)
    assert "environment remove 1111111111111111" in str(refused.value.hint)
    store.keep_resolution("key", {"environment": "1" * 16, "lock": []})
    with pytest.raises(NotFound, match="no model that has run"):
        repair(store, find(store, "1"), tmp_path, offline=False)
