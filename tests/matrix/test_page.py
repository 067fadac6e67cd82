"""The committed section shows what the table has."""

from tests.matrix import page
from tests.matrix.table import CASES


def test_the_section_has_a_row_for_every_model() -> None:
    text = page.PAGE.read_text()
    assert page.HEAD in text, "docs/environments.md is out of date: make matrix"
    text = text[text.index(page.HEAD) :]
    rows = [line.split("|")[1:3] for line in text.splitlines() if line.startswith("| `")]
    assert rows == [[f" `{case.name}` ", f" {case.about} "] for case in CASES]


def test_there_are_twenty_models_or_more_with_names_of_their_own_and_five_light_ones() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 20
    assert sum(case.light for case in CASES) == 5
    assert {case.python for case in CASES} == {"3.8", "3.9", "3.10", "3.11", "3.12", "3.13"}
