"""What a signature says of one column, tensor or parameter, and its JSON; ``modelport.types`` hands out these classes."""

import datetime
import re
from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Sequence, Tuple, Union

from modelport_runtime.data_types import (
    PYTHON_TYPES,
    DataType,
    InvalidSchema,
    Object,
    Scalar,
    as_type,
    read_required,
    read_type,
    required_text,
    shown,
)

# What numpy calls its types; strings have no length in a signature. numpy itself may not be there to ask.
_TENSOR_TYPE = re.compile(
    r"bool|u?int(8|16|32|64)|float(16|32|64|96|128)|complex(64|128|192|256)|str|bytes|object|(datetime|timedelta)64(\[\w+\])?"
)

Name = Union[str, int, None]


@dataclass(frozen=True, init=False, repr=False)
class ColSpec:
    """One column. ``name`` is None in an unnamed schema; MLmodel files may name columns by integers."""

    type: DataType
    name: Name
    required: bool

    def __init__(self, type: Union[DataType, str], name: Name = None, required: bool = True) -> None:
        object.__setattr__(self, "type", as_type(type))
        object.__setattr__(self, "name", _checked_name(name))
        object.__setattr__(self, "required", required)

    def __repr__(self) -> str:
        text = f"{self.type!r} ({required_text(self.required)})"
        return text if self.name is None else f"{self.name!r}: {text}"

    def to_dict(self) -> Dict[str, Any]:
        """As plain JSON values, in the keys and order in which MLflow 3 writes them."""
        name = {} if self.name is None else {"name": self.name}
        return {**self.type.to_dict(), **name, "required": self.required}

    @classmethod
    def from_json_dict(cls, /, **entry: Any) -> "ColSpec":
        """The column that ``to_dict``, or an older MLflow, wrote. Raises ``InvalidSchema``."""
        return cls(read_type(entry), entry.get("name"), read_required(entry))


@dataclass(frozen=True, init=False, repr=False)
class TensorSpec:
    """One tensor: a numpy dtype name (``float32``, ``str``, ``object``, …) and a shape where -1 is free.

    ``type`` may be given as a ``numpy.dtype`` too.
    """

    dtype: str
    shape: Tuple[int, ...]
    name: Name

    def __init__(self, type: Any, shape: Sequence[int], name: Name = None) -> None:
        dtype = getattr(type, "name", type)
        if getattr(type, "char", None) in ("U", "S") and not dtype.isalpha():
            dtype = type.str
        if not isinstance(dtype, str) or not _TENSOR_TYPE.fullmatch(dtype):
            raise InvalidSchema(f"dtype {shown(dtype)} is not a numpy type (texts have no size: str, bytes)")
        if not isinstance(shape, (list, tuple)) or not all(isinstance(size, int) for size in shape):
            raise InvalidSchema(f"'shape' must be a list of integers, found {shown(shape)}")
        object.__setattr__(self, "dtype", dtype)
        object.__setattr__(self, "shape", tuple(shape))
        object.__setattr__(self, "name", _checked_name(name))

    @property
    def type(self) -> Any:
        """The ``numpy.dtype``."""
        import numpy as np

        return np.dtype(self.dtype)

    @property
    def required(self) -> bool:
        """Tensors are always required."""
        return True

    def __repr__(self) -> str:
        text = f"Tensor({self.dtype!r}, {self.shape!r})"
        return text if self.name is None else f"{self.name!r}: {text}"

    def to_dict(self) -> Dict[str, Any]:
        """As plain JSON values, in the keys and order in which MLflow 3 writes them."""
        name = {} if self.name is None else {"name": self.name}
        return {**name, "type": "tensor", "tensor-spec": {"dtype": self.dtype, "shape": list(self.shape)}}

    @classmethod
    def from_json_dict(cls, /, **entry: Any) -> "TensorSpec":
        """The tensor that ``to_dict`` wrote. Raises ``InvalidSchema``."""
        info = entry.get("tensor-spec")
        if not isinstance(info, dict):
            raise InvalidSchema(f"'tensor-spec' must be an object with dtype and shape, found {shown(info)}")
        shape = info.get("shape")
        if isinstance(shape, (list, tuple)):
            shape = [-1 if size is None else size for size in shape]
        return cls(info.get("dtype"), shape, entry.get("name"))  # type: ignore[arg-type]  # checked there


