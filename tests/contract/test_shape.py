"""The list of operations, the routes and the client's methods have the same names and parameters."""

import inspect
from typing import Any

import jsonschema_rs
import pytest
from fastapi import FastAPI

from modelport.client import Client
from modelport.domain.operations import ControlPlane
from modelport.errors import ModelportError
from modelport.rest import errors
from modelport.rest.app import create_app
from modelport.rest.guard import OPEN

OPERATIONS = {
    name: inspect.signature(member)
    for name, member in inspect.getmembers(ControlPlane, inspect.isfunction)
    if not name.startswith("_")
}
BESIDE = {"get_latest_model", "get_latest_environment", "ping"}
"""Routes that are no operation of their own."""
IN_BODY = {
    "create_user": {"name", "grants"},
    "upload_content": {"archive"},
    "has_content": {"path"},  # its two parts are in the route's path
}
ELSEWHERE = {"get_model": {"label"}, "get_environment": {"label"}}
"""Parameters that only the route without a version has."""


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(lambda key: pytest.fail("nobody asks"))


@pytest.fixture(scope="module")
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def _routes(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {route["operationId"]: route for path in document["paths"].values() for route in path.values()}


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_client_takes_what_the_operation_takes(name: str) -> None:
    wanted, found = OPERATIONS[name], inspect.signature(getattr(Client, name))
    assert list(found.parameters) == list(wanted.parameters)
    for parameter in wanted.parameters.values():
        same = found.parameters[parameter.name]
        assert (same.default, same.kind, same.annotation) == (parameter.default, parameter.kind, parameter.annotation)
    assert found.return_annotation == wanted.return_annotation


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_route_takes_what_the_operation_takes(name: str, document: dict[str, Any]) -> None:
    route = _routes(document)[name]
    wanted = set(OPERATIONS[name].parameters) - {"self"} - ELSEWHERE.get(name, set())
    in_body = IN_BODY.get(name, wanted & {"spec", "changes"})
    assert ("requestBody" in route) == bool(in_body - {"path"})
    found = {parameter["name"] for parameter in route.get("parameters", [])}
    assert wanted - in_body <= found


def test_every_route_is_an_operation(document: dict[str, Any]) -> None:
    assert set(_routes(document)) == set(OPERATIONS) | BESIDE


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate({**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"})
    for reference in _references(document):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_every_route_tells_of_itself_and_of_its_errors(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for name, route in _routes(document).items():
        assert route["description"], name
        assert set(route["tags"]) <= tags, name
        error = route["responses"]["default"]["content"]["application/json"]["schema"]
        assert error == {"$ref": "#/components/schemas/ErrorBody"}, name
        assert "422" not in route["responses"], name


def test_only_open_paths_need_no_key(document: dict[str, Any]) -> None:
    for path, routes in document["paths"].items():
        for route in routes.values():
            assert route.get("security") == ([] if path in OPEN else [{"key": []}]), path


def test_examples_are_what_they_are_examples_of(document: dict[str, Any]) -> None:
    seen = 0
    for route in _routes(document).values():
        body = route.get("requestBody", {}).get("content", {}).get("application/json", {})
        for example in body.get("examples", {}).values():
            schema = {**body["schema"], "components": document["components"]}
            jsonschema_rs.validator_for(schema).validate(example["value"])
            seen += 1
    assert seen == 5


def test_every_error_of_ours_has_a_status_on_purpose() -> None:
    from modelport import errors as known

    ours = [getattr(known, name) for name in known.__all__]
    by_code = {kind.code: errors.status_of(kind("no")) for kind in ours if kind is not ModelportError}
    servers_own = {code for code, status in by_code.items() if status == 500}
    assert servers_own == {"ENVIRONMENT_NOT_BUILT", "INVALID_STATE"}


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        here = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return here + [found for inner in value.values() for found in _references(inner)]
    return [found for inner in value for found in _references(inner)] if isinstance(value, list) else []
