"""Requirements of a model that are added or removed: what the files then mean is what MLflow would have made of them, and what
they said beside it is still there."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from modelport import models
from modelport.errors import InvalidInput, ModelNotLoadable, NotFound
from modelport.model import requirement_lines
from modelport.model.conda_packages import pip_section
from modelport.model.updating_requirements import update
from tests.support.saved import SAVING_PYTHON

MLMODEL = "flavors:\n  python_function:\n    env:\n      conda: conda.yaml\n    loader_module: mlflow.sklearn\n"
REQUIREMENTS = "mlflow==3.17.2\nnumpy==2.4.6\nscikit-learn==1.9.1"
CONDA = """\
channels:
- conda-forge
dependencies:
- python=3.11.7
- pip<=24.0
- pip:
  - mlflow==3.17.2
  - numpy==2.4.6
  - scikit-learn==1.9.1
name: mlflow-env
"""
CASES = [
    ("add", ["scipy==1.17.1"]),
    ("add", ["numpy==1.26.4"]),
    ("add", ["numpy", "scipy>=1.10,<2", "pandas[parquet]==2.2.0"]),
    ("add", ["mlflow >= 2.8, != 2.9.0"]),
    ("add", ["numpy==1.26.4; python_version < '3.12'"]),
    ("remove", ["numpy"]),
    ("remove", ["numpy==1.0", "absent"]),
    ("remove", ["numpy", "mlflow", "scikit-learn"]),
]


def model(folder: Path, requirements: str | None = REQUIREMENTS, conda: str | None = CONDA) -> Path:
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text(MLMODEL)
    for name, text in (("requirements.txt", requirements), ("conda.yaml", conda)):
        if text is not None:
            (folder / name).write_bytes(text.encode())
    return folder


def meaning(folder: Path) -> dict[str, object]:
    conda = yaml.safe_load((folder / "conda.yaml").read_text())
    pip = pip_section(conda) or []
    lines = requirement_lines.lines_of((folder / "requirements.txt").read_text())
    kept = [entry for entry in conda.pop("dependencies") if isinstance(entry, str)]
    return {
        "requirements": sorted(filter(None, map(requirement_lines.normal, lines))),
        "pip": sorted(filter(None, map(requirement_lines.normal, pip))),
        "conda": kept,
        "other": conda,
    }


def test_the_files_mean_what_they_would_mean_with_mlflow(tmp_path: Path) -> None:
    theirs = [str(model(tmp_path / "theirs" / str(number))) for number in range(len(CASES))]
    told = json.dumps([[folder, *case] for folder, case in zip(theirs, CASES, strict=True)])
    command = [SAVING_PYTHON, "-W", "ignore", Path(__file__).with_name("update_with_mlflow.py"), told]
    subprocess.run(command, check=True, capture_output=True, timeout=200)
    for number, (operation, requirements) in enumerate(CASES):
        ours = model(tmp_path / "ours" / str(number))
        models.update_model_requirements(str(ours), operation, requirements)
        assert meaning(ours) == meaning(Path(theirs[number])), (operation, requirements)


COMMENTED = """\
# what the model needs
numpy==2.4.6  # as in training
-c constraints.txt
Scikit_Learn==1.9.1 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
./wheels/own-1.0-py3-none-any.whl

pandas ; python_version < "3.12"
pandas>=3 ; python_version >= "3.12"
"""


@pytest.mark.parametrize(
    ("operation", "requirements", "expected"),
    [
        ("add", ["numpy==1.26.4"], COMMENTED.replace("numpy==2.4.6", "numpy==1.26.4")),
        ("add", ["scipy"], COMMENTED + "scipy\n"),
        ("remove", ["NumPy"], COMMENTED.replace("numpy==2.4.6  # as in training\n", "")),
        (
            "remove",
            ["scikit-learn"],
            COMMENTED.replace("Scikit_Learn==1.9.1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n", ""),
        ),
        ("add", ["pandas==2.2"], COMMENTED[: COMMENTED.index("pandas ;")] + "pandas==2.2\n"),
        ("remove", ["absent"], COMMENTED),
    ],
)
def test_comments_order_and_other_lines_of_a_requirements_file_stay(
    tmp_path: Path, operation: str, requirements: list[str], expected: str
) -> None:
    folder = model(tmp_path / "model", COMMENTED, None)
    update(str(folder), operation, requirements)
    assert (folder / "requirements.txt").read_text() == expected


@pytest.mark.parametrize(
    ("before", "operation", "requirement", "after"),
    [
        ("a==1\nb==2", "add", "c==3", "a==1\nb==2\nc==3"),
        ("a==1\nb==2", "remove", "b", "a==1"),
        ("a==1\r\nb==2\r\n", "add", "c==3", "a==1\r\nb==2\r\nc==3\r\n"),
        ("a==1\r\nb==2\r\n", "add", "a==3", "a==3\r\nb==2\r\n"),
        ("a==1", "remove", "a", ""),
        ("", "add", "a==1", "a==1"),
    ],
)
def test_a_file_ends_as_it_has_ended(tmp_path: Path, before: str, operation: str, requirement: str, after: str) -> None:
    folder = model(tmp_path / "model", before, None)
    update(str(folder), operation, [requirement])
    assert (folder / "requirements.txt").read_bytes() == after.encode()


YAML = """\
# made by hand
name: "churn"   # quoted
dependencies:
  - python=3.11   # the one we test with
  - pip:
      - numpy==2.4.6 # pinned
      # the next one moves
      - "scikit-learn>=1.9"
  - libgomp
