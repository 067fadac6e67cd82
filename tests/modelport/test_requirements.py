"""What a model wants beside what an interpreter has."""

from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment

from modelport.model.requirements import (
    DIFFERS,
    MISSING,
    NOT_CHECKED,
    NOT_NEEDED,
    OK,
    Wanted,
    compare,
    mismatches,
    wanted,
)
from modelport_runtime import distributions

VERSIONS = {
    "numpy": "2.4.6",
    "torch": "2.1.0+cpu",
    "early": "3.0rc1",
    "mlflow": None,
    "mlflow-skinny": None,
    "gone": None,
    "odd": "not a version",
}
ENVIRONMENT: dict[str, Any] = {"versions": VERSIONS, "markers": distributions.describe([])["markers"]}


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("numpy", OK),
        ("numpy==2.4.6", OK),
        ("numpy===2.4.6", OK),
        ("numpy==2.4.*", OK),
        ("numpy>=2,<3", OK),
        ("numpy~=2.4.1", OK),
        ("numpy!=2.4.6", DIFFERS),
        ("numpy==2.4.5", DIFFERS),
        ("numpy<2.4", DIFFERS),
        ("numpy ~= 2.3.0", DIFFERS),
        ("numpy>=2.5,<3", DIFFERS),
        ("numpy[some,extras]>2", OK),
        ("numpy==2.4.6 --hash=sha256:aa --hash=sha256:bb", OK),
        ("torch==2.1.0", OK),
        ("torch==2.1.0+cu118", DIFFERS),
        ("early>=2", OK),
        ("early>=3.0", DIFFERS),
        ("gone", MISSING),
        ("gone>=1", MISSING),
        ("gone==1 ; python_version < '3.0'", NOT_NEEDED),
        ("gone==1 ; python_version >= '3.0' and extra == 'x'", NOT_NEEDED),
        ("numpy==1 ; sys_platform == 'nowhere'", NOT_NEEDED),
        ("gone==1 ; sys_platform != 'nowhere'", MISSING),
        ("mlflow==3.17.2", NOT_NEEDED),
        ("mlflow-skinny", NOT_NEEDED),
        ("gone @ https://example.org/gone.zip", MISSING),
        ("numpy @ https://example.org/numpy.zip", NOT_CHECKED),
        ("git+https://example.org/thing.git@main", NOT_CHECKED),
        ("wheels/thing-1.0-py3-none-any.whl", NOT_CHECKED),
        ("./thing", NOT_CHECKED),
        ("-c constraints.txt", NOT_CHECKED),
        ("numpy=2.4", NOT_CHECKED),
        ("odd==1", NOT_CHECKED),
        ("numpy ; sys_platform ~= 'linux'", NOT_CHECKED),
        ("\u00e9t\u00e9==1", NOT_CHECKED),
    ],
)
def test_a_requirement_is_compared(line: str, status: str) -> None:
    (found,) = compare([line], ENVIRONMENT, needs_mlflow=False)
    assert (found.requirement, found.status) == (line, status)


def test_mlflow_is_missed_where_nothing_stands_in_for_it() -> None:
    (found,) = compare(["mlflow==3.17.2"], ENVIRONMENT, needs_mlflow=True)
    assert found.status == MISSING


def test_markers_have_the_names_that_packaging_knows() -> None:
    assert set(default_environment()) == set(ENVIRONMENT["markers"])
    assert default_environment() == ENVIRONMENT["markers"]


def test_all_mismatches_are_one_sentence() -> None:
    lines = ["numpy==1.0", "torch", "gone>=2", "mlflow", "./thing"]
    said = "the model's requirements are not what its environment has: numpy==1.0 (found 2.4.6), gone>=2 (found none)"
    assert mismatches(lines, ENVIRONMENT, needs_mlflow=False) == said
    assert mismatches(["numpy", "./thing", "mlflow"], ENVIRONMENT, needs_mlflow=False) is None


CONDA = """
channels: [conda-forge]
dependencies:
- python=3.10.4
- pip<=23
- pip:
  - mlflow<3
  - numpy==1.24
"""


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, Wanted(None)),
        (
            {"requirements.txt": "# all\nmlflow==3.1\n\nnumpy==1.0  # pinned\npandas \\\n  >=2\n-c constraints.txt"},
            Wanted(
                "requirements.txt",
                ("mlflow==3.1", "numpy==1.0", "pandas    >=2", "-c constraints.txt"),
                None,
                ("mlflow", "numpy", "pandas"),
            ),
        ),
        (
            {"requirements.txt": "a\n", "python_env.yaml": "python: 3.11.7\ndependencies: ['-r requirements.txt']\n"},
            Wanted("requirements.txt", ("a",), "3.11.7", ("a",)),
        ),
        (
            {
                "python_env.yaml": "python: 3.9.1\nbuild_dependencies: [pip]\ndependencies: [b==1]\n",
                "conda.yaml": CONDA,
            },
            Wanted("python_env.yaml", ("b==1",), "3.9.1", ("b",)),
        ),
        ({"conda.yaml": CONDA}, Wanted("conda.yaml", ("mlflow<3", "numpy==1.24"), "3.10.4", ("mlflow", "numpy"))),
        ({"conda.yaml": "- a list", "python_env.yaml": "{", "requirements.txt": ""}, Wanted(None)),
        ({"conda.yaml": "dependencies: text"}, Wanted(None)),
    ],
)
def test_requirements_are_read_wherever_they_stand(tmp_path: Path, files: dict[str, str], expected: Wanted) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert wanted(tmp_path) == expected


def test_a_file_that_is_no_text_keeps_nothing_from_loading(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes(b"\xff\xfe\x00\nnumpy\n")
    assert wanted(tmp_path).names == ("numpy",)
    (tmp_path / "requirements.txt").unlink()
    (tmp_path / "requirements.txt").mkdir()
    (tmp_path / "conda.yaml").mkdir()
    assert wanted(tmp_path) == Wanted(None)
