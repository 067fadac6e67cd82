"""``docs/compatibility.md`` says what ``tests/divergences.json`` says, and each of its rows is shown by a test."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.docs.compatibility import PAGE, TESTS, find_shown, main, page, problems, read_rows

ROW = {"of": "mlflow", "area": "CSV", "theirs": "A | B.", "ours": "C.", "why": "D."}
CASE = {"model": "text", "name": "a case", "divergence": "D01"}
MARKED = 'import pytest\n\n\n@pytest.mark.divergence("D01", "C1")\ndef test_it():\n    pass\n'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder of tests with one row and nothing that shows it."""
    (tmp_path / "interop" / "cases").mkdir(parents=True)
    rows(tmp_path, D01=ROW)
    return tmp_path


def rows(tests: Path, **entries: dict[str, Any]) -> None:
    (tests / "divergences.json").write_text(json.dumps(entries))


def cases(tests: Path, *entries: dict[str, Any], folder: str = "cases") -> None:
    (tests / "interop" / folder).mkdir(parents=True, exist_ok=True)
    (tests / "interop" / folder / "some.json").write_text(json.dumps(entries))


def found(tests: Path) -> list[str]:
    return problems(read_rows(tests), find_shown(tests))


def table_row(tests: Path, id: str = "D01") -> str:
    text = page(read_rows(tests), find_shown(tests))
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {id} |")]
    return line


def test_the_page_is_that_of_the_rows_and_every_row_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err
    shown = find_shown(TESTS)
    assert len(shown.cases) >= 25
    assert len(shown.files) >= 60
    assert all(f"| {row.id} |" in PAGE.read_text() for row in read_rows(TESTS))


def test_a_row_without_a_test_is_a_problem(tree: Path) -> None:
    assert found(tree) == ["no test shows D01; mark one with @pytest.mark.divergence('D01')"]


def test_cases_show_a_row_and_are_counted(tree: Path) -> None:
    cases(tree, CASE, CASE, {**CASE, "divergence": None}, {"model": "text"})
    cases(tree, CASE, folder="azure/cases")
    assert found(tree) == []
    assert table_row(tree) == r"| D01 | A \| B. | C. | D. | 3 interop cases |"


def test_a_marked_test_shows_its_rows(tree: Path) -> None:
    rows(tree, D01=ROW, C1=ROW)
    (tree / "test_some.py").write_text(MARKED)
    assert found(tree) == []
    assert table_row(tree).endswith("| `test_some.py` |")
    assert table_row(tree, "C1").endswith("| `test_some.py` |")


def test_a_mark_on_one_parameter_counts_and_one_on_a_helper_does_not(tree: Path) -> None:
    mark = '@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.divergence("D01"))])\n'
    (tree / "test_some.py").write_text(f"import pytest\n\n\n{mark}def test_it(x):\n    pass\n")
    assert found(tree) == []
    (tree / "test_some.py").write_text(f"import pytest\n\n\n{mark}def helper(x):\n    pass\n")
    assert len(found(tree)) == 1


@pytest.mark.parametrize("where", ["case", "marker"])
def test_a_test_that_names_an_unknown_row_is_a_problem(tree: Path, where: str) -> None:
    cases(tree, CASE)
    if where == "case":
        cases(tree, CASE, {**CASE, "divergence": "C1"})
    else:
        (tree / "test_some.py").write_text(MARKED)
    assert found(tree) == ["a test shows C1, which tests/divergences.json does not have"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"of": "other"}, "is of 'other'"),
        ({"area": "Nowhere"}, "the area 'Nowhere'"),
        ({"theirs": ""}, "both sides"),
        ({"ours": ""}, "both sides"),
    ],
)
def test_a_row_that_would_not_be_seen_on_the_page_is_a_problem(tree: Path, change: dict[str, str], words: str) -> None:
    cases(tree, CASE)
    rows(tree, D01={**ROW, **change})
    assert any(words in problem for problem in found(tree))


def test_rows_of_azure_and_kept_ones_have_tables_of_their_own(tree: Path) -> None:
    rows(tree, D01=ROW, A01={**ROW, "of": "azure", "area": ""}, C1={**ROW, "area": "", "ours": "", "kept": True})
    cases(tree, CASE, {**CASE, "divergence": "A01"}, {**CASE, "divergence": "C1"})
    assert found(tree) == []
    text = page(read_rows(tree), find_shown(tree))
    assert text.index("## From MLflow") < text.index("| D01 |") < text.index("## From Azure") < text.index("| A01 |")
    assert text.index("| A01 |") < text.index("## Kept") < text.index("| C1 |")
    assert "| The same. |" in table_row(tree, "C1")


def test_an_entry_with_an_unknown_key_or_an_id_twice_is_refused(tree: Path) -> None:
    rows(tree, D01={**ROW, "our": "misspelt"})
    with pytest.raises(ValueError, match="D01 has our"):
        read_rows(tree)
    (tree / "divergences.json").write_text('{"D01": {}, "D01": {}}')
    with pytest.raises(ValueError, match="D01 occurs twice"):
        read_rows(tree)


def test_a_page_out_of_date_is_a_problem_and_is_written_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "compatibility.md"
    stale.write_text("old")
    monkeypatch.setattr("tests.docs.compatibility.PAGE", stale)
    assert main(["--check"]) == 1
    assert "out of date" in capsys.readouterr().err
    assert main([]) == main(["--check"]) == 0
    assert stale.read_text() == PAGE.read_text()