"""


@pytest.mark.parametrize(
    ("before", "operation", "requirements", "after"),
    [
        (YAML, "add", ["numpy==1.26.4"], YAML.replace("numpy==2.4.6", "numpy==1.26.4")),
        (YAML, "add", ["scikit-learn==1.9.1"], YAML.replace('"scikit-learn>=1.9"', "scikit-learn==1.9.1")),
        (YAML, "add", ["scipy"], YAML.replace('1.9"\n', '1.9"\n      - scipy\n')),
        (YAML, "remove", ["numpy"], YAML.replace("      - numpy==2.4.6 # pinned\n", "")),
        (
            YAML,
            "add",
            ["numpy ; python_version < '3.12'"],
            YAML.replace("numpy==2.4.6", "\"numpy ; python_version < '3.12'\""),
        ),
        (
            "dependencies:\n- python=3.11\n- pip\nname: x\n",
            "add",
            ["a==1"],
            "dependencies:\n- python=3.11\n- pip\n- pip:\n  - a==1\nname: x\n",
        ),
        ("dependencies: [pip, {pip: [a, b]}]\n", "remove", ["a"], 'dependencies: [pip, {pip: ["b"]}]\n'),
        ("dependencies:\n- pip:\n  - a", "add", ["b"], "dependencies:\n- pip:\n  - a\n  - b\n"),
    ],
)
def test_all_else_in_a_conda_file_stays(
    tmp_path: Path, before: str, operation: str, requirements: list[str], after: str
) -> None:
    folder = model(tmp_path / "model", None, before)
    update(str(folder), operation, requirements)
    assert (folder / "conda.yaml").read_text() == after


def test_a_list_in_a_conda_file_may_become_empty_and_be_filled_again(tmp_path: Path) -> None:
    folder = model(tmp_path / "model", None, YAML)
    update(str(folder), "remove", ["numpy", "scikit-learn"])
    assert pip_section(yaml.safe_load((folder / "conda.yaml").read_text())) == []
    update(str(folder), "add", ["scipy==1.17.1"])
    assert pip_section(yaml.safe_load((folder / "conda.yaml").read_text())) == ["scipy==1.17.1"]


def test_it_is_told_what_was_changed_and_what_was_not_there(tmp_path: Path) -> None:
    folder = model(tmp_path / "model")
    done = update(str(folder), "remove", ["numpy", "absent"])
    assert (done.files, done.not_found) == (("requirements.txt", "conda.yaml"), ("absent",))
    assert update(str(folder), "remove", ["absent"]).files == ()


@pytest.mark.parametrize("requirement", ["numpy==", "-r other.txt", "a b", "", "numpy\nscipy"])
def test_what_is_no_requirement_changes_nothing(tmp_path: Path, requirement: str) -> None:
    folder = model(tmp_path / "model")
    with pytest.raises(InvalidInput) as refused:
        update(str(folder), "add", ["scipy", requirement])
    assert refused.value.code == "INVALID_PARAMETER_VALUE"
    assert (folder / "requirements.txt").read_text() == REQUIREMENTS


def test_other_operations_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="'replace' is neither add nor remove"):
        models.update_model_requirements(str(model(tmp_path / "model")), "replace", ["numpy"])


def test_a_file_that_cannot_be_understood_changes_nothing(tmp_path: Path) -> None:
    folder = model(tmp_path / "model", conda="dependencies: [")
    with pytest.raises(ModelNotLoadable):
        update(str(folder), "add", ["scipy"])
    assert (folder / "requirements.txt").read_text() == REQUIREMENTS
    assert sorted(os.listdir(folder)) == ["MLmodel", "conda.yaml", "requirements.txt"]


def test_a_model_without_such_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"neither requirements\.txt nor conda\.yaml"):
        update(str(model(tmp_path / "model", None, None)), "add", ["numpy"])


def test_the_files_keep_their_modes(tmp_path: Path) -> None:
    folder = model(tmp_path / "model")
    (folder / "requirements.txt").chmod(0o664)
    update(str(folder), "add", ["scipy"])
    assert (folder / "requirements.txt").stat().st_mode & 0o777 == 0o664
    shutil.rmtree(folder)
