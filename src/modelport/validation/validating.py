"""``validate``: a model is looked at, its environment built, the model served as `modelport serve` does it, and its own
example asked of that server."""

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from modelport.environments.ahead import prepare_ahead
from modelport.errors import InvalidInput, ModelportError
from modelport.model import location, mlmodel
from modelport.model.example_request import example_of
from modelport.model.inspection.inspecting import inspect
from modelport.settings import EnvironmentSettings, ModelSource, SafetySettings, ServeSettings, modelport_home
from modelport.validation import looking
from modelport.validation.answers import differences, misfits
from modelport.validation.report import FAILED, NOTE, OK, WARNING, Finding, Report
from modelport.validation.serving import ask, served
from modelport.workers.spec import admit
from modelport_runtime.model import Model

RECORDED = "expected_output.json"
"""Beside the example: what the server answered to it when somebody looked and found it right. MLflow records no answers."""
_SHOWN = 5
"""Places that are named where an answer is not what it should be."""


@dataclass(frozen=True)
class ValidationSettings:
    """One preflight. ``expect``: a file with the answer to the example, in the place of the one in the model."""

    model_uri: str
    environment: EnvironmentSettings = field(default_factory=EnvironmentSettings)
    safety: SafetySettings = field(default_factory=SafetySettings)
    allow_python_mismatch: bool = False
    expect: str | None = None
    timeout: float = 60.0
    home: Path = field(default_factory=modelport_home)


def validate(settings: ValidationSettings) -> Report:
    """Everything that would fail or surprise; nothing of what is wrong with the model is raised.

    Raises:
        InvalidInput: what is expected cannot be read.
    """
    began = time.monotonic()
    expected = None if settings.expect is None else _read(Path(settings.expect))
    findings: list[Finding] = []
    python = None
    try:
        folder = location.resolve(settings.model_uri)
        content = mlmodel.read(folder)
        model = Model.from_mlmodel(str(folder), content)
        admit(folder, content, settings.safety)
    except ModelportError as error:
        findings.append(_failed("files", error))
    else:
        python = _environment(settings, findings)
        findings += _looks(settings, folder, content, python)
        if python is not None:
            findings += _asked(settings, model, expected)
    return Report(settings.model_uri, python, tuple(findings), round(time.monotonic() - began, 3))


def _environment(settings: ValidationSettings, findings: list[Finding]) -> str | None:
    """The interpreter that the model is served with; None where it cannot be had."""
    if settings.environment.manager == "local":
        python = settings.environment.python or sys.executable
        findings.append(Finding("environment", OK, f"{python}, as it is"))
        return python
    try:
        prepared = prepare_ahead(settings.model_uri, settings.environment, settings.safety, settings.home)
    except ModelportError as error:
        findings.append(_failed("environment", error))
        return None
    details = prepared.details
    if not details:
        says = "no file of the model names a package: it runs in the interpreter that runs modelport"
        findings.append(Finding("environment", WARNING, says))
        return prepared.interpreter
    findings.append(Finding("environment", OK, f"{details['id']}, Python {details['python']}"))
    findings += [Finding("environment", WARNING, note) for note in details["notes"]]
    return prepared.interpreter


def _looks(
    settings: ValidationSettings, folder: Path, content: dict[str, Any], python: str | None
) -> Iterator[Finding]:
    try:
        found = inspect(settings.model_uri, python)
    except ModelportError as error:
        yield _failed("files", error)
        return
    yield from looking.files(found, folder, content)
    if python is not None:
        yield from looking.packages(found)
    yield from looking.variables(found, frozenset(settings.safety.variables))
    yield from looking.code(found)
    yield from looking.signature(found)


def _asked(settings: ValidationSettings, model: Model, expected: Any) -> Iterator[Finding]:
    """What the server says that the model is put on."""
    body, is_own, problem = _request(model)
    if problem is not None:
        yield problem
    serve = ServeSettings(
        models=(ModelSource("model", model.path),),
        environment=settings.environment,
        safety=settings.safety,
        allow_python_mismatch=settings.allow_python_mismatch,
        home=settings.home,
    )
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        try:
            address = stack.enter_context(served(serve))
        except ModelportError as error:
            yield _failed("serving", error)
            return
        yield Finding("serving", OK, f"ready after {time.monotonic() - began:.1f} s")
        if body is None:
            return
        began = time.monotonic()
        try:
            reply = ask(address, body, settings.timeout)
        except ModelportError as error:
            yield _failed("answer", error)
            return
    what = "its own example" if is_own else "a request made up from its signature"
    if reply.status != 200:
        yield _refused(reply.status, reply.body, what, FAILED if is_own else NOTE)
        return
    yield Finding("answer", OK, f"{what} is answered after {1000 * (time.monotonic() - began):.0f} ms")
    yield from _held(model, reply.body)
    if is_own:
        yield from _compared(Path(model.path), expected, reply.body)


def _request(model: Model) -> tuple[bytes | None, bool, Finding | None]:
    """The body that is asked, whether it is the model's own example, and what there is to say of it."""
    try:
        body = model.serving_example()
        if body is not None:
            json.loads(body)
            return body, True, None
    except (ModelportError, OSError, ValueError, TypeError, KeyError, ImportError) as error:
        return None, False, Finding("example", FAILED, f"it cannot be read: {error}")
    made = example_of(model.signature)
    says = f"the model has none: {'nothing' if made is None else 'a made-up request'} is sent"
    problem = Finding("example", WARNING, says, "Save the model with one: save_model(…, input_example=…).")
    return None if made is None else json.dumps(made).encode(), False, problem


def _refused(status: int, body: Any, what: str, weight: str) -> Finding:
    told = body if isinstance(body, dict) else {"message": str(body)[:300]}
    says = f"{what} is answered with {status}: {told.get('message', told)}"
    trace = str(told.get("stack_trace") or "").strip().splitlines()
    return Finding("answer", weight, says, told.get("hint"), told.get("error_code"), tuple(trace[-_SHOWN:]))


def _held(model: Model, answer: Any) -> Iterator[Finding]:
    outputs = model.get_output_schema()
    if outputs is None:
        return
    wrong = tuple(islice(misfits(_predictions(answer), outputs), _SHOWN))
    if wrong:
        says = "the answer is not what the signature declares: clients who trust that are misled"
        yield Finding("outputs", WARNING, says, details=wrong)
    else:
        yield Finding("outputs", OK, "the answer is what the signature declares")


def _compared(folder: Path, expected: Any, answer: Any) -> Iterator[Finding]:
    recorded = folder / RECORDED
    if expected is None and recorded.is_file():
        try:
            expected = _read(recorded)
        except ModelportError as error:
            yield _failed("recorded", error)
            return
    if expected is None:
        says = f"no answer is recorded in {RECORDED} or given with --expect: nothing to compare with"
        yield Finding("recorded", NOTE, says)
        return
    is_whole = isinstance(expected, dict) and "predictions" in expected
    wrong = tuple(islice(differences(expected, answer if is_whole else _predictions(answer)), _SHOWN))
    if wrong:
        yield Finding("recorded", FAILED, "the answer is another than the one recorded", details=wrong)
    else:
        yield Finding("recorded", OK, "the answer is the one recorded")


def _predictions(answer: Any) -> Any:
    return answer["predictions"] if isinstance(answer, dict) and "predictions" in answer else answer


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidInput(f"the expected answer in {path} cannot be read: {error}") from None


def _failed(about: str, error: ModelportError) -> Finding:
    details = tuple(detail.get("line") or json.dumps(detail, ensure_ascii=False) for detail in error.details)
    return Finding(about, FAILED, error.message, error.hint, error.code, details)
