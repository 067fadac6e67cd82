"""A saved model at our ``/score`` answers as under Azure's own inference server with a no-code scoring script.

Every case goes as the same bytes to both. Where we differ on purpose the case names its reason, and states our answer.
"""

import json
from functools import cache
from typing import Any

import pytest

from tests.interop.azure.answers import Answer, Both, all_answers
from tests.interop.azure.case import Case, read_cases
from tests.interop.environment import HERE

pytestmark = pytest.mark.timeout(600)  # the first test saves the models and asks everybody

CASES = read_cases()
DIVERGENCES = {
    id for id, entry in json.loads((HERE.parent / "divergences.json").read_text()).items() if entry["of"] == "azure"
}
DIFFERING = 231


@cache
def answers() -> dict[str, Both]:
    return all_answers(CASES)


def difference(theirs: Answer, ours: Answer, also: tuple[str, ...] = ()) -> str | None:
    """What a client would notice; None: nothing."""
    if theirs.status != ours.status:
        return "another status"
    if theirs.media_type != ours.media_type and theirs.text:
        return "another media type"
    if theirs.body != ours.body:
        return "another body"
    for name in ("x-ms-run-function-failed", *also):
        if theirs.headers.get(name) != ours.headers.get(name):
            return f"another header {name}"
    return None


def mismatch(expected: dict[str, Any], ours: Answer) -> str | None:
    """How our answer differs from a stated one; None: it does not."""
    if expected["status"] != ours.status:
        return "another status"
    if "body" in expected and expected["body"] != ours.body:
        return "another body"
    if "message" in expected and expected["message"] not in ours.body["message"]:
        return "another message"
    if any(ours.headers.get(name) != value for name, value in expected.get("headers", {}).items()):
        return "other headers"
    return None


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_answers_as_azure_or_as_a_named_divergence_says(case: Case) -> None:
    both = answers()[case.id]
    found = difference(both.theirs, both.ours, case.also)
    sides = f"\nrequest: {case.body[:500]!r}\nAzure: {both.theirs}\nours:  {both.ours}"
    if case.divergence is None:
        assert found is None, found + sides
    else:
        assert found is not None, f"{case.divergence} makes no difference here any more" + sides
        wrong = mismatch(case.ours, both.ours)
        assert wrong is None, f"{case.divergence}: {wrong}, expected {case.ours}" + sides


def test_the_number_of_differing_cases_is_known() -> None:
    assert sum(case.divergence is not None for case in CASES) == DIFFERING


def test_every_divergence_is_named_once_and_used() -> None:
    assert {case.divergence for case in CASES if case.divergence} == DIVERGENCES


def test_case_names_are_unique() -> None:
    assert len({case.id for case in CASES}) == len(CASES)


def test_the_suite_is_broad_and_much_of_it_bad_input() -> None:
    refused = [case for case in CASES if (answers()[case.id].ours.status or 0) >= 400]
    assert len(CASES) >= 150
    assert len({case.model for case in CASES}) >= 8
    assert len(refused) >= 0.4 * len(CASES)


def test_what_is_said_of_refused_data_names_the_column_the_row_and_both_types() -> None:
    """Spelled out, since elsewhere only a part of the message is."""
    assert answers()["optional: fraction for a long"].ours.body == {
        "message": "Invalid input. The data does not fit the model's signature: "
        "column 'long', row 1: expected long, found number 48.5."
    }
