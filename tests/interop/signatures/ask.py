"""What one of the two APIs answers about every example: ``python ask.py CASES ANSWERS`` asks the real MLflow.

A case has one of: ``data``, an expression, asked for its schema and as an input example; ``output`` and ``params``, asked for
their schema; ``hints``, the annotations of a predict function; ``stored``, the ``signature`` of an MLmodel file of any age,
asked how it is written today. ``divergence`` names the reason why the answers differ.
"""

import dataclasses
import datetime as dt
import json
import logging
import sys
import typing
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pydantic
from scipy import sparse


class Api(NamedTuple):
    """The functions that are compared."""

    infer_signature: Callable[..., Any]
    from_dict: Callable[[Any], Any]
    saved_example: Callable[[Any], tuple[Any, str, str]]
    """(the MLmodel entry, input_example.json, serving_input_example.json)"""
    signature_from_type_hints: Callable[[Any], Any]


@dataclasses.dataclass
class Item:
    name: str
    price: float


@dataclasses.dataclass
class Order:
    items: list[Item]
    first: Item
    words: list[str]
    count: int
    note: str | None = None
    day: dt.date = dt.date(2024, 1, 2)


class Point(pydantic.BaseModel):
    x: float
    tags: list[str] | None = None
    size: int = 1


def frame(*values: Any, **options: Any) -> Any:
    """A frame of one column ``x``."""
    return pd.DataFrame({"x": pd.Series(list(values), **options)})


NAMES = {
    **{"np": np, "pd": pd, "dt": dt, "sparse": sparse, "Decimal": Decimal, "nan": float("nan"), "inf": float("inf")},
    **{"frame": frame, "Point": Point, "Order": Order, "Item": Item, "typing": typing},
}


def answer(case: dict[str, Any], api: Api) -> dict[str, Any]:
    if "hints" in case:
        return {"signature": attempt(lambda: signature(api.signature_from_type_hints(function(case["hints"])), api))}
    if "stored" in case:
        return {"signature": attempt(lambda: signature(api.from_dict(case["stored"]), api))}
    if "params" in case:
        return {"signature": attempt(lambda: signature(api.infer_signature(params=value(case["params"])), api))}
    if "output" in case:
        return {"signature": attempt(lambda: signature(api.infer_signature(model_output=value(case["output"])), api))}
    return {
        "signature": attempt(lambda: signature(api.infer_signature(value(case["data"])), api)),
        "example": attempt(lambda: list(api.saved_example(value(case["data"])))),
    }


def value(expression: str) -> Any:
    return eval(expression, dict(NAMES))


def function(hints: str) -> Any:
    names = dict(NAMES)
    exec(f"def predict(model_input{hints}: ...", names)
    return names["predict"]


def signature(inferred: Any, api: Api) -> Any:
    """All that a caller sees of a signature; read again, it must be equal."""
    if inferred is None:
        return None
    written = inferred.to_dict()
    schema = inferred.inputs
    names = None if schema is None else [schema.input_names(), schema.required_input_names()]
    text = repr(inferred).replace("DataType.", "")  # MLflow writes it inside maps only
    return {**written, "repr": text, "names": names, "same": api.from_dict(written) == inferred}


def attempt(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except Exception:  # noqa: BLE001  that it fails is the answer
        return "refused"


def mlflow_api() -> Api:
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.models.signature import _extract_type_hints, _infer_signature_from_type_hints
    from mlflow.models.utils import _Example

    def saved(example: Any) -> tuple[Any, str, str]:
        made = _Example(example)
        return made.info, made.json_input_example, made.json_serving_input

    def from_hints(predict: Any) -> Any:
        return _infer_signature_from_type_hints(predict, None, _extract_type_hints(predict, 0))

    return Api(infer_signature, ModelSignature.from_dict, saved, from_hints)


def main(cases: Path, answers: Path) -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    api = mlflow_api()
    answers.write_text(json.dumps([answer(case, api) for case in json.loads(cases.read_text())]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