@dataclass(frozen=True, init=False, repr=False)
class ParamSpec:
    """One inference parameter. ``shape`` is None for a single value, (-1,) for a list of values.

    In a default, whole numbers become floats and ISO texts moments where the type asks for them. Whether it then fits,
    ``ParamSchema`` looks.
    """

    name: str
    type: DataType
    default: Any = field(hash=False)
    shape: Optional[Tuple[int, ...]]

    def __init__(
        self, name: str, dtype: Union[DataType, str], default: Any, shape: Optional[Sequence[int]] = None
    ) -> None:
        kind = as_type(dtype)
        if not isinstance(kind, (Scalar, Object)) or kind == Scalar("binary"):
            raise InvalidSchema(f"a parameter cannot be of type {kind}")
        if shape is not None and (not isinstance(shape, (list, tuple)) or tuple(shape) != (-1,)):
            raise InvalidSchema(f"the shape of a parameter is null or [-1], found {shown(shape)}")
        object.__setattr__(self, "name", str(name))
        object.__setattr__(self, "type", kind)
        object.__setattr__(self, "shape", None if shape is None else (-1,))
        object.__setattr__(self, "default", _converted(default, kind, self.shape))

    @property
    def dtype(self) -> DataType:
        """MLflow's name of ``type``."""
        return self.type

    def __repr__(self) -> str:
        shape = "" if self.shape is None else f" (shape: {self.shape})"
        return f"{self.name!r}: {self.type!r} (default: {self.default}){shape}"

    def to_dict(self) -> Dict[str, Any]:
        """As plain JSON values, in the keys and order in which MLflow 3 writes them."""
        shape = None if self.shape is None else list(self.shape)
        return {"name": self.name, "default": _default_as_json(self.default), "shape": shape, **self.type.to_dict()}

    @classmethod
    def from_json_dict(cls, /, **entry: Any) -> "ParamSpec":
        """The parameter that ``to_dict``, or an older MLflow, wrote. Raises ``InvalidSchema``."""
        if entry.get("name") is None or "default" not in entry:
            raise InvalidSchema("name, type and default are all needed")
        # MLflow 2.6 wrote "dtype".
        kind = read_type({**entry, "type": entry.get("type") or entry.get("dtype")})
        return cls(entry["name"], kind, entry["default"], entry.get("shape"))


def _checked_name(name: Any) -> Any:
    if name is None or isinstance(name, (str, int, float)):  # pandas has columns named by numbers of any kind
        return name
    raise InvalidSchema(f"a name must be a text or a number, found {shown(name)}")


def _converted(default: Any, kind: DataType, shape: Any) -> Any:
    if not isinstance(kind, Scalar):
        return default
    if shape is None:
        return _as_scalar(default, kind)
    items = default.tolist() if getattr(default, "ndim", None) == 1 else default
    return [_as_scalar(item, kind) for item in items] if isinstance(items, list) else items


def _as_scalar(value: Any, kind: Scalar) -> Any:
    """The value as its type has it, where there is no doubt; any other value as it is."""
    if kind.name == "datetime":
        return _moment(value)
    if hasattr(value, "item"):
        value = value.item()  # a number of numpy's
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if is_whole and kind.name in ("float", "double") else value


def _moment(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return (datetime.date if len(value) <= 10 else datetime.datetime).fromisoformat(value)
    except ValueError:
        return value


def check_default(spec: ParamSpec) -> None:
    is_list = isinstance(spec.default, list)
    if not isinstance(spec.type, Scalar):
        misfits = [] if isinstance(spec.default, dict) else [spec.default]
    elif (spec.shape is None) is is_list:
        misfits = [spec.default]
    else:
        values = spec.default if is_list else [spec.default]
        expected = PYTHON_TYPES[spec.type.name]
        misfits = [
            value
            for value in values
            if value is not None
            and (not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool))
        ]
    if misfits:
        kind = spec.type if spec.shape is None else f"list of {spec.type}"
        raise InvalidSchema(f"the default of {spec.name!r} does not fit: expected {kind}, found {shown(misfits[0])}")


def _default_as_json(default: Any) -> Any:
    if isinstance(default, list):
        return [_default_as_json(value) for value in default]
    return default.isoformat() if isinstance(default, datetime.date) else default
