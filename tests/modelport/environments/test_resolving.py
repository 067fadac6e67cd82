"""From what a model asks for to a lock. The index is one of this machine, and its wheels only claim to be what they say."""

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modelport.environments import resolving
from modelport.environments.interpreters import Interpreter, find
from modelport.environments.preparing import _id
from modelport.environments.resolving import Resolution, resolve
from modelport.errors import EnvironmentFailed, InvalidInput
from modelport.model import environment_spec
from modelport.model.environment_spec import EnvironmentSpec
from tests.modelport.environments.archives import wheel
from tests.modelport.environments.index import Index
from tests.support.interpreters import OWN, VERSIONS, interpreter

DAY = "2023-06-01"
SKLEARN = "mlflow.sklearn"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with Index(tmp_path_factory.mktemp("index")) as made:
        made.add(
            "mlflow", "2.3.0", "2023-04-01", ["numpy<2", "pandas<3", "scikit-learn<2", "cloudpickle<3", "flask", "six"]
        )
        made.add("mlflow", "9.0", "2024-09-01", ["numpy>=2"])
        made.add("flask", "2.2", "2022-08-01", ["jinja2"])
        made.add("jinja2", "3.1", "2022-05-01")
        made.add("scikit-learn", "1.2.0", "2022-12-08", ["numpy>=1.17", "joblib"])
        made.add("scikit-learn", "1.6.0", "2024-12-09", ["numpy>=1.19.5", "joblib"])
        made.add("numpy", "1.24.3", "2023-04-22")
        made.add("numpy", "1.26.4", "2024-02-05")
        made.add("numpy", "2.1.0", "2024-08-18")
        made.add("pandas", "2.0.2", "2023-05-29", ["numpy"])
        made.add("pandas", "2.2.3", "2024-09-20", ["numpy"])
        for name in ("joblib", "cloudpickle", "six"):
            made.add(name, "1.0", "2022-01-01")
            made.add(name, "1.9", "2024-01-01")
        made.add("setuptools", "67.0", "2023-01-01")
        made.add("setuptools", "82.0", "2026-01-01")
        made.add("needs-new-numpy", "1.0", "2024-08-20", ["numpy>=2"])
        yield made


@pytest.fixture(scope="module")
def undated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """A second index, which does not say since when it has its files."""
    with Index(tmp_path_factory.mktemp("undated"), dated=False) as made:
        made.add("ours", "1.0", requires=["ours-too"])
        made.add("ours", "2.0", requires=["ours-too"])
        made.add("ours-too", "1.0")
        made.add("six", "99.0")
        made.add("lonely", "1.0")
        yield made


