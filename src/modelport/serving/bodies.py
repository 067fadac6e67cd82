"""What the documents of a model say of bodies: the schema of each, from the signature, and an example of each request."""

import json
import math
from typing import Any

from modelport.model.example_request import EXAMPLES, example_of, item_of
from modelport.serving import json_schema
from modelport.serving.json_schema import JsonSchema
from modelport.serving.metadata import model_metadata
from modelport.serving.served_model import ServedModel
from modelport_runtime.data_types import Scalar
from modelport_runtime.schema import Schema, Signature
from modelport_runtime.specs import ParamSpec, TensorSpec

MAX_EXAMPLE = 20_000
"""Bytes of JSON. A larger example would be most of the document, and is left out."""
_CHAT_LOADERS = ("chat_model", "chat_agent", "responses_agent")


# -- examples


def example_for(model: ServedModel) -> Any:
    """The model's own example, else one made from the signature; None where there is none, or it is too large to show."""
    example = model.example if isinstance(model.example, dict) else example_of(model.signature)
    return None if example is None or len(json.dumps(example)) > MAX_EXAMPLE else example


# -- schemas


def schemas(model: ServedModel) -> dict[str, JsonSchema]:
    _, outputs, _ = parts(model.signature)
    text = {"type": "string"}
    error = {
        "type": "object",
        "properties": {
            "error_code": text,
            "message": text,
            "details": {"type": "array", "items": {"type": "object"}, "description": "What is wrong, and where."},
            "hint": text,
            "stack_trace": text,
        },
        "required": ["error_code", "message"],
    }
    message = {"type": "object", "properties": {"message": text}, "required": ["message"]}
    protocol = {"type": "object", "properties": {"error": text}, "required": ["error"]}
    return {
        "Invocation": _invocation_body(model),
        "Answer": _answer(model),
        "Prediction": json_schema.of_predictions(outputs),
        "ScoreRequest": score_request(model.signature),
        "InferRequest": _infer_request(model),
        "InferResponse": _infer_response(),
        "Error": error,
        "ScoreError": message,
        "InferError": {"anyOf": [protocol, ref("Error")]},
    }


def parts(signature: Signature | None) -> tuple[Schema | None, Schema | None, tuple[ParamSpec, ...]]:
    """Inputs, outputs and params of a signature that may not be there."""
    if signature is None:
        return None, None, ()
    return signature.inputs, signature.outputs, tuple(signature.params or ())


def ref(name: str) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{name}"}


def _unified(model: ServedModel) -> JsonSchema | None:
    signature = model.signature
    if signature is not None and signature.inputs is not None:
        if signature.is_from_type_hint:
            return None
        return json_schema.unified(signature.inputs, signature.params or ())
    flavor = (model.mlmodel.get("flavors") or {}).get("python_function") or {}
    if str(flavor.get("loader_module")).rpartition(".")[2] not in _CHAT_LOADERS:
        return None
    messages = {"type": "array", "items": {"type": "object"}}
    members = {"messages": messages, "prompt": json_schema.any_value(), "input": json_schema.any_value()}
    return {"type": "object", "properties": members, "anyOf": [{"required": [name]} for name in members]}


def _invocation_body(model: ServedModel) -> JsonSchema:
    inputs, _, params = parts(model.signature)
    hinted = model.signature is not None and model.signature.is_from_type_hint
    forms: list[JsonSchema] = []
    for key, schema in json_schema.forms(inputs, hinted).items():
        members = {key: schema}
        if params:
            members["params"] = json_schema.of_params(params)
        form = {"type": "object", "properties": members, "required": [key], "additionalProperties": False}
        forms.append({"title": key, **form})
    unified = _unified(model)
    if unified is not None:
        forms.append({"title": "messages, prompt or input", **unified})
    return {"oneOf": forms}


def _answer(model: ServedModel) -> JsonSchema:
    wrapped = {"type": "object", "properties": {"predictions": ref("Prediction")}, "required": ["predictions"]}
    if model.signature is not None and _unified(model) is None:
        return wrapped
    bare = {**ref("Prediction"), "description": "The answer to a body with messages, prompt or input."}
    return {"anyOf": [wrapped, bare]}


