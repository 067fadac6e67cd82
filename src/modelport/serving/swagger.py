"""`/swagger.json`: what Azure ML's inference server says of its `/score`, in the versions its clients ask for.

Clients generate code from ``ServiceInput`` and ``ServiceOutput``, or read the ``format`` of these to know what to make of
an answer: `pandas.DataFrame:split`, `pandas.DataFrame:records`, `numpy.ndarray`.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from modelport.serving import bodies, json_schema, openapi
from modelport.serving.json_schema import JsonSchema
from modelport.serving.served_model import ServedModel
from modelport_runtime.schema import Schema

VERSIONS = {"2": "2.0", "2.0": "2.0", "3": "3.0.3", "3.0": "3.0.3", "3.1": "3.1.0"}
"""What may be asked for → what the document then is."""

_SPLIT, _RECORDS, _ARRAY = "pandas.DataFrame:split", "pandas.DataFrame:records", "numpy.ndarray"


def document(model: ServedModel, version: str, base: str = "") -> dict[str, Any] | None:
    """The document in a version of Swagger or OpenAPI, or None for a version that Azure does not know.

    ``base``, a path or a URL, is what stands before the paths in it.
    """
    written = VERSIONS.get(version)
    if written is None:
        return None
    schemas = {
        "ServiceInput": _service_input(model),
        "ServiceOutput": _service_output(model),
        "ErrorResponse": {"type": "object", "properties": {"message": {"type": "string"}}},
    }
    info = {"title": model.name, "version": openapi.version(model), "description": openapi.description(model)}
    if written == "2.0":
        schemas = {name: as_swagger_2(schema) for name, schema in schemas.items()}
        return {"swagger": written, "info": info, **_swagger_2_base(base), **_swagger_2(schemas)}
    if written == "3.0.3":
        schemas = {name: as_openapi_3_0(schema) for name, schema in schemas.items()}
    servers = {"servers": [{"url": base}]} if base else {}
    return {"openapi": written, "info": info, **servers, **_openapi_3(schemas)}


# -- input and output


def _service_input(model: ServedModel) -> JsonSchema:
    members = dict(bodies.score_request(model.signature)["properties"])
    schema, _, _ = bodies.parts(model.signature)
    if schema is not None and model.signature is not None and not model.signature.is_from_type_hint:
        members["input_data"] = _input_data(schema, members["input_data"])
    example = bodies.score_example(model)
    return {
        "type": "object",
        "properties": members,
        "required": ["input_data"],
        "example": {"input_data": []} if example is None else example,
    }


def _input_data(schema: Schema, described: JsonSchema) -> JsonSchema:
    if not schema.is_tensor:
        return {**json_schema.split(schema, strict=True), "format": _SPLIT}
    if not schema.has_names:
        return {**described, "format": _ARRAY}
    return {
        **described,
        "properties": {name: {**tensor, "format": _ARRAY} for name, tensor in described["properties"].items()},
    }


def _service_output(model: ServedModel) -> JsonSchema:
    kind, schema, _ = bodies.parts(model.signature)
    if schema is None:
        if kind is None:
            return json_schema.any_value("What the model answers; its signature does not say what that is.")
        items = json_schema.any_value("A row.")
        return {"type": "array", "items": items, "format": _ARRAY if kind.is_tensor else _RECORDS}
    if not schema.is_tensor:
        return {"type": "array", "items": json_schema.of_answered_row(schema), "format": _RECORDS}
    if not schema.has_names:
        return {**json_schema.of_answered_tensor(schema.tensors[0]), "format": _ARRAY}
    tensors = {str(spec.name): {**json_schema.of_answered_tensor(spec), "format": _ARRAY} for spec in schema.tensors}
    return {"type": "object", "properties": tensors}


# -- the documents around them


def _swagger_2_base(base: str) -> dict[str, Any]:
    parts = urlsplit(base)
    host = {"schemes": [parts.scheme], "host": parts.netloc} if parts.netloc else {}
    return {**host, "basePath": parts.path} if base else {}


def _swagger_2(schemas: dict[str, JsonSchema]) -> dict[str, Any]:
    def answer(description: str, schema: JsonSchema) -> dict[str, Any]:
        return {"description": description, "schema": schema}

    payload = {"name": "serviceInputPayload", "in": "body", "required": True, "schema": _definition("ServiceInput")}
    version = {"name": "version", "in": "query", "required": False, "type": "string", "enum": list(VERSIONS)}
    paths = _paths(answer, _definition)
    paths["/score"]["post"]["parameters"] = [payload]
    paths["/swagger.json"]["get"]["parameters"] = [version]
    return {
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "securityDefinitions": {"Bearer": _BEARER},
        "paths": paths,
        "definitions": schemas,
    }


def _openapi_3(schemas: dict[str, JsonSchema]) -> dict[str, Any]:
    def answer(description: str, schema: JsonSchema) -> dict[str, Any]:
        mime = "text/plain" if schema == {"type": "string"} else "application/json"
        return {"description": description, "content": {mime: {"schema": schema}}}

    def component(name: str) -> JsonSchema:
        return {"$ref": f"#/components/schemas/{name}"}

    version = {"name": "version", "in": "query", "required": False}
    paths = _paths(answer, component)
    content = {"application/json": {"schema": component("ServiceInput")}}
    paths["/score"]["post"]["requestBody"] = {"required": True, "content": content}
    paths["/swagger.json"]["get"]["parameters"] = [{**version, "schema": {"type": "string", "enum": list(VERSIONS)}}]
    return {"paths": paths, "components": {"schemas": schemas, "securitySchemes": {"Bearer": _BEARER}}}


_BEARER = {
    "type": "apiKey",
    "name": "Authorization",
    "in": "header",
    "description": "Bearer and the key, where the server wants one",
}


def _definition(name: str) -> JsonSchema:
    return {"$ref": f"#/definitions/{name}"}


def _paths(answer: Callable[[str, JsonSchema], dict[str, Any]], ref: Callable[[str], JsonSchema]) -> dict[str, Any]:
    failure = answer("The request failed.", ref("ErrorResponse"))

    def operation(id: str, description: str, answered: dict[str, Any], **more: Any) -> dict[str, Any]:
        responses = {"200": answered, "default": failure}
        return {"operationId": id, "description": description, **more, "responses": responses}

    healthy = answer("The model is ready.", {"type": "string"})
    predicted = answer("The prediction.", ref("ServiceOutput"))
    described = answer("The document.", {"type": "object"})
    return {
        "/": {"get": operation("ServiceHealthCheck", "Is the model ready?", healthy)},
        "/score": {"post": operation("RunMLService", "Predict", predicted, security=[{"Bearer": []}])},
        "/swagger.json": {"get": operation("GetSwaggerSpec", "This document", described)},
    }


# -- JSON Schema 2020-12 in the words of older specifications


def as_openapi_3_0(schema: JsonSchema) -> JsonSchema:
    """A schema as OpenAPI 3.0 has it: ``nullable`` for null, one kind of item for each list, ``enum`` for ``const``."""
    if schema.get("anyOf") == json_schema.any_value()["anyOf"]:
        return {"description": schema["description"], "nullable": True}  # what has no type may be anything
    old = {key: value for key, value in schema.items() if key not in ("type", "anyOf", "prefixItems", "const")}
    if "const" in schema:
        old["enum"] = [schema["const"]]
    if old.pop("contentEncoding", None):
        old["format"] = "byte"
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    options = [*schema.get("anyOf", []), *({"type": kind} for kind in kinds if len(set(kinds) - {"null"}) > 1)]
    if "null" in kinds or {"type": "null"} in options:
        old["nullable"] = True
    options = [as_openapi_3_0(option) for option in options if option != {"type": "null"}]
    if len(options) == 1:
        old = {**options[0], **old}
    elif options:
        old["anyOf"] = options
    else:
        old.update({"type": kind} if (kind := next((kind for kind in kinds if kind != "null"), "")) else {})
    if old.get("type") == "array":
        found = schema.get("prefixItems") or [schema.get("items", {"description": "Any JSON value."})]
        old["items"] = json_schema.any_of(as_openapi_3_0(item) for item in found)
    if "properties" in old:
        old["properties"] = {name: as_openapi_3_0(member) for name, member in old["properties"].items()}
    if isinstance(old.get("additionalProperties"), dict):
        old["additionalProperties"] = as_openapi_3_0(old["additionalProperties"])
    return old


def as_swagger_2(schema: JsonSchema) -> JsonSchema:
    """A schema as Swagger 2.0 has it: of several types the first."""
    return _without_choices(as_openapi_3_0(schema))


def _without_choices(schema: JsonSchema) -> JsonSchema:
    old = {key: value for key, value in schema.items() if key not in ("anyOf", "nullable")}
    options = schema.get("anyOf", [])
    if options:
        old = {**_without_choices(options[0]), "description": "or of another type", **old}
    if schema.get("nullable"):
        old["x-nullable"] = True
    if isinstance(old.get("items"), dict):
        old["items"] = _without_choices(old["items"])
    if "properties" in old:
        old["properties"] = {name: _without_choices(member) for name, member in old["properties"].items()}
    if isinstance(old.get("additionalProperties"), dict):
        old["additionalProperties"] = _without_choices(old["additionalProperties"])
    return old
