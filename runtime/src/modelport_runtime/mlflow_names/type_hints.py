"""Data against the type hint of ``predict``: what a hinted model's own wrapper checks before every call.

Replaces the signature's enforcement for such models. A hint is ``list[T]``: T a scalar type, a pydantic model (strict,
dictionaries become instances), ``list[...]``, ``dict[str, ...]``, ``Optional[...]`` or ``Any``; nothing is coerced.
"""

import base64
import binascii
import collections.abc
import inspect
import os
import typing
from datetime import datetime
from typing import Any, Dict, List, NamedTuple, Tuple, Union

from modelport_runtime.errors import SchemaMismatch
from modelport_runtime.mlflow_names.mlflow_exception import MlflowException

SCALARS = (int, str, bool, float, bytes, datetime)
SERVING = "_MLFLOW_IS_IN_SERVING_ENVIRONMENT"
"""Set to "true" while data comes from JSON: then text is read as bytes (base64) and datetimes (ISO)."""
_MAX_NAMED = 5


class HintMismatch(SchemaMismatch, MlflowException):
    """The data does not fit the type hint. Both kinds of error: pickled wrappers let only ``MlflowException`` pass."""

    def __init__(self, message: str) -> None:
        SchemaMismatch.__init__(self, message)
        self.error_code = self.code


class FuncInfo(NamedTuple):
    """The hint of a predict function and the name of the parameter that bears it. Pickled by this name."""

    input_type_hint: Any
    input_param_name: str


FuncInfo.__module__ = "mlflow.pyfunc.utils.data_validation"


class TypeFromExample:
    """The hint that stands for "as the input example is". Pickled by this name."""


TypeFromExample.__module__ = "mlflow.types.type_hints"


def validate_model_input(args: Any, kwargs: Any, index: int, hint: Any, name: str) -> Tuple[Any, Any]:
    """The arguments of a predict call with the data checked, and converted where it is a frame or a dictionary.

    ``index`` is the data's place among ``args``; ``name`` its keyword. Raises ``HintMismatch``.
    """
    if name in kwargs:
        return args, {**kwargs, name: _check(_without_frame(kwargs[name], hint), hint)}
    if len(args) > index:
        return (*args[:index], _check(_without_frame(args[index], hint), hint), *args[index + 1 :]), kwargs
    return args, kwargs


# What it is called in the pickles that call it.
validate_model_input.__module__ = "mlflow.pyfunc.utils.data_validation"
validate_model_input.__name__ = validate_model_input.__qualname__ = "_validate_model_input"


def is_serving() -> bool:
    """Whether this process serves the model, so that its data comes from JSON."""
    return os.environ.get(SERVING, "").lower() in ("true", "1")


def input_parameter(function: Any) -> Tuple[int, str]:
    """The place (``self`` counted) and the name of the parameter that takes the data."""
    parameters = inspect.signature(function).parameters
    names = [name for name in parameters if name != "self"]
    first = 1 if takes_context(parameters) else 0
    if len(names) <= first:
        raise TypeError(f"predict takes {len(names)} arguments, so none for the data")
    return first + ("self" in parameters), names[first]


def takes_context(parameters: typing.Mapping[str, Any]) -> bool:
    """Whether predict is called with a context: by name, or because it has two arguments besides self and params."""
    return "context" in parameters or len([name for name in parameters if name not in ("self", "params")]) == 2


def input_hint(function: Any) -> Any:
    """The type hint of the data; None without one, or when it cannot be evaluated here."""
    _, name = input_parameter(function)
    stated = getattr(function, "__annotations__", {}).get(name)
    if stated is None:
        return None
    try:
        return typing.get_type_hints(function).get(name)
    except Exception:  # noqa: BLE001  a hint is evaluated as code, and may name what is not there
        spelled = str(stated).replace(" ", "")
        if spelled in ("List[str]", "list[str]"):
            return List[str]
        return List[Dict[str, str]] if spelled in ("List[Dict[str,str]]", "list[dict[str,str]]") else None


def is_list(hint: Any) -> bool:
    """Whether the hint is ``list[...]``, the only kind that describes several inputs."""
    return _origin(hint) is list


def supported(hint: Any) -> bool:
    """Whether data can be checked against a predict function's hint."""
    return is_list(hint) and _is_known(typing.get_args(hint)[0])


def _is_known(hint: Any) -> bool:
    if hint is Any or hint in SCALARS or _is_pydantic(hint):
        return True
    arguments = typing.get_args(hint)
    origin = _origin(hint)
    if origin is list:
        return _is_known(arguments[0])
    if origin is dict:
        return arguments[0] is str and _is_known(arguments[1])
    return _is_union(hint)


def _origin(hint: Any) -> Any:
    # `List` without arguments has an origin, too, but says nothing of its elements.
    arguments = typing.get_args(hint)
    known = arguments and not any(isinstance(argument, typing.TypeVar) for argument in arguments)
    return typing.get_origin(hint) if known else None


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) is Union or type(hint).__name__ == "UnionType"  # the latter spelled `A | B`


def _is_pydantic(hint: Any) -> bool:
    # Asked of the class, so that pydantic is only needed by models which use it.
    return inspect.isclass(hint) and any(
        base.__name__ == "BaseModel" and base.__module__.split(".")[0] == "pydantic" for base in hint.__mro__
    )


