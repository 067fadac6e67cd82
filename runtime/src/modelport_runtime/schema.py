"""What a signature says about data: column, tensor and parameter specs as plain values, and their JSON.

Spelled as in MLflow: ``modelport.types`` hands these very classes to callers. Nothing here touches data; ``enforcement``
and ``casting`` do.
"""

import datetime
import json
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from modelport_runtime.errors import InvalidInput

SCALAR_TYPES = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")
"""MLflow's scalar types; numpy's names are bool, int32, int64, float32, float64, str, bytes, datetime64[ns]."""

_NUMPY_NAMES = dict(
    zip(SCALAR_TYPES, ("bool", "int32", "int64", "float32", "float64", "str", "bytes", "datetime64[ns]"))
)
_PYTHON_TYPES = dict(zip(SCALAR_TYPES, (bool, int, int, float, float, str, bytes, datetime.date)))

# What numpy calls its types; strings have no length in a signature. numpy itself may not be there to ask.
_TENSOR_TYPE = re.compile(
    r"bool|u?int(8|16|32|64)|float(16|32|64|96|128)|complex(64|128|192|256)|str|bytes|object|(datetime|timedelta)64(\[\w+\])?"
)
_MAX_TEXT = 100

Name = Union[str, int, None]


class InvalidSchema(InvalidInput):
    """A type, spec or schema that cannot be: what was given and what is possible."""

    code = "INVALID_PARAMETER_VALUE"


def shown(data: Any) -> str:
    """The beginning of a value as JSON, for messages."""
    text = json.dumps(data, default=str, ensure_ascii=False)
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


# -- types


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
        return _PYTHON_TYPES[self.name]

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
        object.__setattr__(self, "items", _as_type(dtype))
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
        object.__setattr__(self, "type", _as_type(dtype))
        object.__setattr__(self, "required", required)

    @property
    def dtype(self) -> "DataType":
        """MLflow's name of ``type``."""
        return self.type

    def __repr__(self) -> str:
        return f"{self.name}: {self.type!r} ({_required_text(self.required)})"

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
            raise InvalidSchema(f"an object names a property twice: {shown(_twice(names))}")
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
        object.__setattr__(self, "values", _as_type(value_type))

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


def _as_type(kind: Any) -> DataType:
    if isinstance(kind, str):
        return Scalar(kind)
    if isinstance(kind, (Scalar, Array, Object, Map, AnyType)):
        return kind
    raise InvalidSchema(f"a type is a DataType or its name, an Array, Object, Map or AnyType; found {shown(kind)}")


def _required_text(required: bool) -> str:
    return "required" if required else "optional"


def _twice(names: List[str]) -> List[str]:
    return sorted({name for name in names if names.count(name) > 1})


# -- specs


@dataclass(frozen=True, init=False, repr=False)
class ColSpec:
    """One column. ``name`` is None in an unnamed schema; MLmodel files may name columns by integers."""

    type: DataType
    name: Name
    required: bool

    def __init__(self, type: Union[DataType, str], name: Name = None, required: bool = True) -> None:
        object.__setattr__(self, "type", _as_type(type))
        object.__setattr__(self, "name", _checked_name(name))
        object.__setattr__(self, "required", required)

    def __repr__(self) -> str:
        text = f"{self.type!r} ({_required_text(self.required)})"
        return text if self.name is None else f"{self.name!r}: {text}"

    def to_dict(self) -> Dict[str, Any]:
        """As plain JSON values, in the keys and order in which MLflow 3 writes them."""
        name = {} if self.name is None else {"name": self.name}
        return {**self.type.to_dict(), **name, "required": self.required}

    @classmethod
    def from_json_dict(cls, /, **entry: Any) -> "ColSpec":
        """The column that ``to_dict``, or an older MLflow, wrote. Raises ``InvalidSchema``."""
        return cls(_read_type(entry), entry.get("name"), _read_required(entry))


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
        kind = _as_type(dtype)
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
        kind = _read_type({**entry, "type": entry.get("type") or entry.get("dtype")})
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


def _check_default(spec: ParamSpec) -> None:
    is_list = isinstance(spec.default, list)
    if not isinstance(spec.type, Scalar):
        misfits = [] if isinstance(spec.default, dict) else [spec.default]
    elif (spec.shape is None) is is_list:
        misfits = [spec.default]
    else:
        values = spec.default if is_list else [spec.default]
        expected = _PYTHON_TYPES[spec.type.name]
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


# -- schemas


