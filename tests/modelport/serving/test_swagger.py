"""`/swagger.json`: valid in every version, with what Azure's clients read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_30, OPENAPI_31, SWAGGER_20

from modelport.serving import json_schema, swagger
from modelport.serving.served_model import ServedModel
from tests.modelport.serving.test_openapi import served

VALIDATORS = {
    "2.0": jsonschema_rs.Draft4Validator(SWAGGER_20),
    "3.0.3": jsonschema_rs.Draft4Validator(OPENAPI_30),
    "3.1.0": jsonschema_rs.Draft202012Validator(OPENAPI_31),
}
WRITTEN = {"2": "2.0", "2.0": "2.0", "3": "3.0.3", "3.0": "3.0.3", "3.1": "3.1.0"}


def document_of(model: ServedModel, version: str) -> dict[str, Any]:
    document = swagger.document(model, version)
    assert document is not None
    return json.loads(json.dumps(document))  # type: ignore[no-any-return]


def services(document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    schemas = document.get("definitions") or document["components"]["schemas"]
    return schemas["ServiceInput"], schemas["ServiceOutput"]


def keys_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys_of(inner)


@pytest.mark.parametrize("version", WRITTEN)
@pytest.mark.parametrize("name", ["columns", "chat", "tensor", "inputs only", "outputs only", "none"])
def test_a_document_of_every_version_is_valid(tmp_path: Path, name: str, version: str) -> None:
    document = document_of(served(tmp_path, name), version)
    written = WRITTEN[version]
    assert document.get("swagger", document.get("openapi")) == written
    assert [error.message for error in VALIDATORS[written].iter_errors(document)] == []
    assert set(document["paths"]) == {"/", "/score", "/swagger.json"}
    found = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert found == ["ServiceHealthCheck", "RunMLService", "GetSwaggerSpec"]


@pytest.mark.parametrize("version", ["", "1", "4", "3.0.3", "latest"])
def test_other_versions_are_unknown(tmp_path: Path, version: str) -> None:
    assert swagger.document(served(tmp_path, "columns"), version) is None


@pytest.mark.parametrize("version", WRITTEN)
def test_a_table_is_a_split_frame_with_params_and_an_example(tmp_path: Path, version: str) -> None:
    given, answered = services(document_of(served(tmp_path, "columns"), version))
    assert given["properties"]["input_data"]["format"] == "pandas.DataFrame:split"
    assert set(given["properties"]) == {"input_data", "params"}
    assert given["required"] == ["input_data"]
    assert given["example"] == {
        "input_data": {"columns": ["x", "a|b"], "data": [[0.5, "text"]]},
        "params": {"scale": 0.5},
    }
    assert (answered["type"], answered["format"]) == ("array", "pandas.DataFrame:records")


@pytest.mark.parametrize("version", WRITTEN)
def test_a_tensor_is_an_array(tmp_path: Path, version: str) -> None:
    given, answered = services(document_of(served(tmp_path, "tensor"), version))
    assert given["properties"]["input_data"]["format"] == "numpy.ndarray"
    assert given["properties"]["input_data"]["items"]["items"]["type"] in ("number", ["number", "null"])
    assert (answered["type"], answered["format"]) == ("array", "numpy.ndarray")


def test_named_tensors_are_arrays_each(tmp_path: Path) -> None:
    specs = json.dumps([{"name": "x", "type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}])
    model = ServedModel(
        "scorer", tmp_path, {"flavors": {"python_function": {}}, "signature": {"inputs": specs, "outputs": specs}}
    )
    given, answered = services(document_of(model, "3"))
    assert given["properties"]["input_data"]["properties"]["x"]["format"] == "numpy.ndarray"
    assert answered["properties"]["x"]["format"] == "numpy.ndarray"


def test_without_an_output_schema_the_inputs_say_the_format(tmp_path: Path) -> None:
    _, answered = services(document_of(served(tmp_path, "inputs only"), "3"))
    assert answered["format"] == "pandas.DataFrame:records"


@pytest.mark.parametrize("version", WRITTEN)
def test_without_a_signature_nothing_is_typed(tmp_path: Path, version: str) -> None:
    given, answered = services(document_of(served(tmp_path, "none"), version))
    assert "input_data" in given["properties"]
    assert given["example"] == {"input_data": []}
    assert "format" not in answered
    assert "description" in answered


def test_older_versions_have_no_words_of_newer_ones(tmp_path: Path) -> None:
    for version, foreign in (
        ("3", {"const", "prefixItems", "contentEncoding"}),
        ("2", {"const", "prefixItems", "contentEncoding", "anyOf", "oneOf", "nullable"}),
    ):
        for name in ("columns", "chat", "tensor", "inputs only", "none"):
            assert not foreign & set(keys_of(document_of(served(tmp_path, name), version)))


@pytest.mark.parametrize(
    ("schema", "in_3", "in_2"),
    [
        (
            {"type": ["number", "null"]},
            {"type": "number", "nullable": True},
            {"type": "number", "x-nullable": True},
        ),
        ({"const": ["a"]}, {"enum": [["a"]]}, {"enum": [["a"]]}),
        (
            {"type": "string", "contentEncoding": "base64"},
            {"type": "string", "format": "byte"},
            {"type": "string", "format": "byte"},
        ),
        (
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
            {"type": "string", "nullable": True},
            {"type": "string", "x-nullable": True},
        ),
        (
            {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            {"type": "string", "description": "or of another type"},
        ),
        (
            {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
            {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
            {"type": "array", "items": {"type": "string", "description": "or of another type"}},
        ),
        (
            json_schema.any_value("Any."),
            {"description": "Any.", "nullable": True},
            {"description": "Any.", "x-nullable": True},
        ),
        (
            {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
            {"type": "object", "additionalProperties": {"type": "string", "nullable": True}},
            {"type": "object", "additionalProperties": {"type": "string", "x-nullable": True}},
        ),
    ],
)
def test_schemas_are_said_in_older_words(schema: dict[str, Any], in_3: dict[str, Any], in_2: dict[str, Any]) -> None:
    assert swagger.as_openapi_3_0(schema) == in_3
    assert swagger.as_swagger_2(schema) == in_2