def _check(data: Any, hint: Any) -> Any:
    if hint is Any:
        return data
    if _is_pydantic(hint):
        return _check_pydantic(data, hint)
    if hint in SCALARS:
        return _check_scalar(data, hint)
    origin, arguments = _origin(hint), typing.get_args(hint)
    if origin is list:
        return _check_list(data, arguments[0])
    if origin is dict:
        return _check_dict(data, arguments[1])
    if _is_union(hint):
        others = [argument for argument in arguments if argument is not type(None)]
        if len(others) == 1 and data is not None:
            return _check(data, others[0])
        return data  # a union of several types is taken as it comes
    raise HintMismatch(f"the type hint {_name(hint)} is none that data can be checked against")


def _check_scalar(data: Any, hint: Any) -> Any:
    if isinstance(data, str) and is_serving():
        try:
            if hint is bytes:
                return base64.decodebytes(data.encode())
            if hint is datetime:
                return datetime.fromisoformat(data[:-1] + "+00:00" if data[-1:] in ("Z", "z") else data)
        except (binascii.Error, ValueError) as error:
            raise HintMismatch(f"expected {'base64' if hint is bytes else 'an ISO datetime'}: {error}") from error
    if isinstance(data, hint):
        return data
    raise HintMismatch(f"expected {_name(hint)}, found {type(data).__name__}")


def _check_pydantic(data: Any, hint: Any) -> Any:
    is_dict = isinstance(data, dict)
    if not is_dict and not hasattr(data, "model_dump"):
        raise HintMismatch(f"expected an object of {_name(hint)}, found {type(data).__name__}")
    try:
        hint.model_validate(data if is_dict else data.model_dump(), strict=True)
    except ValueError as error:  # pydantic's own error is one
        raise HintMismatch(f"does not fit {_name(hint)}: {error}") from error
    return hint(**data) if is_dict else data


def _check_list(data: Any, element: Any) -> List[Any]:
    if not isinstance(data, list):
        raise HintMismatch(f"expected a list of {_name(element)}, found {type(data).__name__}")
    checked, wrong = [], []
    for position, item in enumerate(data):
        try:
            checked.append(_check(item, element))
        except HintMismatch as error:
            wrong.append(f"element {position}: {error.message}")
    _raise_if_any(wrong)
    return checked


def _check_dict(data: Any, element: Any) -> Dict[str, Any]:
    if not isinstance(data, dict):
        raise HintMismatch(f"expected an object, found {type(data).__name__}")
    checked, wrong = {}, []
    for key, item in data.items():
        try:
            if not isinstance(key, str):
                raise HintMismatch(f"expected text as key, found {type(key).__name__}")
            checked[key] = _check(item, element)
        except HintMismatch as error:
            wrong.append(f"'{key}': {error.message}")
    _raise_if_any(wrong)
    return checked


def _raise_if_any(wrong: List[str]) -> None:
    if wrong:
        more = f" and {len(wrong) - _MAX_NAMED} more" if len(wrong) > _MAX_NAMED else ""
        raise HintMismatch("the data does not fit the type hint: " + "; ".join(wrong[:_MAX_NAMED]) + more)


def _name(hint: Any) -> str:
    return hint.__name__ if inspect.isclass(hint) and not typing.get_args(hint) else str(hint)


def _without_frame(data: Any, hint: Any) -> Any:
    """A frame as the list that the hint asks for (CSV bodies and in-process callers give frames)."""
    if type(data).__name__ != "DataFrame" or not hasattr(data, "iloc"):
        return data
    if _origin(hint) is not list:
        raise HintMismatch(f"a table can only be given to a hint list[...], not to {_name(hint)}")
    element = typing.get_args(hint)[0]
    if (element is dict or _is_pydantic(element)) and list(data.columns) != [0]:
        return _plain(data.to_dict(orient="records"))
    return _plain(data.iloc[:, 0].tolist())


def _plain(data: Any) -> Any:
    """Arrays as lists, missing numbers as None: what a list made from a frame holds instead of JSON's values."""
    if hasattr(data, "tolist") and not isinstance(data, (list, dict)):
        data = data.tolist()
    if isinstance(data, list):
        return [_plain(item) for item in data]
    if isinstance(data, dict):
        return {key: _plain(item) for key, item in data.items()}
    return None if isinstance(data, float) and data != data else data


def to_example_type(frame: Any, example: Any) -> Any:
    """A frame that enforcement made, as the container the input example came in (the hint ``TypeFromExample``)."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame) or isinstance(example, pd.DataFrame):
        return frame
    if isinstance(example, pd.Series):
        return frame.iloc[:, 0].rename(example.name)
    if isinstance(example, list):
        scalars = all(not isinstance(item, (collections.abc.Mapping, list, tuple)) for item in example)
        return frame.iloc[:, 0].tolist() if scalars and len(frame.columns) == 1 else frame.to_dict(orient="records")
    if isinstance(example, dict):
        return frame.to_dict(orient="records")[0] if len(frame) == 1 else frame
    return frame.iloc[0, 0]
