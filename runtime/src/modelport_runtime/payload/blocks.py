"""The short way to a model: rows whose values already have the declared types become column blocks at once.

Whatever is not plainly right here takes the general way (``decoding`` → ``casting`` → ``enforcement``), which gives the
same data or a good error: this module only ever says "it fits" or "I cannot tell".
"""

import struct
from itertools import chain
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from modelport_runtime.columns import Column, texts
from modelport_runtime.data_types import Scalar
from modelport_runtime.schema import Schema

_SHORT_TYPES = {"double", "long", "integer", "boolean", "string"}
_KINDS = {"double": "float64", "long": "int64", "integer": "int32", "boolean": "bool", "string": "utf8"}
"""What the columns of a table have to be to need no look at their values."""
_MAX_LAYOUTS = 64
"""How many different column orders are remembered; clients of one model use one or two."""

Columns = Union[Any, List[Any]]
"""All double: one float64 array (rows, columns). Mixed: per column a 1-D array, or a list of str for text."""


class Block:
    """Rows of one request, in the order of the signature. ``index`` is what a split frame brought along."""

    __slots__ = ("columns", "index", "rows", "table")

    def __init__(self, table: "BlockReader", columns: Columns, rows: int, index: Optional[List[Any]] = None) -> None:
        self.table = table
        self.columns = columns
        self.rows = rows
        self.index = index

    def array(self) -> Any:
        """The float64 array (rows, columns) of an all-double signature."""
        return self.columns

    def frame(self) -> Any:
        """The DataFrame that MLflow would hand to the model."""
        import pandas as pd

        labels = self.table.labels()
        if self.table.all_double:
            return pd.DataFrame(self.columns, columns=labels, index=self.index, copy=False)
        frame = pd.DataFrame(dict(zip(self.table.names, self.columns)), copy=False)
        frame.columns = labels
        if self.index is not None:
            frame.index = pd.Index(self.index)
        return frame


def join(blocks: Sequence[Block]) -> Block:
    """The rows of all blocks (of one table), one after the other."""
    import numpy as np

    table, rows = blocks[0].table, sum(block.rows for block in blocks)
    if table.all_double:
        return Block(table, np.concatenate([block.columns for block in blocks]), rows)
    columns = [
        list(chain.from_iterable(parts)) if isinstance(parts[0], list) else np.concatenate(parts)
        for parts in zip(*(block.columns for block in blocks))
    ]
    return Block(table, columns, rows)


class BlockReader:
    """Reads rows for one schema of named scalar columns."""

    def __init__(self, names: Sequence[Union[str, int]], types: Sequence[str]) -> None:
        self.names = tuple(names)
        self.types = tuple(types)
        self.all_double = all(name == "double" for name in types)
        self._labels: Any = None
        self._layouts: Dict[Tuple[Any, ...], Optional[List[int]]] = {}
        self._in_order = list(range(len(self.names)))
        self._texts = tuple(str(name) for name in self.names)

    @classmethod
    def of(cls, schema: Optional[Schema]) -> Optional["BlockReader"]:
        """A reader for this schema, or None where every request has to take the general way."""
        if schema is None or schema.is_tensor or not schema.has_names or len(set(schema.names)) != len(schema.specs):
            return None
        types = [spec.type.name if isinstance(spec.type, Scalar) else "" for spec in schema.columns]
        return cls(schema.names, types) if set(types) <= _SHORT_TYPES else None

    def labels(self) -> Any:
        """The column labels as one pandas Index, made once: a new one per request costs four times the frame."""
        if self._labels is None:
            import pandas as pd

            self._labels = pd.Index(list(self.names))
        return self._labels

    def read(self, form: str, value: Any, strict: bool = False) -> Optional[Block]:
        """The block of a ``dataframe_split`` or ``dataframe_records`` value, or None: take the general way.

        ``strict`` is the policy's: a truth value is no number then, and a number is exact in its type.
        """
        index = None
        if form == "dataframe_split" and type(value) is dict:
            names, rows, index = value.get("columns"), value.get("data"), value.get("index")
            if type(names) is not list or not value.keys() <= {"columns", "data", "index"}:
                return None
            if index is not None and (type(rows) is not list or type(index) is not list or len(index) != len(rows)):
                return None
        elif form == "dataframe_records" and type(value) is list and value and type(value[0]) is dict:
            names = list(value[0])
            if any(type(record) is not dict or list(record) != names for record in value):
                return None
            rows = [list(record.values()) for record in value]
        else:
            return None
        if type(rows) is not list or not rows:
            return None
        columns = self._columns(names, rows)
        if columns is None or (strict and not self._is_exact(columns, rows)):
            return None
        return Block(self, columns, len(rows), index)

    def _is_exact(self, columns: Columns, rows: List[Any]) -> bool:
        if self.all_double:
            return _are_exact_numbers(columns, chain.from_iterable(rows))
        if "boolean" not in self.types and bool in set(map(type, chain.from_iterable(rows))):
            return False
        return "boolean" not in self.types and all(
            _are_exact_numbers(column, ()) for column, name in zip(columns, self.types) if name == "double"
        )

    def read_table(self, rows: int, columns: Sequence[Column]) -> Optional[Block]:
        """The block of a table on the wire, or None: take the general way.

        Raises InvalidInput for text that is no UTF-8.
        """
        import numpy as np

        found = {str(column.name): column for column in columns}
        if len(found) != len(columns) or len(set(self._texts)) != len(self._texts) or not rows:
            return None
        taken = [found.get(name) for name in self._texts]
        for column, type_name in zip(taken, self.types):
            if column is None or column.kind != _KINDS[type_name] or column.shape or column.validity is not None:
                return None
        if self.all_double:
            array: Any = np.empty((rows, len(taken)))
            for position, column in enumerate(taken):
                array[:, position] = np.frombuffer(column.data, dtype="<f8")  # type: ignore[union-attr]
            return Block(self, array, rows)
        return Block(self, [_of_table(column) for column in taken if column is not None], rows)

    def _columns(self, names: List[Any], rows: List[Any]) -> Optional[Columns]:
        try:
            key = tuple(names)
            layout = self._layouts[key]
        except KeyError:
            layout = self._layout(names)
            if len(self._layouts) < _MAX_LAYOUTS:
                self._layouts[key] = layout
        except TypeError:
            return None  # a column name that is no scalar
        if layout is None:
            return None
        if self.all_double:
            return self._doubles(rows, len(names), layout)
        if any(type(row) is not list or len(row) != len(names) for row in rows):
            return None
        by_column = list(zip(*rows))
        columns: List[Any] = []
        for position, type_name in zip(layout, self.types):
            column = _column(by_column[position], type_name)
            if column is None:
                return None
            columns.append(column)
        return columns

    def _layout(self, names: List[Any]) -> Optional[List[int]]:
        """Where each column of the signature stands in the request; None when one is missing or named twice."""
        positions = {name: position for position, name in enumerate(names)}
        if len(positions) != len(names) or any(name not in positions for name in self.names):
            return None
        return [positions[name] for name in self.names]

    def _doubles(self, rows: List[Any], width: int, layout: List[int]) -> Optional[Any]:
        array = _numbers(rows, (len(rows), width), "d")
        if array is None or (layout == self._in_order and width == len(layout)):
            return array
        return array[:, layout]


