"""Which kinds of signature meet which forms of body: the rows and columns that the cases have to fill."""

from collections import Counter
from collections.abc import Iterable

from tests.interop.case import KEYS, Case

FORMS = (*KEYS, "llm", "csv", "parquet", "broken")
LEAST = 8
"""Cases for each kind and form that can meet."""

KINDS = {
    "one column of each scalar type": (
        *("one_boolean", "one_integer", "one_long", "one_float", "one_double", "one_binary", "one_datetime"),
        "text",
    ),
    "columns of several types": ("required", "sleeper", "integer_names", "artifacts", "from_code", "own_loader"),
    "columns without names": ("unnamed_doubles", "unnamed_pair", "unnamed_text", "unnamed_array"),
    "optional columns": ("optional", "mixed"),
    "array": ("arrays",),
    "object": ("objects", "nested", "chat"),
    "map": ("maps",),
    "any": ("anything",),
    "tensor of floats": ("tensor", "ragged"),
    "tensor of integers": ("tensor_of_longs",),
    "tensor of texts": ("tensor_of_texts",),
    "tensor of several dimensions": ("images",),
    "named tensors": ("tensors", "named_tensor"),
    "params": ("params", "outputs"),
    "type hint": ("typed_texts", "typed_bytes", "typed_numbers", "typed_maps"),
    "no signature": ("free",),
    "scikit-learn": ("logistic", "probabilities", "forest"),
    "ONNX": ("onnx_dense", "onnx_named"),
    "models of MLflow 1 and 2": ("mlflow_1", "mlflow_2_1", "mlflow_2_6", "mlflow_2_10"),
}

_NAMELESS = "a chat body is an object, and a signature without names takes none"
CANNOT_MEET = {
    ("columns without names", "llm"): _NAMELESS,
    ("tensor of floats", "llm"): _NAMELESS,
    ("tensor of integers", "llm"): _NAMELESS,
    ("tensor of texts", "llm"): _NAMELESS,
    ("tensor of several dimensions", "llm"): _NAMELESS,
    ("type hint", "llm"): "a chat body is an object, and a type hint asks for a list",
}
"""(kind, form) → why no such body can fit."""


def count(cases: Iterable[Case]) -> Counter[tuple[str, str]]:
    """(kind, form) → how many requests for a prediction there are."""
    kind_of = {model: kind for kind, models in KINDS.items() for model in models}
    return Counter(
        (kind_of[case.model], case.form) for case in cases if (case.method, case.path) == ("POST", "/invocations")
    )
