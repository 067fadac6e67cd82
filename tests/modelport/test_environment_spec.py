"""What the files of a model say together of the environment it needs."""

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.model import environment_spec
from modelport.model.environment_spec import EnvironmentSpec

PYFUNC = {"loader_module": "mlflow.sklearn"}


def _read(folder: Path, content: dict[str, Any] | None = None, **files: Any) -> EnvironmentSpec:
    """Of a model with these files: texts, or what is written as YAML."""
    names = {"requirements": "requirements.txt", "python_env": "python_env.yaml", "conda": "conda.yaml"}
    for name, text in files.items():
        (folder / names[name]).write_text(text if isinstance(text, str) else yaml.safe_dump(text))
    return environment_spec.read(folder, content or {})


def _model(**more: Any) -> dict[str, Any]:
    return {"flavors": {"python_function": PYFUNC}, "utc_time_created": "2024-05-31 10:11:12.131415", **more}


def test_mlflow_3_says_it_in_three_files(tmp_path: Path) -> None:
    lines = ["mlflow==3.1.0", "numpy==2.2.6", "scikit-learn==1.6.1"]
    spec = _read(
        tmp_path,
        _model(mlflow_version="3.1.0"),
        requirements="\n".join(lines),
        python_env={
            "python": "3.10.13",
            "build_dependencies": ["pip==23.0.1", "setuptools==65.5.0", "wheel"],
            "dependencies": ["-r requirements.txt"],
        },
        conda={"channels": ["conda-forge"], "dependencies": ["python=3.10.13", "pip<=23.0.1", {"pip": lines}]},
    )
    assert spec == EnvironmentSpec(
        python="3.10.13",
        requirements=("mlflow==3.1.0", "numpy==2.2.6", "scikit-learn==1.6.1"),
        build_dependencies=("setuptools==65.5.0",),
        channels=("conda-forge",),
        conda=("python=3.10.13", "pip<=23.0.1"),
        created="2024-05-31",
        mlflow_version="3.1.0",
    )
    assert spec.source == "requirements.txt"
    assert spec.notes == () and spec.problems == ()
    assert spec.names == ("mlflow", "numpy", "scikit-learn")


@pytest.mark.parametrize(
    ("loader", "is_left_out"),
    [("mlflow.sklearn", True), ("mlflow.pyfunc.model", False), ("my_loader", False), (None, False)],
)
def test_what_azures_server_needs_is_left_out_where_a_flavor_of_ours_serves_the_model(
    tmp_path: Path, loader: str | None, is_left_out: bool
) -> None:
    content = {"flavors": {"python_function": {} if loader is None else {"loader_module": loader}}}
    spec = _read(tmp_path, content, requirements="azureml-defaults==1.55\nazureml-mlflow\nscikit-learn==1.6.1\n")
    assert ("azureml-defaults" in spec.names) is not is_left_out
    assert {"azureml-mlflow", "scikit-learn"} <= set(spec.names)
    note = "not installed, as modelport stands in for them: azureml-defaults"
    assert spec.notes == ((note,) if is_left_out else ())


def test_mlflow_1_says_it_in_conda_yaml_alone(tmp_path: Path) -> None:
    flavors = {
        "python_function": {**PYFUNC, "env": "conda.yaml", "python_version": "3.8.5"},
        "sklearn": {"sklearn_version": "0.24.1"},
    }
    spec = _read(
        tmp_path,
        {"flavors": flavors, "utc_time_created": "2021-03-01 10:00:00"},
        conda={"dependencies": ["python=3.8.5", "pip", "scikit-learn=0.24.1", {"pip": ["mlflow", "cloudpickle==1.6.0"]}]},
    )  # fmt: skip
    assert spec.python == "3.8.5"
    assert spec.requirements == ("cloudpickle==1.6.0", "mlflow", "scikit-learn==0.24.1.*")
    assert spec.source == "conda.yaml"
    told = "conda.yaml asks conda for them, taken from the Python package index: scikit-learn==0.24.1.*"
    assert spec.notes == (told,)


