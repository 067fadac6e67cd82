"""Pickles that bring code by value are told from those that only name it, whatever wrote them."""

import io
import json
import pickle
import pickletools
from pathlib import Path
from typing import Any

import pytest

from modelport_runtime.pickled_code import holds_code

cloudpickle = pytest.importorskip("cloudpickle")


def defined_here() -> dict[str, Any]:
    """What cloudpickle cannot import by name: made in a module that there is not."""
    namespace: dict[str, Any] = {"__name__": "a_script"}
    exec(
        "class Plain:\n    def predict(self, data): return data\n"
        "class Outer:\n    def __init__(self, inner): self.inner = inner\n"
        "def function(data): return data\n"
        "by_default = lambda data, factor=2: data * factor\n",
        namespace,
    )
    return namespace


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", ["Plain", "Outer", "function", "by_default"])
@pytest.mark.parametrize("optimized", [False, True])
def test_functions_and_classes_by_value_are_found(protocol: int, name: str, optimized: bool) -> None:
    thing = defined_here()[name]
    thing = thing() if name == "Plain" else thing(io.StringIO) if name == "Outer" else thing
    data = cloudpickle.dumps(["CodeType", 1.5, {"model": thing}], protocol=protocol)
    assert holds_code(io.BytesIO(pickletools.optimize(data) if optimized else data))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "thing",
    [
        Path("x"),
        [json.dumps, len, str.upper],
        type(None),
        ["cloudpickle.cloudpickle", "CodeType", "_builtin_type CodeType"],
        {"text": "cloudpickle.cloudpickle _builtin_type"},
        list(range(1000)),
    ],
    ids=["path", "functions", "class", "words", "text", "numbers"],
)
def test_what_is_imported_by_name_or_is_mere_data_is_no_code(protocol: int, thing: Any) -> None:
    assert not holds_code(io.BytesIO(cloudpickle.dumps(thing, protocol=protocol)))
    assert not holds_code(io.BytesIO(pickle.dumps(thing, protocol=protocol)))


def test_nothing_is_executed() -> None:
    class Exploding:
        def __reduce__(self) -> Any:
            return (exec, ("raise AssertionError('executed')",))

    assert not holds_code(io.BytesIO(pickle.dumps(Exploding())))


@pytest.mark.parametrize("data", [b"", b"no pickle", b"\x80\x04\x95", b"PK\x03\x04 an archive", b"\x80\xff\x8c"])
def test_what_is_no_pickle_is_left_to_its_loader(data: bytes) -> None:
    assert not holds_code(io.BytesIO(data))
