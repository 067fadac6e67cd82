"""`/openapi.json`: what this server answers, for this model, as OpenAPI 3.1. Its types are those of the signature."""

import json
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any

from modelport.model.example_request import default_as_json
from modelport.serving.bodies import example_for, infer_example, ref, schemas, score_example, score_request
from modelport.serving.invocations import ANSWER_TYPES, CONTENT_TYPES
from modelport.serving.json_schema import JsonSchema
from modelport.serving.open_inference import OpenInference
from modelport.serving.score import Score
from modelport.serving.served_model import ServedModel
from modelport.serving.status import MLFLOW_STATUS
from modelport_runtime.schema import Schema
from modelport_runtime.specs import ParamSpec, TensorSpec

MAX_TABLE_ROWS = 100
"""A description is to be read; the schemas below it name all columns."""

_TEXT_OF_STATUS = {
    400: "The request cannot be read, or does not fit the model's signature.",
    401: "The key is missing or wrong.",
    403: "The model refuses it.",
    404: "There is no such thing.",
    405: "The path takes other methods; the header Allow names them.",
    406: "The answer cannot be given in the form that was asked for.",
    408: "The request did not arrive, or the model did not answer, in time.",
    409: "The model reports a conflict.",
    413: "The body is larger than the server's limit.",
    415: "The server does not read this content type, character set or encoding.",
    424: "The model failed.",
    429: "Too many requests are waiting; try again after the seconds in Retry-After.",
    431: "The headers are too large.",
    500: "The model or the server failed.",
    501: "The model does not do this.",
    503: "No worker is ready.",
    504: "The model did not answer in time.",
}
_OF_THE_CONNECTION = (400, 401, 405, 408, 413, 429, 431)
"""What may be answered before a request has reached its route."""


