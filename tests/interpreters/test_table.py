"""The page cannot show what this run did not yield; two answers are the same where a client would see no difference."""

from pathlib import Path
from typing import Any

import pytest

from tests.interpreters import table
from tests.interpreters.cases import CASES, same
from tests.interpreters.saved import Result
from tests.support.interpreters import VERSIONS

LIBRARIES = {"numpy": "1.0", "pandas": "2.0", "sklearn": "3.0", "mlflow": "4.0", "python": "3.9.1"}
SERVED = Result("3.9", "serve", LIBRARIES, 7)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A page that shows Python 3.9 alone."""
    path = tmp_path / "pythons.md"
    lines = table.PAGE.read_text().splitlines(keepends=True)
    first = next(place for place, line in enumerate(lines) if line.startswith("| 3."))
    row = table.row([SERVED, Result("3.9", "predict", LIBRARIES, 2)])
    path.write_text("".join([*lines[:first], row, *(line for line in lines[first:] if not line.startswith("| 3."))]))
    monkeypatch.setattr(table, "PAGE", path)
    return path


def test_the_committed_page_has_a_full_row_for_every_python() -> None:
    rows = [line for line in table.PAGE.read_text().splitlines() if line.startswith("| 3.")]
    assert [row.split("|")[1].strip() for row in rows] == list(VERSIONS)
    assert all(cell.strip() for row in rows for cell in row.strip("|").split("|"))


def test_a_result_that_the_page_shows_is_fine(page: Path) -> None:
    table.assert_shown(SERVED)


@pytest.mark.parametrize(
    "result",
    [
        Result("3.9", "serve", LIBRARIES, 6),
        Result("3.9", "predict", LIBRARIES, 7),
        Result("3.9", "serve", {**LIBRARIES, "numpy": "1.1"}, 7),
        Result("3.10", "serve", LIBRARIES, 7),
    ],
)
def test_a_result_that_the_page_does_not_show_fails(page: Path, result: Result) -> None:
    with pytest.raises(AssertionError, match=r"run python -m tests\.interpreters\.table"):
        table.assert_shown(result)


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (1.5, 1.5 + 1e-12, True),
        (1.5, 1.50001, False),
        (2.0, 2, True),
        (1, True, False),
        (None, 0.0, False),
        ("2024-01-01T00:00:00", "2024-01-01", False),
        ([1, 2], [1, 2, 3], False),
        ({"a": [1.0]}, {"a": [1]}, True),
        ({"a": 1}, {"b": 1}, False),
    ],
)
def test_answers_are_the_same_but_for_the_last_digits_of_floats(left: Any, right: Any, equal: bool) -> None:
    assert same(left, right) is equal


def test_every_case_has_a_name_of_its_own_and_the_twin_that_it_names() -> None:
    names = [case["name"] for case in CASES]
    assert len(set(names)) == len(names)
    assert {case["like"] for case in CASES if "like" in case} <= set(names)
