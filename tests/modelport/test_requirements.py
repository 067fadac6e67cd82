"""What a model wants beside what an interpreter has."""

from typing import Any

import pytest
from packaging.markers import default_environment

from modelport.model.requirements import (
    DIFFERS,
    MISSING,
    NOT_CHECKED,
    NOT_NEEDED,
    OK,
    compare,
    mismatches,
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
