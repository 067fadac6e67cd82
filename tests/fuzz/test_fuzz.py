"""Bent requests against a real `modelport serve`: each is answered, in the form of its dialect, and nothing is harmed.

Every request follows from the seed and its number alone; what fails is shown with both. MODELPORT_FUZZ_SEED chooses the
seed, MODELPORT_FUZZ_BODIES how many requests each dialect gets.
"""

import asyncio
import io
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.end_to_end.server import Server, running
from tests.fuzz.bodies import DIALECTS, MODELS, PATHS, valid
from tests.fuzz.client import Answer, ask_all
from tests.fuzz.mutations import Request, mutated
from tests.support.saved import saved_by

pytestmark = pytest.mark.timeout(900)

SEED = int(os.environ.get("MODELPORT_FUZZ_SEED", "1"))
BODIES = -(-int(os.environ.get("MODELPORT_FUZZ_BODIES", "20000")) // len(MODELS))
"""Requests for each model in each dialect."""
CONCURRENCY = 16
PREDICTED = 0.3
"""The share of requests that must reach the model: what is all refused says little about what is behind it."""
STATUSES = {200, 400, 415}
"""What may answer a bent body to a model that never fails; and 413 where a file says that it holds more than it does."""
ANSWER_TYPES = {
    b"text/csv; charset=utf-8": lambda body: body.decode(),
    b"application/vnd.apache.parquet": lambda body: pq.read_table(io.BytesIO(body)).validate(full=True),
    b"application/vnd.apache.arrow.stream": lambda body: pa.ipc.open_stream(body).read_all().validate(full=True),
}
SHOWN = 8

_ROWS: dict[str, dict[str, Any]] = {
    "mixed": {
        "boolean": True,
        "integer": 7,
        "long": 2**53 + 1,
        "float": 0.5,
        "double": -1.25,
        "string": "007",
        "binary": "aGVsbG8=",
        "datetime": "2024-03-01T09:30:00",
    },
    "nested": {"messages": [{"role": "user", "content": "hello"}], "scores": [1.5], "weights": {"a": 2.0}},
    "table": {"x": 0.1, "y": -0.2, "z": 0.3},
}
_TENSORS: dict[str, Any] = {
    "tensor": [[0.5, 1.5, -2.0]],
    "tensors": {"points": [[0.5, 1.5]], "ids": [7], "words": ["a"], "flags": [[True]]},
    "unsigned": [[0.5, 1.5]],
    "hinted": ["a", "b"],
}
_DATATYPES = {bool: "BOOL", int: "INT64", float: "FP64", str: "BYTES"}


def _known(model: str) -> dict[str, Any]:
    """A good request of each dialect, which a model answers in the same way whatever was asked before."""
    if model in _ROWS:
        row = _ROWS[model]
        split = {"columns": list(row), "data": [list(row.values())]}
        cells = {name: [json.dumps(cell) if isinstance(cell, (list, dict)) else cell] for name, cell in row.items()}
        return {"invocations": {"dataframe_split": split}, "score": {"input_data": split}, "v2": _infer(cells)}
    value = _TENSORS[model]
    named = value if isinstance(value, dict) else {"input": value}
    return {"invocations": {"inputs": value}, "score": {"input_data": value}, "v2": _infer(named)}


def _infer(values: dict[str, Any]) -> dict[str, Any]:
    inputs = []
    for name, items in values.items():
        nested = isinstance(items[0], list)
        shape = [len(items), len(items[0])] if nested else [len(items)]
        flat = [cell for row in items for cell in row] if nested else items
        inputs.append({"name": name, "shape": shape, "datatype": _DATATYPES[type(flat[0])], "data": flat})
    return {"inputs": inputs}


KNOWN = {model: _known(model) for model in MODELS}


@pytest.fixture(scope="module")
def models() -> Path:
    return saved_by(Path(__file__).with_name("make_models.py"))


@pytest.fixture(scope="module", params=MODELS)
def served(request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The model's name, its server, the worker it began with, and how good requests were answered at first."""
    name = request.param
    options = ("--threads", "4", "--access-log", "off")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # threads of the model's library would only be in each other's way
        with running(models / name, tmp_path_factory.mktemp(name), *options) as server:
            yield name, server, server.workers(), good_answers(name, server)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_bent_request_is_answered_and_does_no_harm(served: Any, dialect: str) -> None:
    model, server, workers, good = served
    assert len(workers) == 1
    assert good[DIALECTS.index(dialect)][0] == 200, good
    predicted = server.metric("modelport_joined_requests_sum")
    problems: list[str] = []
    statuses: Counter[int] = Counter()

    def look(number: int, request: Request, answer: Answer) -> None:
        statuses[answer.status] += 1
        problem = wrong(request, answer)
        if problem is not None:
            problems.append(
                f"seed {SEED}, number {number} ({request.form}): {problem}\n  {shown(request)}\n  {answer.body[:400]!r}"
            )

    asyncio.run(ask_all(server.port, requests(model, dialect), CONCURRENCY, look))

    share = (server.metric("modelport_joined_requests_sum") - predicted) / BODIES
    print(f"{model}, {dialect}: {share:.0%} of {BODIES} predicted, statuses {dict(statuses)}, {len(problems)} problems")
    assert not problems, f"{len(problems)} problems:\n" + "\n".join(problems[:SHOWN])
    assert sum(statuses.values()) == BODIES
    assert share >= PREDICTED, f"only {share:.0%} reached the model"
    assert server.workers() == workers
    assert server.metric("modelport_worker_restarts_total") == 0
    assert server.ask("/ping")[0] == 200
    assert good_answers(model, server) == good


def test_the_same_number_is_the_same_request() -> None:
    for dialect in DIALECTS:
        first, again, other = (list(numbered("mixed", dialect, seed, 50)) for seed in (1, 1, 2))
        assert first == again
        assert first != other


def requests(model: str, dialect: str) -> Iterator[tuple[int, Request]]:
    return numbered(model, dialect, SEED, BODIES)


def numbered(model: str, dialect: str, seed: int, count: int) -> Iterator[tuple[int, Request]]:
    for number in range(count):
        random = Random(f"{seed} {model} {dialect} {number}")
        yield number, mutated(random, valid(random, model, dialect))


def shown(request: Request) -> str:
    """The request, to be sent again: all but its body and the headers says nothing new."""
    text = repr(request.body)
    if len(text) > 3000:
        text = f"{text[:3000]}... ({len(request.body)} bytes)"
    return f"{PATHS[request.dialect]} {request.content_type} {request.headers} chunks of {request.chunk}: {text}"


# -- what an answer must be --------------------------------------------------------------------------------------------


def wrong(request: Request, answer: Answer) -> str | None:
    """What is wrong with an answer, if anything."""
    if answer.status not in (STATUSES | {413} if request.form in ("parquet", "arrow") else STATUSES):
        return f"status {answer.status}"
    kind = answer.headers[b"content-type"]
    try:
        if answer.status == 200 and kind in ANSWER_TYPES and "accept" in request.headers:
            ANSWER_TYPES[kind](answer.body)
            return None
        if answer.status == 200 and kind == b"application/octet-stream" and request.dialect == "v2":
            size = int(answer.headers[b"inference-header-content-length"])
            return wrong_outputs(strict_json(answer.body[:size]), len(answer.body) - size)
        if kind != b"application/json":
            return f"content type {kind!r}"
        document = strict_json(answer.body)
    except Exception as error:  # noqa: BLE001  whatever reads the answer
        return f"the answer cannot be read: {error!r}"
    return wrong_answer(request, document) if answer.status == 200 else wrong_error(request.dialect, document)


def strict_json(body: bytes) -> Any:
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    return json.loads(body.decode("utf-8"), parse_constant=refuse)


def wrong_answer(request: Request, document: Any) -> str | None:
    if request.dialect == "v2":
        return wrong_outputs(document, 0)
    if (
        request.dialect == "invocations"
        and not is_chat(request)
        and not (isinstance(document, dict) and document.keys() == {"predictions"})
    ):
        return "no predictions"
    return None


def is_chat(request: Request) -> bool:
    return any(f'"{key}"'.encode() in request.body for key in ("messages", "prompt", "input"))


def wrong_outputs(document: Any, tail: int) -> str | None:
    """The outputs, and that their binary data is what they say it is."""
    if not isinstance(document, dict) or document.get("model_name") != "mlflow-model":
        return "this is no answer of the protocol"
    sizes = 0
    for output in document["outputs"]:
        if output.keys() - {"parameters", "data"} != {"name", "shape", "datatype"}:
            return f"output with the keys {sorted(output)}"
        size = 1
        for extent in output["shape"]:
            size *= extent
        if "data" in output and len(output["data"]) != size:
            return f"{len(output['data'])} elements for the shape {output['shape']}"
        sizes += output.get("parameters", {}).get("binary_data_size", 0)
    return None if sizes == tail else f"{tail} bytes of binary data, {sizes} announced"


def wrong_error(dialect: str, document: Any) -> str | None:
    required, more = {
        "invocations": ({"error_code": str, "message": str}, {"details", "hint"}),
        "score": ({"message": str}, set()),
        "v2": ({"error": str}, {"error_code", "details", "hint"}),
    }[dialect]
    if not isinstance(document, dict) or not required.keys() <= document.keys() <= required.keys() | more:
        return "this is no error of the dialect"
    for key, kind in required.items():
        if not isinstance(document[key], kind) or not document[key]:
            return f"{key} is {document[key]!r}"
    raised = "the model raised" in document["error" if dialect == "v2" else "message"]
    # scikit-learn refuses a table without rows, which /invocations hands on to it as MLflow does.
    return "the model was given what it cannot take" if raised and "0 sample(s)" not in str(document) else None


def good_answers(model: str, server: Server) -> list[tuple[int, Any]]:
    """What a known request of each dialect is answered with."""
    text = {"content_type": "application/json"}
    return [server.ask(PATHS[name], json.dumps(KNOWN[model][name]).encode(), **text)[:2] for name in DIALECTS]
