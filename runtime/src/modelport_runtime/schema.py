"""What a signature says about data: column, tensor and parameter specs as plain values.

Nothing here touches data; ``enforcement`` and ``casting`` do.
"""

from dataclasses import dataclass
from typing import Any, Optional, Tuple, Union

SCALAR_TYPES = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")
"""MLflow's scalar types; numpy's names are bool, int32, int64, float32, float64, str, bytes, datetime64[ns]."""


@dataclass(frozen=True)
class Scalar:
    """One of ``SCALAR_TYPES``."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Array:
    """A list whose items all have one type. ``sparkml_vector`` is an array of doubles that is written as itself."""

    items: "DataType"
    spark_vector: bool = False

    def __str__(self) -> str:
        return f"array({self.items})"


@dataclass(frozen=True)
class Property:
    """A named member of an ``Object``."""

    name: str
    type: "DataType"
    required: bool = True


@dataclass(frozen=True)
class Object:
    """A JSON object with known members."""

    properties: Tuple[Property, ...]

    def __str__(self) -> str:
        return "object({})".format(", ".join(f"{p.name}: {p.type}" for p in self.properties))


@dataclass(frozen=True)
class Map:
    """A JSON object with any string keys, whose values all have one type."""

    values: "DataType"

    def __str__(self) -> str:
        return f"map({self.values})"


@dataclass(frozen=True)
class AnyType:
    """A value that is never checked."""

    def __str__(self) -> str:
        return "any"


DataType = Union[Scalar, Array, Object, Map, AnyType]


@dataclass(frozen=True)
class ColSpec:
    """One column. ``name`` is None in an unnamed schema; MLmodel files may name columns by integers."""

    type: DataType
    name: Union[str, int, None] = None
    required: bool = True


@dataclass(frozen=True)
class TensorSpec:
    """One tensor: a numpy dtype name (``float32``, ``str``, ``object``, …) and a shape where -1 is free."""

    dtype: str
    shape: Tuple[int, ...]
    name: Union[str, int, None] = None


@dataclass(frozen=True)
class ParamSpec:
    """One inference parameter. ``shape`` is None for a single value, (-1,) for a list of values."""

    name: str
    type: DataType
    default: Any
    shape: Optional[Tuple[int, ...]] = None


@dataclass(frozen=True)
class Schema:
    """The columns of a frame, or the tensors of a model: all of one kind, all named or all unnamed."""

    specs: Tuple[Union[ColSpec, TensorSpec], ...]

    @property
    def is_tensor(self) -> bool:
        return isinstance(self.specs[0], TensorSpec)

    @property
    def columns(self) -> Tuple[ColSpec, ...]:
        """The specs of a column schema (empty for a tensor schema)."""
        return tuple(spec for spec in self.specs if isinstance(spec, ColSpec))

    @property
    def tensors(self) -> Tuple[TensorSpec, ...]:
        """The specs of a tensor schema (empty for a column schema)."""
        return tuple(spec for spec in self.specs if isinstance(spec, TensorSpec))

    @property
    def has_names(self) -> bool:
        return self.specs[0].name is not None

    @property
    def names(self) -> Tuple[Union[str, int], ...]:
        """Every name in order; positions where the schema is unnamed."""
        return tuple(position if spec.name is None else spec.name for position, spec in enumerate(self.specs))


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives. None: unknown, so nothing is checked."""

    inputs: Optional[Schema] = None
    outputs: Optional[Schema] = None
    params: Optional[Tuple[ParamSpec, ...]] = None
    is_from_type_hint: bool = False