@dataclass(frozen=True, init=False, repr=False)
class Schema:
    """The columns of a frame, or the tensors of a model: all of one kind, all named or all unnamed."""

    specs: Tuple[Union[ColSpec, TensorSpec], ...]
    columns: Tuple[ColSpec, ...] = field(compare=False)
    """The specs of a column schema (empty for a tensor schema)."""
    tensors: Tuple[TensorSpec, ...] = field(compare=False)
    """The specs of a tensor schema (empty for a column schema)."""
    names: Tuple[Union[str, int], ...] = field(compare=False)
    """Every name in order; positions where the schema is unnamed."""

    def __init__(self, inputs: Sequence[Union[ColSpec, TensorSpec]]) -> None:
        specs = tuple(inputs)
        problem = _schema_problem(specs)
        if problem is not None:
            raise InvalidSchema(f"a schema {problem}")
        object.__setattr__(self, "specs", specs)
        object.__setattr__(self, "columns", tuple(spec for spec in specs if isinstance(spec, ColSpec)))
        object.__setattr__(self, "tensors", tuple(spec for spec in specs if isinstance(spec, TensorSpec)))
        names = (position if spec.name is None else spec.name for position, spec in enumerate(specs))
        object.__setattr__(self, "names", tuple(names))

    @property
    def is_tensor(self) -> bool:
        return isinstance(self.specs[0], TensorSpec)

    @property
    def has_names(self) -> bool:
        return self.specs[0].name is not None

    @property
    def inputs(self) -> List[Union[ColSpec, TensorSpec]]:
        """The specs as a list."""
        return list(self.specs)

    def is_tensor_spec(self) -> bool:
        return self.is_tensor

    def has_input_names(self) -> bool:
        return self.has_names

    def input_names(self) -> List[Union[str, int]]:
        """Every name in order; positions where the schema is unnamed."""
        return list(self.names)

    def required_input_names(self) -> List[Union[str, int]]:
        """The names of what must be there."""
        return [name for name, spec in zip(self.names, self.specs) if spec.required]

    def optional_input_names(self) -> List[Union[str, int]]:
        """The names of what may be absent."""
        return [name for name, spec in zip(self.names, self.specs) if not spec.required]

    def input_types(self) -> List[Any]:
        """The type of each column, or the ``numpy.dtype`` of each tensor."""
        return [spec.type for spec in self.specs]

    def input_types_dict(self) -> Dict[Union[str, int], Any]:
        """Names with their types. Raises ``InvalidSchema`` where there are no names."""
        return {name: spec.type for name, spec in self.input_dict().items()}

    def input_dict(self) -> Dict[Union[str, int], Union[ColSpec, TensorSpec]]:
        """Names with their specs. Raises ``InvalidSchema`` where there are no names."""
        if not self.has_names:
            raise InvalidSchema("the schema has no names")
        return dict(zip(self.names, self.specs))

    def numpy_types(self) -> List[Any]:
        """The numpy dtype of each column or tensor. Raises ``InvalidSchema`` for nested types."""
        if self.is_tensor:
            return self.input_types()
        return [kind.to_numpy() for kind in self._scalar_types()]

    def pandas_types(self) -> List[Any]:
        """The dtype of each column of a frame. Raises ``InvalidSchema`` for tensors and nested types."""
        if self.is_tensor:
            raise InvalidSchema("tensors have no pandas types; numpy_types() gives theirs")
        return [kind.to_pandas() for kind in self._scalar_types()]

    def _scalar_types(self) -> List[Scalar]:
        kinds = [spec.type for spec in self.columns]
        scalars = [kind for kind in kinds if isinstance(kind, Scalar)]
        if len(scalars) < len(kinds):
            raise InvalidSchema("the schema has columns that hold more than scalars, which have no such type")
        return scalars

    def __len__(self) -> int:
        return len(self.specs)

    def __iter__(self) -> Iterator[Union[ColSpec, TensorSpec]]:
        return iter(self.specs)

    def __repr__(self) -> str:
        return repr(self.inputs)

    def to_dict(self) -> List[Dict[str, Any]]:
        """As plain JSON values, in the keys and order in which MLflow 3 writes them."""
        return [spec.to_dict() for spec in self.specs]

    def to_json(self) -> str:
        """The text that an MLmodel file holds."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, entries: Any) -> "Schema":
        """The schema of parsed JSON, as MLflow of any age wrote it. Raises ``InvalidSchema`` naming the spec."""
        return cls(
            [_read(entry, TensorSpec if entry.get("type") == "tensor" else ColSpec) for entry in spec_entries(entries)]
        )

    @classmethod
    def from_json(cls, text: str) -> "Schema":
        """The schema of a JSON text, as MLflow of any age wrote it. Raises ``InvalidSchema`` naming the spec."""
        return cls.from_dict(_parsed(text))


class ParamSchema(Tuple[ParamSpec, ...]):
    """The inference parameters of a model: a tuple of ``ParamSpec`` with different names and fitting defaults."""

    def __new__(cls, params: Sequence[ParamSpec]) -> "ParamSchema":
        if not all(isinstance(spec, ParamSpec) for spec in params):
            raise InvalidSchema("a schema of parameters is a list of ParamSpec")
        names = [spec.name for spec in params]
        if len(set(names)) < len(names):
            raise InvalidSchema(f"a schema names a parameter twice: {shown(_twice(names))}")
        for spec in params:
            _check_default(spec)
        return super().__new__(cls, params)

    @property
    def params(self) -> List[ParamSpec]:
        """The specs as a list."""
        return list(self)

    def __repr__(self) -> str:
        return repr(self.params)

    def to_dict(self) -> List[Dict[str, Any]]:
        """As plain JSON values, in the keys and order in which MLflow 3 writes them."""
        return [spec.to_dict() for spec in self]

    def to_json(self) -> str:
        """The text that an MLmodel file holds."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> "ParamSchema":
        """The parameters of a JSON text, as MLflow of any age wrote it. Raises ``InvalidSchema`` naming the spec."""
        return cls([_read(entry, ParamSpec) for entry in spec_entries(_parsed(text))])


