"""The body of an inference request."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from modelport_runtime.enforcement.values import describe
from modelport_runtime.errors import InvalidInput
from modelport_runtime.payload import jsonio
from modelport_runtime.payload.open_inference.data import to_data, to_type_hint_data
from modelport_runtime.payload.open_inference.tensors import parameters_of, read_tensors
from modelport_runtime.policy import Policy
from modelport_runtime.schema import Schema

_OWN_PARAMETERS = {
    "binary_data_output",
    "sequence_id",
    "sequence_start",
    "sequence_end",
    "priority",
    "timeout",
    "headers",
    "content_type",
}
"""Request parameters that speak to the server, not to the model; so do all that begin with ``triton_``."""


class InferRequest(NamedTuple):
    """What a request asks: the model's data and params, and how the answer is to be written."""

    data: Any
    """A DataFrame (or Block) for a column signature; an array or a dict of arrays for tensors and without signature."""
    params: Any
    """None when absent."""
    id: Optional[str] = None
    binary: bool = False
    """Whether outputs are written as binary data where ``outputs`` does not say."""
    outputs: Optional[List[Tuple[str, bool]]] = None
    """Names of the wanted outputs, and whether each as binary data; None: all of them."""


def read(
    body: bytes,
    json_size: Optional[int],
    schema: Optional[Schema],
    policy: Policy,
    params_names: Tuple[str, ...] = (),
    reader: Any = None,
    from_type_hint: bool = False,
) -> InferRequest:
    """The request in a body whose first ``json_size`` bytes are JSON (None: all), its values cast to ``schema``.

    ``params_names`` are those of the params schema: they are the model's even where the protocol knows the name. With
    ``reader`` (a BlockReader), plain columns become a Block, which is enforced already. A model whose signature comes from
    a type hint takes a list of values. Raises InvalidInput; SchemaMismatch for what does not fit the signature.
    """
    if json_size is not None and not 0 < json_size <= len(body):
        raise InvalidInput(
            f"Invalid input. The JSON part is said to be {json_size} bytes long, and the body has {len(body)}: "
            "'Inference-Header-Content-Length' must be at least 1 and at most 'Content-Length'."
        )
    text = body if json_size is None else body[:json_size]
    document = jsonio.loads(text, exact=False)
    if type(document) is not dict:
        raise InvalidInput("Invalid input. The body must be a JSON object with the key 'inputs', a list of tensors.")
    identifier = document.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise InvalidInput(f"Invalid input. 'id' must be a string; found {describe(identifier)}.")
    parameters = parameters_of(document, "the request")
    binary = parameters.get("binary_data_output") is True
    outputs = _requested(document.get("outputs"), binary)
    params = _model_params(parameters, params_names)
    if params:  # where an integer of any length may matter
        params = _model_params(jsonio.loads(text)["parameters"], params_names)
    tensors = read_tensors(document.get("inputs"), body, json_size, policy)
    try:
        data = to_type_hint_data(tensors, schema) if from_type_hint else to_data(tensors, schema, policy, reader)
    except RecursionError:
        raise InvalidInput("Invalid input. The data is nested too deeply.") from None
    return InferRequest(data, params or None, identifier, binary, outputs)


def _model_params(parameters: Dict[str, Any], names: Tuple[str, ...]) -> Dict[str, Any]:
    return {
        name: value
        for name, value in parameters.items()
        if name in names or not (name in _OWN_PARAMETERS or name.startswith("triton_"))
    }


def _requested(value: Any, binary: bool) -> Optional[List[Tuple[str, bool]]]:
    if value is None or value == []:
        return None
    if type(value) is not list:
        raise InvalidInput(f"Invalid input. 'outputs' must be a list of objects; found {describe(value)}.")
    wanted: Dict[str, bool] = {}
    for item in value:
        name = item.get("name") if type(item) is dict else None
        if type(name) is not str:
            raise InvalidInput("Invalid input. Each of 'outputs' must be an object with a 'name'.")
        if name in wanted:
            raise InvalidInput(f"Invalid input. Output {name!r} is requested twice.")
        parameters = parameters_of(item, f"output {name!r}")
        if "classification" in parameters:
            raise InvalidInput(
                f"Invalid input. Output {name!r}: this server does not have the classification extension."
            )
        wanted[name] = parameters.get("binary_data", binary) is True
    return list(wanted.items())
