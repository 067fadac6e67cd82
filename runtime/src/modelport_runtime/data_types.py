"""The types of a signature, as plain values, and their JSON.

Spelled as in MLflow: ``modelport.types`` hands these very classes to callers.
"""

import datetime
import json
from dataclasses import dataclass
from typing import Any, ClassVar, Dict, List, Sequence, Tuple, Union

from modelport_runtime.errors import InvalidInput

SCALAR_TYPES = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")
"""MLflow's scalar types; numpy's names are bool, int32, int64, float32, float64, str, bytes, datetime64[ns]."""

_NUMPY_NAMES = dict(
    zip(SCALAR_TYPES, ("bool", "int32", "int64", "float32", "float64", "str", "bytes", "datetime64[ns]"))
)
PYTHON_TYPES = dict(zip(SCALAR_TYPES, (bool, int, int, float, float, str, bytes, datetime.date)))

_MAX_TEXT = 100


class InvalidSchema(InvalidInput):
    """A type, spec or schema that cannot be: what was given and what is possible."""

    code = "INVALID_PARAMETER_VALUE"


def shown(data: Any) -> str:
    """The beginning of a value as JSON, for messages."""
    text = json.dumps(data, default=str, ensure_ascii=False)
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


@dataclass(frozen=True, repr=False)
class Scalar:
    """One of ``SCALAR_TYPES``, each also a constant: ``Scalar.double``. MLflow calls this class ``DataType``."""

    name: str

    boolean: ClassVar["Scalar"]
    integer: ClassVar["Scalar"]
    long: ClassVar["Scalar"]
    float: ClassVar["Scalar"]
    double: ClassVar["Scalar"]
    string: ClassVar["Scalar"]
    binary: ClassVar["Scalar"]
    datetime: ClassVar["Scalar"]

    def __post_init__(self) -> None:
        if self.name not in SCALAR_TYPES:
            raise InvalidSchema(f"type {shown(self.name)} is not known; the scalar types are {', '.join(SCALAR_TYPES)}")

    def __class_getitem__(cls, name: str) -> "Scalar":
        return cls(name)

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__

    def to_numpy(self) -> Any:
        """The numpy dtype of the values."""
        import numpy as np

        return np.dtype(_NUMPY_NAMES[self.name])

    def to_pandas(self) -> Any:
        """The dtype of a column of a frame: as numpy's, but ``object`` for texts and bytes."""
        import numpy as np

        return np.dtype(object) if self.name in ("string", "binary") else self.to_numpy()

    def to_python(self) -> Any:
        """The Python type of a value."""
        return PYTHON_TYPES[self.name]

    def to_dict(self) -> Dict[str, Any]:
        return {"type": self.name}


for _name in SCALAR_TYPES:
    setattr(Scalar, _name, Scalar(_name))


@dataclass(frozen=True, init=False, repr=False)
class Array:
    """A list whose items all have one type. ``sparkml_vector`` is an array of doubles that is written as itself."""

    items: "DataType"
    spark_vector: bool

    def __init__(self, dtype: Union["DataType", str], spark_vector: bool = False) -> None:
        object.__setattr__(self, "items", as_type(dtype))
        object.__setattr__(self, "spark_vector", spark_vector)

    @property
    def dtype(self) -> "DataType":
        """MLflow's name of ``items``."""
        return self.items

    def __str__(self) -> str:
        return f"array({self.items})"

    def __repr__(self) -> str:
        return "SparkML vector" if self.spark_vector else f"Array({self.items!r})"

    def to_dict(self) -> Dict[str, Any]:
        return {"type": "sparkml_vector"} if self.spark_vector else {"type": "array", "items": self.items.to_dict()}


@dataclass(frozen=True, init=False, repr=False)
class Property:
    """A named member of an ``Object``."""

    name: str
    type: "DataType"
    required: bool

    def __init__(self, name: str, dtype: Union["DataType", str], required: bool = True) -> None:
        if not isinstance(name, str):
            raise InvalidSchema(f"the name of a property must be a text, found {shown(name)}")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "type", as_type(dtype))
        object.__setattr__(self, "required", required)

    @property
    def dtype(self) -> "DataType":
        """MLflow's name of ``type``."""
        return self.type

    def __repr__(self) -> str:
        return f"{self.name}: {self.type!r} ({required_text(self.required)})"

    def to_dict(self) -> Dict[str, Any]:
        return {self.name: {**self.type.to_dict(), "required": self.required}}