def document(model: ServedModel, api_key: bool, base: str = "") -> dict[str, Any]:
    """The OpenAPI document of a server of this model at ``base``, a path or a URL; ``api_key``: it wants a key."""
    paths = {
        "/invocations": {"post": _invocations(model)},
        "/score": _score(model),
        **_open_inference(model),
        **_state(),
        **_documents(),
    }
    built: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": model.name, "version": version(model), "description": description(model)},
        "paths": paths,
        "components": {"schemas": schemas(model)},
    }
    if base:
        built["servers"] = [{"url": base}]
    if api_key:
        built["security"] = [{"key": []}]
        built["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return built


def version(model: ServedModel) -> str:
    """What tells this model from others of its name: the id MLflow gave it, or 1."""
    return str(model.mlmodel.get("model_id") or model.mlmodel.get("model_uuid") or "1")


# -- about the model


def description(model: ServedModel) -> str:
    """The model's flavors and its signature, as Markdown."""
    flavors = [name for name in model.mlmodel.get("flavors") or {} if name != "python_function"]
    lines = [f"An MLflow model of flavor {', '.join(flavors) or 'python_function'}."]
    if model.mlmodel.get("mlflow_version"):
        lines[0] += f" Saved by MLflow {model.mlmodel['mlflow_version']}."
    signature = model.signature
    if signature is None:
        return f"{lines[0]}\n\nThe model has no signature: what it takes and answers is not known before it is asked."
    for title, schema in (("Inputs", signature.inputs), ("Outputs", signature.outputs)):
        if schema is not None:
            lines += ["", f"### {title}", "", *_schema_table(schema)]
    if signature.params:
        lines += ["", "### Parameters", "", *_params_table(signature.params)]
    return "\n".join(lines) + "\n"


def _schema_table(schema: Schema) -> list[str]:
    rows = []
    for name, spec in zip(schema.names, schema.specs, strict=True):
        if isinstance(spec, TensorSpec):
            rows.append((name, f"{spec.dtype} ({', '.join(map(str, spec.shape))})", "yes"))
        else:
            rows.append((name, str(spec.type), "yes" if spec.required else "no"))
    return _table(("name" if schema.has_names else "position", "type", "required"), rows)


def _params_table(specs: Iterable[ParamSpec]) -> list[str]:
    rows = []
    for spec in specs:
        kind = str(spec.type) if spec.shape is None else f"list of {spec.type}"
        rows.append((spec.name, kind, json.dumps(default_as_json(spec), ensure_ascii=False)))
    return _table(("name", "type", "default"), rows)


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows[:MAX_TABLE_ROWS]]
    table = ["| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines]
    more = len(rows) - MAX_TABLE_ROWS
    return [*table, "", f"and {more} more"] if more > 0 else table


def _cell(value: Any) -> str:
    text = " ".join(str(value).split())
    for character in "\\|`*_<>[]":
        text = text.replace(character, "\\" + character)
    return text


# -- operations


def _errors(statuses: Iterable[int], schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": ref(schema)}}
    return {
        str(status): {"description": _TEXT_OF_STATUS.get(status, "The request failed."), "content": content}
        for status in sorted(set(statuses))
    }


def _operation(
    id: str, tag: str, summary: str, responses: Mapping[str, Any], about: str = "", **more: Any
) -> dict[str, Any]:
    operation = {"operationId": id, "tags": [tag], "summary": summary, **more, "responses": dict(responses)}
    return {**operation, "description": about} if about else operation


def _ok(description: str, content: dict[str, JsonSchema], headers: dict[str, Any] | None = None) -> dict[str, Any]:
    response: dict[str, Any] = {"description": description}
    if content:
        response["content"] = {mime: {"schema": schema} for mime, schema in content.items()}
    if headers:
        response["headers"] = headers
    return {"200": response}


_REQUEST_ID = {"x-request-id": {"schema": {"type": "string"}, "description": "The caller's own, or a new one."}}
_EVENT: JsonSchema = {
    "type": "object",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
    "required": ["data"],
    "description": "Each server-sent event: data is a piece of the answer as JSON, or an error; that of the last is [DONE].",
}
_BYTES: JsonSchema = {"type": "string", "format": "binary"}


def _with_example(schema: JsonSchema, example: Any) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": schema}
    return media if example is None else {**media, "examples": {"example": {"value": example}}}


def _invocations(model: ServedModel) -> dict[str, Any]:
    bodies: dict[str, Any] = {"application/json": _with_example(ref("Invocation"), example_for(model))}
    for mime, carrier in ((mime.decode(), carrier) for mime, carrier in CONTENT_TYPES.items()):
        if carrier != "json":
            bodies[mime] = {"schema": {"type": "string"} if carrier == "csv" else _BYTES}
    answers: dict[str, JsonSchema] = {}
    for carrier, mime_type in ANSWER_TYPES.items():
        mime = mime_type.decode().partition(";")[0]
        if carrier == "json":
            answers[mime] = ref("Answer")
        elif carrier == "events":
            if model.streams:
                answers[mime] = _EVENT
        else:
            answers[mime] = {"type": "string"} if carrier == "csv" else _BYTES
    statuses = {*_OF_THE_CONNECTION, *MLFLOW_STATUS.values()}
    responses = {
        **_ok("The predictions, as Accept asks for them.", answers, _REQUEST_ID),
        **_errors(statuses, "Error"),
    }
    more: dict[str, Any] = {"requestBody": {"required": True, "content": bodies}}
    if model.streams:
        stream = {
            "name": "stream",
            "in": "query",
            "schema": {"type": "boolean", "default": False},
            "description": "Answer piece by piece, as server-sent events.",
        }
        more["parameters"] = [stream]
    about = (
        "The data stands under one of the keys below, or is a table in CSV, Parquet or Arrow. Values are taken as "
        "MLflow's scoring server takes them."
    )
    return _operation("invocations", "MLflow", "Predict", responses, about, **more)


def _score(model: ServedModel) -> dict[str, Any]:
    statuses = {*_OF_THE_CONNECTION, 415, 500, 503, *Score.statuses.values()}
    responses = {
        **_ok("The prediction itself.", {"application/json": ref("Prediction")}, _REQUEST_ID),
        **_errors(statuses, "ScoreError"),
    }
    body = {
        "required": True,
        "content": {"application/json": _with_example(ref("ScoreRequest"), score_example(model))},
    }
    about = "Values that do not fit the signature are refused; integers as datetimes are milliseconds since 1970."
    members = score_request(model.signature)["properties"]
    parameters = [
        {
            "name": name,
            "in": "query",
            "required": name == "input_data",
            "content": {"application/json": {"schema": schema}},
        }
        for name, schema in members.items()
    ]
    allowed = _ok("The methods of this path.", {}, {"allow": {"schema": {"type": "string"}}})
    return {
        "post": _operation("score", "Azure ML", "Predict, strictly", responses, about, requestBody=body),
        "get": _operation("scoreQuery", "Azure ML", "Predict what the query holds", responses, parameters=parameters),
        "options": _operation("scoreOptions", "Azure ML", "The methods of this path", allowed, security=[]),
    }


def _open_inference(model: ServedModel) -> dict[str, Any]:
    tag = "Open Inference Protocol"
    named = f"/v2/models/{urllib.parse.quote(model.name, safe='')}"
    statuses = {*_OF_THE_CONNECTION, 415, 500, 503, 504, *OpenInference.statuses.values()}
    metadata = {"application/json": {"type": "object"}}
    errors = _errors((401,), "InferError")
    unready = _errors((503,), "InferError")
    answer: dict[str, JsonSchema] = {"application/json": ref("InferResponse"), "application/octet-stream": _BYTES}
    responses = {**_ok("The prediction, as tensors.", answer, _REQUEST_ID), **_errors(statuses, "InferError")}
    content = {
        "application/json": _with_example(ref("InferRequest"), infer_example(model)),
        "application/octet-stream": {"schema": _BYTES},
    }
    body = {"required": True, "content": content}
    about = (
        "Tensors may follow the JSON as bytes; the header Inference-Header-Content-Length then says where they begin."
    )

    def get(id: str, summary: str, responses: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        return {"get": _operation(id, tag, summary, responses, **more)}

    def is_so(name: str) -> dict[str, Any]:
        return _ok("Yes.", {"application/json": {"type": "object", "properties": {name: {"const": True}}}})

    paths: dict[str, Any] = {
        "/v2": get("serverMetadata", "About the server", {**_ok("About it.", metadata), **errors}),
        "/v2/health/live": get("serverLive", "Is the server there?", is_so("live"), security=[]),
        "/v2/health/ready": get("serverReady", "Is the server ready?", {**is_so("ready"), **unready}, security=[]),
    }
    for suffix, path in (("", named), ("OfVersion", f"{named}/versions/1")):
        found = _ok("Its name, versions and tensors.", metadata)
        paths[path] = get(f"modelMetadata{suffix}", "About the model", {**found, **errors})
        paths[f"{path}/ready"] = get(
            f"modelReady{suffix}", "Is the model ready?", {**is_so("ready"), **errors, **unready}
        )
        paths[f"{path}/infer"] = {
            "post": _operation(f"infer{suffix}", tag, "Predict", responses, about, requestBody=body)
        }
    return paths


def _state() -> dict[str, Any]:
    text = {"text/plain": {"type": "string"}}
    unready = _errors((503,), "Error")
    unhealthy = {
        "503": {"description": _TEXT_OF_STATUS[503], "content": {"text/plain": {"schema": {"type": "string"}}}}
    }
    ready = {**_ok("A worker is ready. The body is a line end.", {}), **unready}
    locked = _errors((401,), "Error")

    def get(id: str, summary: str, responses: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        return {"get": _operation(id, "State", summary, responses, **more)}

    return {
        "/": get("healthy", "Is the model ready?", {**_ok("Healthy.", text), **unhealthy}, security=[]),
        "/ping": get("ping", "Is the model ready?", ready, security=[]),
        "/health": get("health", "Is the model ready?", ready, security=[]),
        "/version": get("version", "The MLflow version whose protocol is spoken", {**_ok("It.", text), **locked}),
        "/metrics": get("metrics", "Metrics for Prometheus", {**_ok("They.", text), **locked}),
    }


def _documents() -> dict[str, Any]:
    anything = {"application/json": {"type": "object"}}
    locked = _errors((401,), "Error")
    version_of = {
        "name": "version",
        "in": "query",
        "schema": {"type": "string", "enum": ["2", "2.0", "3", "3.0", "3.1"], "default": "2"},
    }
    page = {"text/html": {"type": "string"}}

    def get(id: str, summary: str, responses: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        return {"get": _operation(id, "Documents", summary, {**responses, **locked}, **more)}

    found = {**_ok("The document.", anything), **_errors((404,), "Error")}
    return {
        "/openapi.json": get("openapi", "This document", _ok("This document.", anything)),
        "/swagger.json": get("swagger", "Azure's document of `/score`", found, parameters=[version_of]),
        "/docs": {
            "get": _operation(
                "docs", "Documents", "This document to read and to try", _ok("A page.", page), security=[]
            )
        },
    }