class TensorReader:
    """Reads nested lists for a schema of one unnamed tensor of floats."""

    def __init__(self, dtype: str, shape: Tuple[int, ...]) -> None:
        self._code = {"float32": "f", "float64": "d"}[dtype]
        self._shape = shape

    def read(self, form: str, value: Any, strict: bool = False) -> Optional[Any]:
        """The tensor of an ``inputs`` or ``instances`` value, or None: take the general way (``strict``: as above)."""
        if form not in ("inputs", "instances"):
            return None
        shape, level = [], value
        for _ in self._shape:
            if type(level) is not list or not level:
                return None
            shape.append(len(level))
            level = level[0]
        if any(wanted not in (-1, found) for wanted, found in zip(self._shape, shape)):
            return None
        rows = value
        for width in shape[1:-1]:
            if set(map(type, rows)) != {list} or set(map(len, rows)) != {width}:
                return None
            rows = list(chain.from_iterable(rows))
        array = _numbers(rows, tuple(shape), self._code)
        if strict and array is not None and not _are_exact_numbers(array, chain.from_iterable(rows)):
            return None
        return array


def reader_for(schema: Optional[Schema]) -> Union[BlockReader, TensorReader, None]:
    """The short way for this schema, or None where every request has to take the general way."""
    if schema is not None and schema.is_tensor and len(schema.specs) == 1 and not schema.has_names:
        (spec,) = schema.tensors
        fits = spec.dtype in ("float32", "float64") and len(spec.shape) > 1
        return TensorReader(spec.dtype, spec.shape) if fits else None
    return BlockReader.of(schema)


def _numbers(rows: List[Any], shape: Tuple[int, ...], code: str) -> Optional[Any]:
    """Lists of numbers, each as long as the last dimension, as one float array; None for anything else.

    ``struct`` takes integers, floats and truth values, refuses all else, and is four times as quick as ``np.array``.
    """
    import numpy as np

    if set(map(type, rows)) != {list} or set(map(len, rows)) != {shape[-1]}:
        return None
    array: Any = np.empty(shape, dtype=np.float32 if code == "f" else np.float64)
    values = rows[0] if len(rows) == 1 else chain.from_iterable(rows)
    try:
        struct.pack_into(f"{array.size}{code}", array, 0, *values)
    except (struct.error, OverflowError):
        return None
    return array


def _are_exact_numbers(array: Any, values: Iterable[Any]) -> bool:
    """Whether no value was a truth value, and none is so large that an integer may have been rounded."""
    import numpy as np

    limit = 2.0**24 if array.dtype == np.float32 else 2.0**53
    return bool((np.abs(array) < limit).all()) and bool not in set(map(type, values))


def _of_table(column: Column) -> Any:
    """A column without gaps as an array of its own (a list for text)."""
    import numpy as np

    if column.kind == "utf8":
        return texts(column)
    if column.kind == "bool":
        return np.frombuffer(column.data, dtype=np.uint8) != 0
    dtype = np.dtype(column.kind)
    return np.frombuffer(column.data, dtype=dtype.newbyteorder("<")).astype(dtype)


def _column(values: Tuple[Any, ...], type_name: str) -> Optional[Any]:
    """The values as an array of the declared type (a list for text), or None when one is of another type."""
    import numpy as np

    if type_name == "string":
        return list(values) if set(map(type, values)) == {str} else None
    try:
        array = np.array(values)
    except (ValueError, OverflowError):
        return None
    if array.ndim != 1:
        return None
    kind = array.dtype.kind
    if type_name == "double":
        return array.astype(np.float64, copy=False) if kind in "fi" else None
    if type_name == "boolean":
        return array if kind == "b" else None
    if array.dtype != np.int64:
        return None
    if type_name == "integer":
        return array.astype(np.int32) if array.min() >= -(2**31) and array.max() < 2**31 else None
    return array