@dataclass(frozen=True, init=False, repr=False)
class Object:
    """A JSON object with known members, kept in the order of their names."""

    properties: Tuple[Property, ...]

    def __init__(self, properties: Sequence[Property]) -> None:
        if not properties or not all(isinstance(member, Property) for member in properties):
            raise InvalidSchema("the properties of an object must be a list of Property, not empty")
        names = [member.name for member in properties]
        if len(set(names)) < len(names):
            raise InvalidSchema(f"an object names a property twice: {shown(twice(names))}")
        object.__setattr__(self, "properties", tuple(sorted(properties, key=lambda member: member.name)))

    def __str__(self) -> str:
        return "object({})".format(", ".join(f"{p.name}: {p.type}" for p in self.properties))

    def __repr__(self) -> str:
        return "{" + ", ".join(map(repr, self.properties)) + "}"

    def to_dict(self) -> Dict[str, Any]:
        members: Dict[str, Any] = {}
        for member in self.properties:
            members.update(member.to_dict())
        return {"type": "object", "properties": members}


@dataclass(frozen=True, init=False, repr=False)
class Map:
    """A JSON object with any string keys, whose values all have one type."""

    values: "DataType"

    def __init__(self, value_type: Union["DataType", str]) -> None:
        object.__setattr__(self, "values", as_type(value_type))

    @property
    def value_type(self) -> "DataType":
        """MLflow's name of ``values``."""
        return self.values

    def __str__(self) -> str:
        return f"map({self.values})"

    def __repr__(self) -> str:
        return f"Map(str -> {self.values!r})"

    def to_dict(self) -> Dict[str, Any]:
        return {"type": "map", "values": self.values.to_dict()}


@dataclass(frozen=True, repr=False)
class AnyType:
    """A value that is never checked."""

    def __str__(self) -> str:
        return "any"

    def __repr__(self) -> str:
        return "Any"

    def to_dict(self) -> Dict[str, Any]:
        return {"type": "any"}


DataType = Union[Scalar, Array, Object, Map, AnyType]


def spark_vector() -> Array:
    """The type of Spark's vectors: an array of doubles that a signature writes as ``sparkml_vector``."""
    return Array(Scalar("double"), spark_vector=True)


def as_type(kind: Any) -> DataType:
    if isinstance(kind, str):
        return Scalar(kind)
    if isinstance(kind, (Scalar, Array, Object, Map, AnyType)):
        return kind
    raise InvalidSchema(f"a type is a DataType or its name, an Array, Object, Map or AnyType; found {shown(kind)}")


def required_text(required: bool) -> str:
    return "required" if required else "optional"


def twice(names: List[str]) -> List[str]:
    return sorted({name for name in names if names.count(name) > 1})


def read_type(entry: Dict[str, Any]) -> DataType:
    kind = entry.get("type")
    if kind in SCALAR_TYPES:
        return Scalar(kind)
    if kind == "array":
        return Array(_read_inner(entry, "items"))
    if kind == "map":
        return Map(_read_inner(entry, "values"))
    if kind == "object":
        return _read_object(entry)
    if kind == "sparkml_vector":
        return spark_vector()
    if kind == "any":
        return AnyType()
    raise InvalidSchema(f"type {shown(kind)} is not known")


def _read_inner(entry: Dict[str, Any], key: str) -> DataType:
    inner = entry.get(key)
    if not isinstance(inner, dict):
        raise InvalidSchema(f"'{key}' must be an object with a type, found {shown(inner)}")
    return read_type(inner)


def _read_object(entry: Dict[str, Any]) -> Object:
    properties = entry.get("properties")
    if not isinstance(properties, dict) or not properties or not all(isinstance(p, dict) for p in properties.values()):
        raise InvalidSchema(f"'properties' must be an object of types, not empty, found {shown(properties)}")
    return Object([Property(name, read_type(inner), read_required(inner)) for name, inner in properties.items()])


def read_required(entry: Dict[str, Any]) -> bool:
    """MLflow up to 2.9 wrote ``optional`` instead of ``required``; neither one, or null, means required."""
    if entry.get("required") is not None:
        return bool(entry["required"])
    return not entry.get("optional")