def test_the_file_that_env_names_is_the_conda_file(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("dependencies: [python=3.9, {pip: [six]}]")
    for env in ("other.yaml", {"conda": "other.yaml", "virtualenv": "python_env.yaml"}):
        spec = _read(tmp_path, {"flavors": {"python_function": {"env": env}}})
        assert (spec.python, spec.requirements) == ("3.9", ("six",))


def test_python_env_may_name_the_packages_itself(tmp_path: Path) -> None:
    spec = _read(tmp_path, python_env={"python": "3.9.18", "dependencies": ["six==1.16.0", "numpy"]})
    assert (spec.python, spec.requirements, spec.source) == ("3.9.18", ("numpy", "six==1.16.0"), "python_env.yaml")


def test_an_unquoted_python_3_10_is_meant_as_it_is_spelled(tmp_path: Path) -> None:
    assert _read(tmp_path, python_env="python: 3.10\n", requirements="six").python == "3.10"


def test_files_that_disagree_are_told(tmp_path: Path) -> None:
    spec = _read(
        tmp_path,
        {
            "flavors": {
                "python_function": {**PYFUNC, "python_version": "3.9.1"},
                "sklearn": {"sklearn_version": "1.2.0"},
            }
        },
        requirements="numpy==1.26.4\nscikit-learn==1.1.2",
        python_env={"python": "3.10.13", "dependencies": ["-r requirements.txt"]},
        conda={"dependencies": ["python=3.8", "scikit-learn=1.0", {"pip": ["numpy==1.24.0", "scikit-learn==1.1.2"]}]},
    )
    assert spec.python == "3.10.13"
    assert spec.requirements == ("numpy==1.26.4", "scikit-learn==1.1.2")
    assert spec.notes == (
        "requirements.txt decides; conda.yaml says otherwise: numpy==1.24.0",
        "python_env.yaml decides on Python 3.10.13; conda.yaml says 3.8",
        "python_env.yaml decides on Python 3.10.13; the MLmodel file says 3.9.1",
        "requirements.txt decides on scikit-learn==1.1.2; conda.yaml asks conda for scikit-learn==1.0.*",
        "scikit-learn==1.1.2 decides; the MLmodel file says the model was made with 1.2.0",
    )


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("3.10", "3.10.11", True),
        ("3.10.11", "3.10", True),
        ("3.1.1", "3.10.11", False),
        ("3.10.11", "3.10.12", False),
        (">=3.8,<3.11", "3.10.11", True),
        (">=3.8,<3.10", "3.10.11", False),
    ],
)
def test_pythons_that_differ_only_in_exactness_do_not_disagree(
    tmp_path: Path, one: str, other: str, agree: bool
) -> None:
    content = {"flavors": {"python_function": {"python_version": other}}}
    spec = _read(tmp_path, content, requirements="six", python_env={"python": one})
    assert spec.python == one
    assert (spec.notes == ()) is agree


def test_conda_says_the_version_that_requirements_txt_does_not(tmp_path: Path) -> None:
    spec = _read(
        tmp_path,
        requirements="numpy @ file:///croot/numpy_1682953417311/work\nsix",
        conda={"dependencies": ["python=3.10", "numpy=1.23.5=py310h5f9d8c6_1", "six"]},
    )
    assert spec.requirements == ("numpy==1.23.5", "six")
    assert spec.notes == (
        "requirements.txt says no version of numpy: conda.yaml asks conda for numpy==1.23.5",
        "taken by name, not from the folder on the author's machine: numpy",
    )


def test_recorded_versions_are_taken_where_no_file_names_one(tmp_path: Path) -> None:
    flavors = {
        "python_function": {**PYFUNC, "cloudpickle_version": "2.2.1"},
        "sklearn": {"sklearn_version": "1.1.2"},
        "xgboost": {"xgb_version": "not a version"},
        "pytorch": {"pytorch_version": "2.1.0+cpu"},
        "odd": None,
    }
    spec = _read(tmp_path, {"flavors": flavors}, requirements="scikit-learn\nnumpy==1.23.5\nxgboost\ntorch>=2")
    assert spec.requirements == ("cloudpickle==2.2.1", "numpy==1.23.5", "scikit-learn==1.1.2", "torch>=2", "xgboost")
    assert spec.notes == (
        "no file says which scikit-learn: the model was made with 1.1.2",
        "no file names cloudpickle: the model was made with 2.2.1",
    )


def test_a_python_env_of_only_a_python_takes_the_recorded_versions(tmp_path: Path) -> None:
    content = {"flavors": {"python_function": PYFUNC, "sklearn": {"sklearn_version": "1.1.2"}}}
    spec = _read(tmp_path, content, python_env={"python": "3.10.13"})
    assert (spec.python, spec.requirements) == ("3.10.13", ("scikit-learn==1.1.2",))


def test_a_model_without_files_says_nothing(tmp_path: Path) -> None:
    content = {"flavors": {"python_function": PYFUNC, "sklearn": {"sklearn_version": "1.1.2"}}}
    assert _read(tmp_path, content).says_nothing
    assert _read(tmp_path, content, requirements="# nothing\n").says_nothing


def test_empty_requirements_txt_leaves_it_to_conda_yaml(tmp_path: Path) -> None:
    spec = _read(tmp_path, requirements="\n", conda={"dependencies": [{"pip": ["six"]}]})
    assert (spec.requirements, spec.source) == (("six",), "conda.yaml")