@dataclass(frozen=True, repr=False)
class Signature:
    """What a model takes and gives. None: unknown, so nothing is checked. MLflow calls this class ``ModelSignature``."""

    inputs: Optional[Schema] = None
    outputs: Optional[Schema] = None
    params: Optional[ParamSchema] = None
    is_from_type_hint: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        for part, schema in (("inputs", self.inputs), ("outputs", self.outputs)):
            if schema is not None and not isinstance(schema, Schema):
                raise InvalidSchema(
                    f"the {part} of a signature must be a Schema, found {type(schema).__name__}",
                    hint="infer_signature makes a Schema from data, and from a dataclass",
                )
        if self.params is not None and not isinstance(self.params, ParamSchema):
            object.__setattr__(self, "params", ParamSchema(self.params))
        if self.inputs is None and self.outputs is None and self.params is None:
            raise InvalidSchema("a signature needs inputs, outputs or params")

    def __repr__(self) -> str:
        return f"inputs: \n  {self.inputs!r}\noutputs: \n  {self.outputs!r}\nparams: \n  {self.params!r}\n"

    def to_dict(self) -> Dict[str, Optional[str]]:
        """The ``signature`` of an MLmodel file: JSON texts, or None."""
        parts = {"inputs": self.inputs, "outputs": self.outputs, "params": self.params}
        return {part: schema.to_json() if schema else None for part, schema in parts.items()}

    @classmethod
    def from_dict(cls, data: Dict[str, Any]) -> "Signature":
        """The signature of which ``to_dict`` is ``data``. Raises ``InvalidSchema`` naming the spec it cannot read."""
        inputs, outputs, params = (data.get(part) for part in ("inputs", "outputs", "params"))
        return cls(
            inputs=Schema.from_json(inputs) if inputs else None,
            outputs=Schema.from_json(outputs) if outputs else None,
            params=ParamSchema.from_json(params) if params else None,
        )


def _schema_problem(specs: Sequence[Any]) -> Optional[str]:
    if not specs:
        return "has no spec at all"
    if not all(isinstance(spec, (ColSpec, TensorSpec)) for spec in specs):
        return f"is a list of ColSpec or of TensorSpec, found {shown([type(spec).__name__ for spec in specs])}"
    names = [spec.name for spec in specs]
    unnamed = names.count(None)
    if unnamed not in (0, len(names)):
        return f"mixes named and unnamed specs: {shown(names)}"
    tensors = sum(isinstance(spec, TensorSpec) for spec in specs)
    if tensors not in (0, len(specs)):
        return f"mixes columns and tensors: {shown(names)}"
    if unnamed and tensors > 1:
        return f"has {tensors} tensors without names"
    if unnamed and not all(spec.required for spec in specs):
        return "has an optional column without a name"
    return None


# -- reading


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidSchema(f"what should hold specs is not JSON: {error}") from None


def spec_entries(entries: Any) -> List[Dict[str, Any]]:
    """The specs of parsed JSON, still as dictionaries. Raises ``InvalidSchema`` where that is no list of objects."""
    if isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries):
        return entries
    raise InvalidSchema(f"expected a list of specs, found {shown(entries)}")


def _read(entry: Dict[str, Any], kind: Any) -> Any:
    try:
        return kind.from_json_dict(**entry)
    except InvalidSchema as problem:
        raise InvalidSchema(f"a spec cannot be read: {problem.message}, in {shown(entry)}") from None


def _read_required(entry: Dict[str, Any]) -> bool:
    """MLflow up to 2.9 wrote ``optional`` instead of ``required``; neither one, or null, means required."""
    if entry.get("required") is not None:
        return bool(entry["required"])
    return not entry.get("optional")


def _read_type(entry: Dict[str, Any]) -> DataType:
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
    return _read_type(inner)


def _read_object(entry: Dict[str, Any]) -> Object:
    properties = entry.get("properties")
    if not isinstance(properties, dict) or not properties or not all(isinstance(p, dict) for p in properties.values()):
        raise InvalidSchema(f"'properties' must be an object of types, not empty, found {shown(properties)}")
    return Object([Property(name, _read_type(inner), _read_required(inner)) for name, inner in properties.items()])
