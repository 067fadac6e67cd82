"""`/openapi.json` is true: what it allows is answered as it says, over real servers of real models."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import jsonschema_rs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.definitions import OPENAPI_31

from tests.end_to_end.server import Server, running
from tests.modelport.serving.test_openapi import empty_schemas
from tests.support.saved import saved_by

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
NAMES = ("columns", "tensor", "tensors", "nested", "untyped", "chat")
CASES = {"post /invocations": 180, "post /score": 60}
OTHER_CASES = 15
"""Generated cases for each of these operations, and for every other; those that take no data have one."""
AT_LEAST = 2000
"""Cases over all models."""

SENT: Counter[tuple[str, str, int]] = Counter()
"""How often a model's operation answered with a status to a case that fits its schema."""
TOTAL: Counter[str] = Counter()
"""Cases by model."""


def _bytes(context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


for _mime in ("text/csv", "application/csv", "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"):
    schemathesis.serializer(_mime)(_bytes)


@pytest.fixture(scope="session")
def documented() -> Path:
    return saved_by(Path(__file__).with_name("make_documented.py"))


@pytest.fixture(scope="module", params=NAMES)
def served(request: pytest.FixtureRequest, documented: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    name = request.param
    with running(documented / name, tmp_path_factory.mktemp(name)) as server:
        yield name, server


def _document(server: Server) -> dict[str, Any]:
    status, document, headers = server.ask("/openapi.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    return document  # type: ignore[no-any-return]


def test_the_document_is_openapi_and_has_no_empty_schema(served: tuple[str, Server]) -> None:
    _, server = served
    document = _document(server)
    assert document["openapi"] == "3.1.0"
    assert [str(error) for error in jsonschema_rs.Draft202012Validator(OPENAPI_31).iter_errors(document)] == []
    schemas = document["components"]["schemas"]
    for name in schemas:
        jsonschema_rs.meta.validate({**schemas[name], "$schema": "https://json-schema.org/draft/2020-12/schema"})
    assert list(empty_schemas(document)) == []


def test_the_example_of_the_document_is_answered(served: tuple[str, Server]) -> None:
    name, server = served
    document = _document(server)
    body = document["paths"]["/invocations"]["post"]["requestBody"]["content"]["application/json"]
    if name == "untyped":
        assert "examples" not in body
        return
    example = body["examples"]["example"]["value"]
    schema = {**document["components"]["schemas"]["Invocation"], "components": document["components"]}
    jsonschema_rs.Draft202012Validator(schema).validate(example)
    status, answer = server.predict(example)
    assert status == 200, answer
    paths = ("/score", "/v2/models/mlflow-model/infer")
    for path in paths:
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        if "examples" in body:
            example = json.dumps(body["examples"]["example"]["value"]).encode()
            status, answer, _ = server.ask(path, example, content_type="application/json")
            assert status == 200, (path, answer)


def test_every_path_of_the_document_is_served(served: tuple[str, Server]) -> None:
    _, server = served
    for path, operations in _document(server)["paths"].items():
        for method in operations:
            status, _, _ = server.ask(path, b"{}" if method == "post" else None, method=method.upper())
            assert status not in (404, 405, 501), (method, path, status)


def test_what_the_document_allows_is_answered_as_it_says(served: tuple[str, Server]) -> None:
    name, server = served
    document = _document(server)
    others = _other_bodies(document)
    session = requests.Session()
    for operation in _operations(document):
        cases = CASES.get(f"{operation.method} {operation.path}", OTHER_CASES)
        _send(name, operation, GenerationMode.POSITIVE, cases, server, session)
        if operation.method == "post":
            _send(name, operation, GenerationMode.NEGATIVE, OTHER_CASES, server, session)
    for operation in _operations(others):
        _send(name, operation, GenerationMode.POSITIVE, OTHER_CASES, server, session)
    answered = {status: SENT[name, "/invocations", status] for status in (200, 400)}
    assert answered[200] > answered[400], answered
    if set(TOTAL) == set(NAMES):
        assert sum(TOTAL.values()) >= AT_LEAST, TOTAL


def _operations(document: dict[str, Any]) -> list[Any]:
    return [found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()]


def _bodies(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        if "requestBody" in operations.get("post", {}):
            yield path, operations["post"]["requestBody"]["content"]


def _other_bodies(document: dict[str, Any]) -> dict[str, Any]:
    """The operations that take more than JSON, taking that only; JSON alone is left in the document itself."""
    others = {**document, "paths": {}}
    for path, content in _bodies(document):
        rest = {mime: body for mime, body in content.items() if mime != "application/json"}
        if rest:
            post = document["paths"][path]["post"]
            others["paths"][path] = {"post": {**post, "requestBody": {"required": True, "content": rest}}}
        for mime in rest:
            del content[mime]
    return others


def _send(name: str, operation: Any, mode: GenerationMode, cases: int, server: Server, session: Any) -> None:
    @settings(
        max_examples=cases,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        response = case.call(base_url=server.address, session=session)
        TOTAL[name] += 1
        if mode is GenerationMode.POSITIVE and case.media_type == "application/json":
            SENT[name, operation.path, response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    send()


def test_the_page_needs_nothing_but_what_is_served(served: tuple[str, Server]) -> None:
    _, server = served
    types = {".js": "text/javascript", ".css": "text/css"}
    status, page, headers = server.ask("/docs")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (
        headers["content-security-policy"]
        == "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
    )
    files = [part.split('"')[0] for part in page.decode().replace("src=", "href=").split('href="')[1:]]
    fetched = [urljoin("/docs", file) for file in files if not file.startswith("data:")]
    assert len(fetched) >= 3
    for file in fetched:
        status, _, headers = server.ask(file)
        expected = types.get(Path(file).suffix, "application/json")
        assert (file, status, headers["content-type"].partition(";")[0]) == (file, 200, expected)
