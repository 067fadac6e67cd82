"""Signatures and input examples, spelled as in MLflow: ``modelport.models.infer_signature(data, predictions)``."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from modelport import pyfunc
from modelport.models.info import ModelInfo, get_model_info
from modelport.models.prediction import predict
from modelport.models.preflight import validate
from modelport.models.requirements import update_model_requirements
from modelport.models.signature import ModelSignature, infer_signature
from modelport_runtime.enforcement.data import enforce
from modelport_runtime.input_examples import saved_example
from modelport_runtime.mlflow_names import type_hints
from modelport_runtime.payload import decoding
from modelport_runtime.policy import LENIENT
from modelport_runtime.schema import Schema

__all__ = [
    "ModelInfo",
    "ModelSignature",
    "convert_input_example_to_serving_input",
    "get_model_info",
    "infer_signature",
    "predict",
    "update_model_requirements",
    "validate",
    "validate_schema",
    "validate_serving_input",
]


def validate_schema(data: Any, expected_schema: Schema) -> None:
    """Hold data against a schema as a loaded model does before it predicts.

    Raises:
        SchemaMismatch: the data does not fit; ``details`` name every column and row that is to blame.
    """
    enforce(data, expected_schema, LENIENT)


def convert_input_example_to_serving_input(input_example: Any) -> str | None:
    """The body of a request to ``/invocations`` that sends the example; None for None.

    The example is a DataFrame, an array, a dictionary of arrays, a csr or csc matrix, a JSON value, or a tuple of one of
    these and a dictionary of parameters.

    Raises:
        InvalidInput: no JSON request can hold the example.
    """
    return None if input_example is None else saved_example(input_example).serving_input


def validate_serving_input(model_uri: str, serving_input: str | dict[str, Any]) -> Any:
    """What the model predicts for the body of a request, read and checked as the server does; loads the model here.

    ``serving_input`` is JSON, or what such JSON says as a dictionary.

    Raises:
        NotFound: there is no model.
        InvalidInput: the server would refuse the body; ``details`` say why.
    """
    model = pyfunc.load_model(model_uri)
    signature = model.signature
    schema, params = (signature.inputs, signature.params) if signature else (None, None)
    body = serving_input if isinstance(serving_input, str) else json.dumps(serving_input)
    payload = decoding.read_json(body.encode(), tuple(spec.name for spec in params or ()))
    from_type_hint = signature is not None and signature.is_from_type_hint
    data = decoding.to_data(payload, schema, LENIENT, from_type_hint)
    with _as_served():
        return model.predict(data, params=payload.params)


@contextmanager
def _as_served() -> Iterator[None]:
    """Meanwhile models with type hints read bytes from base64 and datetimes from ISO texts, as in a worker."""
    before = os.environ.get(type_hints.SERVING)
    os.environ[type_hints.SERVING] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[type_hints.SERVING]
        else:
            os.environ[type_hints.SERVING] = before
