"""Models saved by the real MLflow, served by ``modelport serve``, answer as MLflow's own scoring server does.

Every case goes as the same bytes to both. Where we differ on purpose the case names its reason, and states our answer.
"""

import json
from functools import cache

import pytest

from tests.interop.answers import Both, all_answers
from tests.interop.case import Case, read_cases
from tests.interop.comparison import difference, mismatch, parsed
from tests.interop.environment import ENVIRONMENTS, HERE
from tests.interop.matrix import CANNOT_MEET, FORMS, KINDS, LEAST, count

pytestmark = pytest.mark.timeout(900)  # the first test saves the models and asks everybody

CASES = read_cases()
ASKED = [
    (case, name)
    for name, environment in ENVIRONMENTS.items()
    for case in CASES
    if environment.asks(case.model, case.form)
]
DIVERGENCES = set(json.loads((HERE.parent / "divergences.json").read_text()))
DIFFERING = {"without-mlflow": 534, "mlflow-3": 30, "mlflow-2": 180}


@cache
def answers() -> dict[tuple[str, str], Both]:
    return all_answers(ENVIRONMENTS.values(), CASES)


@pytest.mark.parametrize(("case", "environment"), ASKED, ids=[f"{at}-{case.id}" for case, at in ASKED])
def test_answers_as_mlflow_or_as_a_named_divergence_says(case: Case, environment: str) -> None:
    both = answers()[environment, case.id]
    found = difference(both.theirs, both.ours)
    expected = case.expected_of_us(environment)
    sides = f"\nrequest: {case.body[:500]!r}\nMLflow: {both.theirs}\nours:   {both.ours}"
    if expected is None:
        assert found is None, found + sides
    else:
        assert found is not None, f"{case.divergence} makes no difference here any more" + sides
        wrong = mismatch(expected, both.ours)
        assert wrong is None, f"{case.divergence}: {wrong}, expected {expected}" + sides


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_number_of_differing_cases_is_known(environment: str) -> None:
    differing = [case for case, asked_in in ASKED if asked_in == environment and environment in case.differs_in]
    assert len(differing) == DIFFERING[environment]


def test_every_divergence_of_the_scoring_server_is_shown_here() -> None:
    shown = {case.divergence for case in CASES if case.divergence}
    assert shown <= DIVERGENCES
    assert {id for id in DIVERGENCES if id.startswith("D")} <= shown


def test_case_names_are_unique() -> None:
    assert len({case.id for case in CASES}) == len(CASES)


def test_the_suite_is_broad_and_mostly_about_bad_input() -> None:
    refused = [case for case in CASES if (answers()["without-mlflow", case.id].theirs.status or 500) >= 400]
    assert len(CASES) >= 1000
    assert len({case.model for case in CASES}) >= 40
    assert len(refused) >= 0.4 * len(CASES)


def test_every_kind_of_signature_meets_every_form_of_body() -> None:
    assert sorted(model for models in KINDS.values() for model in models) == sorted({case.model for case in CASES})
    cells = {(kind, form) for kind in KINDS for form in FORMS}
    assert cells >= CANNOT_MEET.keys()
    found = count(CASES)
    assert {cell: found[cell] for cell in cells - CANNOT_MEET.keys() if found[cell] < LEAST} == {}


def test_what_reaches_a_model_saved_by_mlflow_2() -> None:
    """Spelled out, since elsewhere only equality with MLflow is checked."""
    ours = answers()["mlflow-2", "required: split"].ours
    rows = [
        ["'boolean'", "bool", ["True", "True"]],
        ["'integer'", "int32", ["1", "1"]],
        ["'long'", "int64", ["2", "2"]],
        ["'float'", "float32", ["0.5", "0.5"]],
        ["'double'", "float64", ["0.25", "0.25"]],
        ["'string'", "object", ["'a'", "'a'"]],
        ["'binary'", "object", ["b'test'", "b'test'"]],
        ["'datetime'", "datetime64[ns]", ["Timestamp('2020-01-02 03:04:05')"] * 2],
    ]
    data = {"container": "DataFrame", "index": ["object", "'p'", "'q'"], "columns": rows}
    assert ours.status == 200
    assert parsed(ours.text)["predictions"]["data"] == data