def score_request(signature: Signature | None) -> JsonSchema:
    """The body of Azure's `/score`: which form the data has is decided by the signature."""
    inputs, _, params = parts(signature)
    members = {"input_data": _input_data(inputs, signature is not None and signature.is_from_type_hint)}
    if params:
        members["params"] = json_schema.or_null(json_schema.of_params(params))
    return {"type": "object", "properties": members, "required": ["input_data"], "additionalProperties": False}


def _input_data(schema: Schema | None, hinted: bool) -> JsonSchema:
    if schema is None:
        return json_schema.any_value("A (nested) list, an object of lists, or an object with columns and data.")
    if hinted:
        return json_schema.forms(schema, True)["inputs"]
    if not schema.is_tensor:
        return json_schema.any_of([json_schema.split(schema, strict=True), json_schema.rows(schema, strict=True)])
    return json_schema.named_tensors(schema) if schema.has_names else json_schema.of_tensor(schema.tensors[0])


_DATATYPES = (
    *("BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"),
    *("FP16", "BF16", "FP32", "FP64", "BYTES"),
)


def _infer_tensor(name: JsonSchema, about: str) -> JsonSchema:
    return {
        "type": "object",
        "properties": {
            "name": name,
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "datatype": {"type": "string", "enum": list(_DATATYPES)},
            "parameters": {"type": "object"},
            "data": {
                "type": "array",
                "items": {"type": ["number", "string", "boolean", "null", "array"]},
                "description": "All elements in row-major order.",
            },
        },
        "required": ["name", "shape", "datatype"],
        "description": about,
    }


def _infer_request(model: ServedModel) -> JsonSchema:
    declared = model_metadata(model)["inputs"]
    tensors = [
        _infer_tensor({"type": "string", "const": tensor["name"]}, f"{tensor['datatype']} of shape {tensor['shape']}")
        for tensor in declared
    ]
    output = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    return {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "inputs": {
                "type": "array",
                "items": json_schema.any_of(tensors or [_infer_tensor({"type": "string"}, "A tensor of the model's.")]),
                "minItems": 1,
            },
            "outputs": {"type": "array", "items": output},
        },
        "required": ["inputs"],
    }


def infer_example(model: ServedModel) -> dict[str, Any] | None:
    """A request to `/v2/models/NAME/infer` with one row; None where the signature has no tensors for it."""
    inputs, _, _ = parts(model.signature)
    if inputs is None or (model.signature is not None and model.signature.is_from_type_hint):
        return None
    tensors = []
    for tensor, spec in zip(model_metadata(model)["inputs"], inputs.specs, strict=True):
        if isinstance(spec, TensorSpec):
            shape, value = [1 if size < 0 else size for size in spec.shape], item_of(spec)
        elif isinstance(spec.type, Scalar):
            shape, value = [1], EXAMPLES[spec.type.name]
        else:
            return None
        tensors.append({**tensor, "shape": shape, "data": [value] * math.prod(shape)})
    example = {"inputs": tensors}
    return None if len(json.dumps(example)) > MAX_EXAMPLE else example


def _infer_response() -> JsonSchema:
    return {
        "type": "object",
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "outputs": {
                "type": "array",
                "items": _infer_tensor({"type": "string"}, "A column or tensor of the prediction."),
            },
        },
        "required": ["model_name", "outputs"],
    }


def score_example(model: ServedModel) -> Any:
    """The example as a request to `/score`; None where it has no such form."""
    for example in (model.example, example_of(model.signature)):
        if not isinstance(example, dict):
            continue
        data = next((example[key] for key in ("dataframe_split", "inputs") if key in example), None)
        if data is None or (_is_table(model) and "dataframe_split" not in example):
            continue
        params = {"params": example["params"]} if example.get("params") else {}
        found = {"input_data": data, **params}
        if len(json.dumps(found)) <= MAX_EXAMPLE:
            return found
    return None


def _is_table(model: ServedModel) -> bool:
    signature = model.signature
    return (
        signature is not None
        and signature.inputs is not None
        and not signature.inputs.is_tensor
        and not signature.is_from_type_hint
    )