@pytest.fixture(autouse=True)
def only_this_index(index: Index, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_FIND_LINKS", "UV_FIND_LINKS", "UV_INDEX", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "uv-cache"))


def _resolve(
    folder: Path,
    requirements: str,
    *,
    python: Interpreter | None = None,
    loader: str | None = SKLEARN,
    with_mlflow: bool = False,
    newest: bool = False,
    overrides: tuple[str, ...] = (),
    **spec: str,
) -> Resolution:
    (folder / "requirements.txt").write_text(requirements)
    found = environment_spec.read(folder, {"flavors": {}, "utc_time_created": f"{DAY} 10:00:00"})
    found = resolving.overridden(replace(found, **spec), overrides)
    assert found.problems == ()
    return resolve(
        found, python or find(None), loader, with_mlflow=with_mlflow, newest=newest, offline=False, log=folder / "log"
    )


def _pins(found: Resolution) -> list[str]:
    return [re.split(r" --hash| @ ", line)[0] for line in found.lock]


def test_mlflow_and_what_only_it_brought_are_left_out(tmp_path: Path) -> None:
    found = _resolve(tmp_path, "mlflow==2.3.0")
    assert _pins(found) == [
        "cloudpickle==1.0", "joblib==1.0", "numpy==1.24.3", "pandas==2.0.2", "scikit-learn==1.2.0", "setuptools==67.0",
    ]  # fmt: skip
    assert found.left_out == ("flask", "jinja2", "mlflow", "six")
    assert found.added == ("numpy", "pandas", "cloudpickle", "setuptools<81")
    assert (found.cutoff, found.notes) == (DAY, ())
    assert all(" --hash=sha256:" in line for line in found.lock)


def test_scikit_learn_stays_only_where_the_model_is_one_of_its_kind(tmp_path: Path) -> None:
    assert "scikit-learn==1.2.0" not in _pins(_resolve(tmp_path, "mlflow==2.3.0", loader="mlflow.onnx"))


def test_what_the_model_names_itself_stays(tmp_path: Path) -> None:
    found = _resolve(tmp_path, "mlflow==2.3.0\nflask\nsix")
    assert {"flask==2.2", "jinja2==3.1", "six==1.0"} <= set(_pins(found))
    assert found.left_out == ("mlflow",)


def test_everything_is_kept_with_mlflow(tmp_path: Path) -> None:
    found = _resolve(tmp_path, "mlflow==2.3.0", with_mlflow=True)
    assert {"mlflow==2.3.0", "flask==2.2", "six==1.0"} <= set(_pins(found))
    assert found.left_out == ()


def test_mlflow_that_no_file_names_is_that_of_the_models_day(tmp_path: Path) -> None:
    found = _resolve(tmp_path, "six", with_mlflow=True, mlflow_version="2.3.0")
    assert "mlflow==2.3.0" in _pins(found)


def test_without_a_version_everything_is_as_of_the_models_day_unless_the_newest_is_wanted(tmp_path: Path) -> None:
    requirements = "scikit-learn==1.2.0"
    assert {"numpy==1.24.3", "joblib==1.0"} <= set(_pins(_resolve(tmp_path, requirements)))
    newest = _resolve(tmp_path, requirements, newest=True)
    assert {"numpy==2.1.0", "joblib==1.9", "scikit-learn==1.2.0"} <= set(_pins(newest))
    assert (newest.cutoff, newest.notes) == (None, ())


def test_a_version_newer_than_the_model_is_taken_and_only_that(tmp_path: Path) -> None:
    found = _resolve(tmp_path, "numpy==1.26.4\nscikit-learn")
    assert {"numpy==1.26.4", "scikit-learn==1.2.0", "joblib==1.0"} <= set(_pins(found))
    assert found.notes == (
        f"a version that is asked for is newer than the model ({DAY}): only the rest is as of that day",
    )
    assert found.cutoff is None


def test_what_needs_more_than_the_models_day_had_gets_the_newest(tmp_path: Path) -> None:
    found = _resolve(tmp_path, "needs-new-numpy==1.0\njoblib")
    assert {"numpy==2.1.0", "joblib==1.9"} <= set(_pins(found))
    told = f"what is asked for cannot be had as of the day the model was made ({DAY}): the newest versions are taken"
    assert found.notes == (told,)


@pytest.mark.parametrize("mlflow", ["mlflow==2.3.0", "mlflow==2.4.0.dev0"])
def test_an_mlflow_that_does_not_fit_the_rest_stands_in_nobodys_way(tmp_path: Path, mlflow: str) -> None:
    """It is not installed; pins that it does not allow, or a build of it that no index has, are no reason to fail."""
    found = _resolve(tmp_path, f"{mlflow}\nnumpy==2.1.0")
    assert {"numpy==2.1.0", "scikit-learn==1.2.0"} <= set(_pins(found))
    assert not [line for line in found.lock if line.startswith("mlflow")]
    assert "resolved without it" in found.notes[0]
    with pytest.raises(EnvironmentFailed):
        _resolve(tmp_path, f"{mlflow}\nnumpy==2.1.0", with_mlflow=True)


def test_what_is_nowhere_fails_after_all_ways_were_tried(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed) as raised:
        _resolve(tmp_path, "numpy==1.25.99")
    assert "1.25.99" in raised.value.message


def test_the_hashes_of_the_model_are_the_ones_that_hold(tmp_path: Path, index: Index) -> None:
    found = _resolve(tmp_path, f"six==1.0 \\\n  --hash=sha256:{'b' * 64} \\\n  --hash=sha256:{'a' * 64}\nnumpy")
    assert f"six==1.0 --hash=sha256:{'a' * 64} --hash=sha256:{'b' * 64}" in found.lock


def test_constraints_bound_what_nobody_asks_for_by_name(tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("numpy<1.25")
    assert "numpy==1.24.3" in _pins(_resolve(tmp_path, "-c constraints.txt\nscikit-learn", newest=True))


def test_a_wheel_of_the_model_is_in_the_lock_by_name_and_hash(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    wheel(tmp_path / "wheels", "my-code", "1.0", requires=["six"])
    found = _resolve(tmp_path, "./wheels/my_code-1.0-py3-none-any.whl")
    (line,) = (line for line in found.lock if line.startswith("my-code"))
    assert re.fullmatch(r"my-code @ files/my_code-1\.0-py3-none-any\.whl --hash=sha256:[0-9a-f]{64}", line)
    assert "six==1.0" in _pins(found)


def test_markers_are_answered_for_the_models_python(tmp_path: Path) -> None:
    found = _resolve(
        tmp_path,
        "six==1.0; python_version < '3.0'\nnumpy==1.24.3; python_version < '3.0'\njoblib>0; python_version > '3'",
    )
    assert "joblib==1.0" in _pins(found) and "six==1.0" not in _pins(found)
    assert "numpy==1.24.3" in _pins(found)  # the worker wants one all the same


def test_overrides_take_the_place_of_what_the_model_has(tmp_path: Path) -> None:
    found = _resolve(tmp_path, "NumPy==1.24.3\nsix", overrides=("numpy==1.26.4", "joblib>=1"))
    assert {"numpy==1.26.4", "joblib==1.0", "six==1.0"} <= set(_pins(found))


def test_an_override_that_is_none_is_the_users_mistake() -> None:
    with pytest.raises(InvalidInput) as raised:
        resolving.overridden(EnvironmentSpec(), ("numpy=1",))
    assert raised.value.message == "--pip-requirements-override cannot be read: numpy=1"


def test_a_password_in_an_override_is_kept_apart() -> None:
    spec = resolving.overridden(EnvironmentSpec(), ("a @ https://ann:sesame@example.org/a-1.zip",))
    assert spec.requirements == ("a @ https://example.org/a-1.zip",)
    assert spec.credentials == {"https://example.org/a-1.zip": ("ann", "sesame")}


def test_a_variable_that_a_url_wants_has_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: Index
) -> None:
    line = f"--extra-index-url {index.url}${{MP_TEST_PATH}}"
    with pytest.raises(EnvironmentFailed) as raised:
        _resolve(tmp_path, f"{line}\nsix")
    assert raised.value.code == "ENVIRONMENT_VARIABLE_NOT_SET"
    assert "there is no variable MP_TEST_PATH" in raised.value.message
    monkeypatch.setenv("MP_TEST_PATH", "/")
    assert "six==1.0" in _pins(_resolve(tmp_path, f"{line}\nsix"))


def test_the_same_gives_the_same_however_it_is_written(tmp_path: Path) -> None:
    ours = find(None)
    one = _resolve(tmp_path, "mlflow==2.3.0\nscikit-learn==1.2.0\nsix>=1,<2")
    again = _resolve(tmp_path, "mlflow==2.3.0\nscikit-learn==1.2.0\nsix>=1,<2")
    other = _resolve(tmp_path, "# the same\nSix < 2, >= 1\nscikit_learn == 1.2.0  # sic\nMLflow==2.3.0\n")
    by_other_words = _resolve(tmp_path, "scikit-learn==1.2.0\nsix==1.0\nmlflow")
    assert _id(one.lock, ours) == _id(again.lock, ours) == _id(other.lock, ours) == _id(by_other_words.lock, ours)
    assert _id(one.lock, ours) != _id(one.lock, replace(ours, version="3.10.1"))


# -- indexes that do not say since when they have a file ---------------------------------------------------------------


def test_an_index_without_upload_dates_is_used_and_the_rest_is_as_of_the_models_day(
    tmp_path: Path, undated: Index
) -> None:
    found = _resolve(tmp_path, f"--extra-index-url {undated.url}\nlonely\nnumpy")
    assert {"lonely==1.0", "numpy==1.24.3"} <= set(_pins(found))
    assert found.notes == ("an index does not say since when it has lonely: the newest that fits is taken",)
    assert found.cutoff is None


def test_a_second_index_is_one_more_place_as_it_is_for_pip(tmp_path: Path, undated: Index) -> None:
    found = _resolve(tmp_path, f"--extra-index-url {undated.url}\nsix")
    assert "six==1.0" in _pins(found)  # 99.0 may be of any day
    (note,) = found.notes
    assert note == "passed over: files of six of which an index does not say since when it has them"
    assert "six==99.0" in _pins(_resolve(tmp_path, f"--extra-index-url {undated.url}\nsix", newest=True))


def test_what_needs_more_without_a_date_gets_that_too(tmp_path: Path, undated: Index) -> None:
    found = _resolve(tmp_path, f"--extra-index-url {undated.url}\nours\nnumpy==1.26.4")
    assert {"ours==2.0", "ours-too==1.0", "numpy==1.26.4", "pandas==2.0.2"} <= set(_pins(found))
    assert found.notes == (
        f"a version that is asked for is newer than the model ({DAY}): only the rest is as of that day",
        "an index does not say since when it has ours: the newest that fits is taken",
        "an index does not say since when it has ours-too: the newest that fits is taken",
    )


def test_a_pin_without_a_date_is_no_newer_version(tmp_path: Path, undated: Index) -> None:
    found = _resolve(tmp_path, f"--extra-index-url {undated.url}\nlonely==1.0")
    assert {"lonely==1.0", "numpy==1.24.3"} <= set(_pins(found))
    assert found.notes == ("an index does not say since when it has lonely: the newest that fits is taken",)


def test_where_hardly_anything_has_a_date_the_newest_of_everything_is_taken(
    tmp_path: Path, undated: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("numpy", "pandas", "cloudpickle", "setuptools"):
        undated.add(name, "7.0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", undated.url)
    found = _resolve(tmp_path, "ours")
    assert {"ours==2.0", "numpy==7.0", "pandas==7.0"} <= set(_pins(found))
    assert found.notes[-1].endswith("the newest versions are taken, not those of the model's day")


def test_warnings_of_undated_files_do_not_hide_why_there_is_no_solution(tmp_path: Path, undated: Index) -> None:
    with pytest.raises(EnvironmentFailed) as raised:
        _resolve(tmp_path, f"--extra-index-url {undated.url}\nours==7.0")
    assert "ours==7.0" in raised.value.message and "upload date" not in raised.value.message


# -- interpreters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_every_python_gets_what_there_was_for_it(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the real index: nothing is downloaded but what it says of the packages."""
    if version != OWN:
        interpreter(version)
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.delenv("UV_CACHE_DIR")
    caplog.set_level(logging.ERROR)
    found = _resolve(tmp_path, "scikit-learn", python=find(version), newest=version == "3.13")
    pins = dict(line.split("==") for line in _pins(found))
    numpy = {"3.8": "1.24.3", "3.9": "1.24.3", "3.10": "1.24.3", "3.11": "1.24.3", "3.12": "1.24.3"}
    assert pins["numpy"] == numpy.get(version, pins["numpy"])
    assert ("setuptools" in pins) is (version not in ("3.12", "3.13"))
    assert pins["scikit-learn"].startswith("1.")
