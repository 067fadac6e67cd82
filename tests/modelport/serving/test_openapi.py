"""`/openapi.json`: a valid document of what this model takes and answers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

from modelport.model.example_request import example_of
from modelport.serving import openapi
from modelport.serving.http import error_body
from modelport.serving.invocations import CONTENT_TYPES
from modelport.serving.score import Score
from modelport.serving.served_model import ServedModel
from modelport.serving.status import MLFLOW_STATUS

DOUBLES = [{"type": "double", "name": "x", "required": True}, {"type": "string", "name": "a|b", "required": False}]
MESSAGES = [
    {
        "type": "array",
        "items": {"type": "object", "properties": {"role": {"type": "string", "required": True}}},
        "name": "messages",
        "required": True,
    }
]
TENSOR = [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]
PARAMS = [{"name": "scale", "default": 0.5, "shape": None, "type": "double"}]
SIGNATURES: dict[str, dict[str, Any] | None] = {
    "columns": {"inputs": DOUBLES, "outputs": [{"type": "long"}], "params": PARAMS},
    "chat": {"inputs": MESSAGES, "outputs": [{"type": "string", "name": "content"}], "params": PARAMS},
    "tensor": {"inputs": TENSOR, "outputs": TENSOR},
    "inputs only": {"inputs": [{"type": "any", "name": "anything"}]},
    "outputs only": {"outputs": TENSOR},
    "none": None,
}


def served(folder: Path, name: str, **more: Any) -> ServedModel:
    mlmodel: dict[str, Any] = {
        "flavors": {"sklearn": {}, "python_function": {"loader_module": "mlflow.sklearn"}},
        "mlflow_version": "3.17.2",
        "model_uuid": "0123",
        **more,
    }
    signature = SIGNATURES[name]
    if signature is not None:
        mlmodel["signature"] = {part: json.dumps(specs) for part, specs in signature.items()}
    return ServedModel("scorer", folder, mlmodel)


@pytest.fixture(params=SIGNATURES)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> ServedModel:
    return served(tmp_path, request.param)


def schema_of(document: dict[str, Any], name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    )


def empty_schemas(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            holds_schemas = path.endswith(("/properties", "/schemas"))
            if inner == {} and (holds_schemas or key in ("schema", "items", "additionalProperties")):
                yield f"{path}/{key}"
            yield from empty_schemas(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            if inner == {} and path.endswith(("Of", "prefixItems")):
                yield f"{path}/{position}"
            yield from empty_schemas(inner, f"{path}/{position}")


def test_empty_schemas_are_found() -> None:
    bad = {"schema": {}, "properties": {"a": {}}, "anyOf": [{}], "paths": {}}
    assert list(empty_schemas(bad)) == ["/schema", "/properties/a", "/anyOf/0"]


@pytest.mark.parametrize("api_key", [False, True])
def test_the_document_is_openapi_and_has_no_empty_schema(model: ServedModel, api_key: bool) -> None:
    document = json.loads(json.dumps(openapi.document(model, api_key)))
    assert [error.message for error in jsonschema_rs.Draft202012Validator(OPENAPI_31).iter_errors(document)] == []
    assert list(empty_schemas(document)) == []
    for name, schema in document["components"]["schemas"].items():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
        schema_of(document, name)


def test_operations_have_different_ids(model: ServedModel) -> None:
    paths = openapi.document(model, False)["paths"]
    ids = [operation["operationId"] for operations in paths.values() for operation in operations.values()]
    assert len(ids) > 15
    assert len(ids) == len(set(ids))


def test_it_has_every_path_that_is_served(tmp_path: Path) -> None:
    paths = openapi.document(served(tmp_path, "columns"), False)["paths"]
    assert {path for path in paths if not path.startswith("/v2")} == {
        *("/invocations", "/score", "/ping", "/health", "/version", "/metrics"),
        *("/", "/openapi.json", "/swagger.json", "/docs"),
    }
    models = {f"/v2/models/scorer{version}" for version in ("", "/versions/1")}
    assert {path for path in paths if path.startswith("/v2")} == {
        *("/v2", "/v2/health/live", "/v2/health/ready"),
        *(f"{path}{suffix}" for path in models for suffix in ("", "/ready", "/infer")),
    }


def test_every_status_of_a_route_is_there_with_its_error(tmp_path: Path) -> None:
    document = openapi.document(served(tmp_path, "columns"), True)
    invocations = document["paths"]["/invocations"]["post"]["responses"]
    named = {400, 401, 404, 405, 406, 413, 415, 429, 500, 503, 504}
    assert {str(status) for status in named | set(MLFLOW_STATUS.values())} <= set(invocations)
    score = document["paths"]["/score"]["post"]["responses"]
    assert {str(status) for status in {408, 424} | set(Score.statuses.values())} <= set(score)
    for responses, name in ((invocations, "Error"), (score, "ScoreError")):
        for status, response in responses.items():
            assert response["description"] != "The request failed."
            if status != "200":
                assert response["content"]["application/json"]["schema"]["$ref"].endswith(f"/{name}")


def test_errors_as_they_are_sent_fit_their_schemas(tmp_path: Path) -> None:
    document = openapi.document(served(tmp_path, "columns"), False)
    sent = json.loads(error_body("BAD_REQUEST", "no", [{"column": "x"}], hint="h", stack_trace="t"))
    for name in ("Error", "ScoreError", "InferError"):
        schema_of(document, name).validate(sent)
    schema_of(document, "ScoreError").validate({"message": "no"})
    schema_of(document, "InferError").validate({"error": "no"})
    assert not schema_of(document, "Error").is_valid({"message": "no"})


def test_all_carriers_are_there(tmp_path: Path) -> None:
    model = served(tmp_path, "columns")
    post = openapi.document(model, False)["paths"]["/invocations"]["post"]
    assert set(post["requestBody"]["content"]) == {mime.decode() for mime in CONTENT_TYPES}
    answers = {"application/json", "text/csv", "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"}
    assert set(post["responses"]["200"]["content"]) == answers
    assert "parameters" not in post


def test_a_model_that_streams_also_answers_events(tmp_path: Path) -> None:
    model = served(tmp_path, "chat", flavors={"python_function": {"streamable": True}})
    post = openapi.document(model, False)["paths"]["/invocations"]["post"]
    assert "text/event-stream" in post["responses"]["200"]["content"]
    assert [parameter["name"] for parameter in post["parameters"]] == ["stream"]


def test_a_key_is_asked_for_where_the_server_asks_for_it(tmp_path: Path) -> None:
    document = openapi.document(served(tmp_path, "columns"), True)
    assert document["security"] == [{"key": []}]
    assert document["components"]["securitySchemes"]["key"] == {"type": "http", "scheme": "bearer"}
    open_paths = {
        path for path, operations in document["paths"].items() if operations.get("get", {}).get("security") == []
    }
    assert open_paths == {"/", "/ping", "/health", "/docs", "/v2/health/live", "/v2/health/ready"}
    assert "security" not in openapi.document(served(tmp_path, "columns"), False)


def test_the_forms_of_a_body_exclude_each_other(tmp_path: Path) -> None:
    body = schema_of(openapi.document(served(tmp_path, "columns"), False), "Invocation")
    records = {"dataframe_records": [{"x": 1}]}
    assert body.is_valid(records)
    assert body.is_valid({**records, "params": {"scale": 2}})
    assert not body.is_valid({**records, "params": {"scale": "2"}})
    assert not body.is_valid({**records, "inputs": {"x": [1]}})
    assert not body.is_valid({"dataframe_records": [{"x": "1"}]})
    assert not body.is_valid({})


def test_a_chat_model_takes_messages_and_answers_without_a_key(tmp_path: Path) -> None:
    document = openapi.document(served(tmp_path, "chat"), False)
    assert schema_of(document, "Invocation").is_valid({"messages": [{"role": "user"}], "scale": 1})
    answer = schema_of(document, "Answer")
    assert answer.is_valid({"content": "yes"})
    assert answer.is_valid({"predictions": [{"content": "yes"}]})
    columns = openapi.document(served(tmp_path, "columns"), False)
    assert not schema_of(columns, "Invocation").is_valid({"messages": []})
    assert not schema_of(columns, "Answer").is_valid([1])


def test_a_chat_model_without_a_signature_is_known_by_its_loader(tmp_path: Path) -> None:
    loader = {"python_function": {"loader_module": "mlflow.pyfunc.loaders.chat_model"}}
    body = schema_of(openapi.document(served(tmp_path, "none", flavors=loader), False), "Invocation")
    assert body.is_valid({"messages": [{"role": "user"}], "temperature": 1})
    assert not schema_of(openapi.document(served(tmp_path, "none"), False), "Invocation").is_valid({"messages": []})


def test_score_takes_what_the_signature_says(tmp_path: Path) -> None:
    columns = schema_of(openapi.document(served(tmp_path, "columns"), False), "ScoreRequest")
    assert columns.is_valid({"input_data": {"columns": ["x", "a|b"], "data": [[1, None]]}, "params": None})
    assert columns.is_valid({"input_data": [[1, "a"]]})
    assert not columns.is_valid({"input_data": [[1]]})
    assert not columns.is_valid({"dataframe_split": {"columns": ["x", "a|b"], "data": [[1, None]]}})
    tensor = schema_of(openapi.document(served(tmp_path, "tensor"), False), "ScoreRequest")
    assert tensor.is_valid({"input_data": [[1, 2]]})
    assert not tensor.is_valid({"input_data": [[1, 2, 3]]})


def test_a_models_name_is_written_into_paths_as_urls_have_it(tmp_path: Path) -> None:
    model = ServedModel("a/b {c}", tmp_path, {"flavors": {"python_function": {}}})
    assert "/v2/models/a%2Fb%20%7Bc%7D/infer" in openapi.document(model, False)["paths"]


# -- about the model


def test_the_info_is_that_of_the_model(tmp_path: Path) -> None:
    info = openapi.document(served(tmp_path, "columns"), False)["info"]
    assert (info["title"], info["version"]) == ("scorer", "0123")
    lines = info["description"].splitlines()
    assert lines[0] == "An MLflow model of flavor sklearn. Saved by MLflow 3.17.2."
    assert "| x | double | yes |" in lines
    assert "| a\\|b | string | no |" in lines
    assert "| 0 | long | yes |" in lines
    assert "| scale | double | 0.5 |" in lines
    assert "no signature" in openapi.document(served(tmp_path, "none"), False)["info"]["description"]
    assert openapi.version(ServedModel("scorer", tmp_path, {"flavors": {}})) == "1"


def test_a_name_cannot_break_the_table_or_bring_markup(tmp_path: Path) -> None:
    specs = json.dumps([{"type": "double", "name": "<img src=x>\n[a](b)"}])
    model = ServedModel("scorer", tmp_path, {"flavors": {"python_function": {}}, "signature": {"inputs": specs}})
    assert r"| \<img src=x\> \[a\](b) | double | yes |" in openapi.description(model).splitlines()


def test_a_table_of_many_columns_is_cut(tmp_path: Path) -> None:
    specs = json.dumps([{"type": "double", "name": f"column {number}"} for number in range(130)])
    model = ServedModel("scorer", tmp_path, {"flavors": {"python_function": {}}, "signature": {"inputs": specs}})
    text = openapi.description(model)
    assert text.count("| double |") == 100
    assert "and 30 more" in text
    row = openapi.document(model, False)["components"]["schemas"]["Invocation"]["oneOf"][0]
    assert len(row["properties"]["dataframe_split"]["properties"]["columns"]["const"]) == 130


# -- examples


def example_in(document: dict[str, Any], path: str) -> Any:
    content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    return content["examples"]["example"]["value"] if "examples" in content else None


def test_the_models_own_example_is_shown(tmp_path: Path) -> None:
    example = {"dataframe_split": {"columns": ["x"], "data": [[7.5]]}}
    (tmp_path / "serving_input_example.json").write_text(json.dumps(example))
    info = {"artifact_path": "input_example.json", "serving_input_path": "serving_input_example.json"}
    model = served(tmp_path, "columns", saved_input_example_info=info)
    document = openapi.document(model, False)
    assert example_in(document, "/invocations") == example
    assert example_in(document, "/score") == {"input_data": example["dataframe_split"]}


def test_without_an_example_one_is_made_from_the_signature(model: ServedModel) -> None:
    document = openapi.document(model, False)
    shown = example_in(document, "/invocations")
    if model.signature is None or model.signature.inputs is None:
        assert shown is None
        return
    assert shown == example_of(model.signature)
    schema_of(document, "Invocation").validate(shown)
    scored = example_in(document, "/score")
    if "messages" not in shown:
        schema_of(document, "ScoreRequest").validate(scored)
    inferred = example_in(document, "/v2/models/scorer/infer")
    assert (inferred is None) == ("messages" in shown or "anything" in model.signature.inputs.names)
    if inferred is not None:
        schema_of(document, "InferRequest").validate(inferred)


def test_an_example_of_a_size_that_nobody_reads_is_left_out(tmp_path: Path) -> None:
    specs = json.dumps([{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 224, 224, 3]}}])
    model = ServedModel("scorer", tmp_path, {"flavors": {"python_function": {}}, "signature": {"inputs": specs}})
    document = openapi.document(model, False)
    assert example_in(document, "/invocations") is None
    assert example_in(document, "/score") is None
    assert len(json.dumps(document)) < 50_000