def test_a_problem_in_the_file_that_decides_is_the_models(tmp_path: Path) -> None:
    spec = _read(tmp_path, requirements="-r ../outside.txt", conda={"dependencies": [{"pip": ["six"]}]})
    (problem,) = spec.problems
    assert "leads out of the model" in problem.message


def test_a_damaged_conda_yaml_stops_only_who_needs_it(tmp_path: Path) -> None:
    spec = _read(tmp_path, conda="dependencies: [")
    (problem,) = spec.problems
    assert "conda.yaml is no valid YAML" in problem.message
    spec = _read(tmp_path, requirements="six", conda="dependencies: [")
    assert spec.problems == ()
    assert "not needed, as requirements.txt decides" in spec.notes[0]


def test_no_password_is_in_what_is_kept_of_a_spec(tmp_path: Path) -> None:
    spec = _read(
        tmp_path,
        requirements="-i https://me:sesame@example.org/simple\nsix",
        conda={"channels": ["https://me:sesame@example.org/conda", "https://example.org/t/sesame/mine"]},
    )
    assert "sesame" not in str(spec.as_dict()) and "sesame" not in repr(spec).replace(str(spec.channels), "")
    assert spec.credentials == {"https://example.org/simple": ("me", "sesame")}


def test_specs_differ_where_what_they_ask_for_does(tmp_path: Path) -> None:
    base = _read(tmp_path, _model(), requirements="six==1.16.0")
    assert base.key() == _read(tmp_path, _model(), requirements="Six == 1.16.0  # as ever").key()
    assert base.key() != base.key("another choice")
    assert base.key() != _read(tmp_path, _model(), requirements="six==1.15.0").key()
    assert base.key() != _read(tmp_path, _model(utc_time_created="2024-06-01"), requirements="six==1.16.0").key()
    (tmp_path / "a-1-py3-none-any.whl").write_bytes(b"one")
    wheel = _read(tmp_path, _model(), requirements="a-1-py3-none-any.whl")
    (tmp_path / "a-1-py3-none-any.whl").write_bytes(b"two")
    assert wheel.key() != _read(tmp_path, _model(), requirements="a-1-py3-none-any.whl").key()


_NAMES = st.sampled_from(["numpy", "scikit-learn", "zope-interface", "six"])
_CLAUSES = st.lists(st.sampled_from([">=1.0", "<3", "!=2.0.1", "~=1.4"]), max_size=3, unique=True)
_MARKERS = st.sampled_from(["", "python_version < '3.12'", "sys_platform == 'linux' and python_version >= '3.8'"])
_EXTRAS = st.lists(st.sampled_from(["one", "two", "three"]), max_size=3, unique=True)
_REQUIREMENTS = st.lists(st.tuples(_NAMES, _EXTRAS, _CLAUSES, _MARKERS), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(_REQUIREMENTS, st.randoms(use_true_random=False))
def test_equal_specs_written_differently_have_equal_keys(
    tmp_path_factory: pytest.TempPathFactory, requirements: list[Any], chance: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("model")
    plain = "\n".join(_line(*requirement) for requirement in requirements)
    expected = _read(folder, requirements=plain)
    bent = [_bent(requirement, chance) for requirement in requirements]
    chance.shuffle(bent)
    cut = chance.randrange(len(bent) + 1)
    (folder / "more.txt").write_text("\n".join(bent[:cut]))
    ending = chance.choice(["\n", "\r\n", "\n\n"])
    again = _read(folder, requirements=ending.join(["-r more.txt", *bent[cut:], *chance.sample(bent, 1)]))
    shutil.rmtree(folder)
    assert again == expected and again.key() == expected.key()


def _line(name: str, extras: list[str], clauses: list[str], marker: str) -> str:
    extra = f"[{','.join(extras)}]" if extras else ""
    return f"{name}{extra}{','.join(clauses)}" + (f" ; {marker}" if marker else "")


def _bent(requirement: Any, chance: random.Random) -> str:
    """The same in other words."""
    name, extras, clauses, marker = requirement
    name = chance.choice([name, name.upper(), name.replace("-", "_"), name.replace("-", ".")])
    clauses = [
        clause.replace("=", "= ") if clause[-2:] != "=" else clause for clause in chance.sample(clauses, len(clauses))
    ]
    line = _line(name, chance.sample(extras, len(extras)), clauses, marker.replace("'", chance.choice("'\"")))
    return chance.choice([line, f"  {line}  # why", line.replace(" ; ", ";"), line.replace(" ; ", " \\\n  ; ")])
