"""What is inferred from an example, saved of it and read again is what the real MLflow infers, saves and reads.

Every case of ``signatures/cases.json`` is evaluated here and by one process of MLflow 3. Where we differ on purpose the case
names its reason, and states our answer as far as it differs.
"""

import json
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from modelport.models import ModelSignature, infer_signature
from modelport_runtime.input_examples import saved_example
from modelport_runtime.signature import read_signature
from modelport_runtime.signature_inference import signature_from_type_hints
from tests.interop.environment import HERE, python_of
from tests.interop.signatures.ask import Api, answer

pytestmark = pytest.mark.filterwarnings("ignore")  # the examples are odd, and pandas says so

FOLDER = HERE / "signatures"
CASES: list[dict[str, Any]] = json.loads((FOLDER / "cases.json").read_text())
DIVERGENCES = json.loads((HERE.parent / "divergences.json").read_text())
KINDS = ("data", "output", "params", "hints", "stored")
IDS = [next(f"{kind}: {case[kind]}" for kind in KINDS if kind in case) for case in CASES]
DIFFERING = 39


@cache
def theirs() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        answers = Path(folder) / "answers.json"
        command = [python_of("mlflow-3"), FOLDER / "ask.py", FOLDER / "cases.json", answers]
        asked = subprocess.run(command, capture_output=True, text=True, timeout=240)
        assert asked.returncode == 0, asked.stderr[-4000:]
        return dict(zip(IDS, json.loads(answers.read_text()), strict=True))


def ours(case: dict[str, Any]) -> dict[str, Any]:
    api = Api(infer_signature, ModelSignature.from_dict, lambda example: tuple(saved_example(example)), hinted)
    answered: dict[str, Any] = json.loads(json.dumps(answer(case, api)))
    return answered


def hinted(function: Any) -> Any:
    return signature_from_type_hints(function)


@pytest.mark.parametrize(("case", "id"), list(zip(CASES, IDS, strict=True)), ids=IDS)
def test_answers_as_mlflow_or_as_a_named_divergence_says(case: dict[str, Any], id: str) -> None:
    found, expected = ours(case), dict(theirs()[id])
    if "divergence" in case:
        differing = "example" if "example" in case["ours"] else "signature"
        answered = found.pop(differing)
        assert answered != expected.pop(differing), f"{case['divergence']} makes no difference here any more"
        parts = {"example": answered[1]} if differing == "example" else answered
        assert {part: parts[part] for part in case["ours"]} == case["ours"]
    assert found == expected


@pytest.mark.parametrize("id", IDS)
def test_every_signature_is_equal_when_read_again(id: str) -> None:
    signature = ours(CASES[IDS.index(id)])["signature"]
    if not isinstance(signature, dict):
        return
    written = {part: signature[part] for part in ("inputs", "outputs", "params")}
    assert signature["same"] or "NaN" in written["params"]  # which equals nothing
    loaded = read_signature(written)
    assert loaded is not None
    assert loaded.to_dict() == written


def test_the_differing_cases_are_known_and_have_their_reasons() -> None:
    assert {case["divergence"] for case in CASES if "divergence" in case} <= set(DIVERGENCES)
    assert sum("divergence" in case for case in CASES) == DIFFERING


def test_the_suite_is_broad() -> None:
    assert len(set(IDS)) == len(IDS) >= 300
    refused = [id for id in IDS if "refused" in theirs()[id].values()]
    assert len(refused) >= 60
    assert {kind for kind in KINDS for case in CASES if kind in case} == set(KINDS)
