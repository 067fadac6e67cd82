"""What a signature says about data: schemas of specs, and their JSON.

Spelled as in MLflow: ``modelport.types`` hands these very classes to callers. Nothing here touches data; ``enforcement``
and ``casting`` do.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from modelport_runtime.data_types import InvalidSchema, Scalar, shown, twice
from modelport_runtime.specs import ColSpec, ParamSpec, TensorSpec, check_default


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
            raise InvalidSchema(f"a schema names a parameter twice: {shown(twice(names))}")
        for spec in params:
            check_default(spec)
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
