"""Whatever a model returns leaves as valid JSON, the same with and without orjson."""

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import pathlib
import uuid

import numpy as np
import pandas as pd
import pytest

from modelport_runtime.errors import ModelFailed
from modelport_runtime.payload.encoding import encode_predictions
from tests.runtime.payload.test_jsonio import library  # noqa: F401  a fixture


@dataclasses.dataclass
class Point:
    x: float
    rest: object = None


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class PydanticLike:
    def model_dump(self):
        return {"a": np.int64(1), "b": [np.float32(0.5)]}


class Opaque:
    def __str__(self):
        return "opaque"


Pair = collections.namedtuple("Pair", "a b")
MOMENTS = np.array(["2020-01-02T03:04:05", "2020-01-02T03:04:05.123", "2020-01-02T03:04:05.123456789", "NaT"], "M8[ns]")
TEXTS = ["2020-01-02T03:04:05", "2020-01-02T03:04:05.123000", "2020-01-02T03:04:05.123456789"]


def predictions(value):
    return json.loads(encode_predictions(value), parse_constant=pytest.fail)["predictions"]


def frame(**columns):
    return pd.DataFrame(columns)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: np.array([1.5, 2.5]), [1.5, 2.5]),
        (lambda: np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (lambda: np.arange(6.0).reshape(2, 3).T, [[0, 3], [1, 4], [2, 5]]),
        (lambda: np.array(5.5), 5.5),
        (lambda: np.zeros((0, 3)), []),
        (lambda: np.zeros((2, 0)), [[], []]),
        (lambda: np.array([np.nan, np.inf, 1]), [None, None, 1]),
        (lambda: np.array([0.1, np.nan], dtype=np.float32), [float(np.float32(0.1)), None]),
        (lambda: np.array([0.1], dtype=np.float16), [float(np.float16(0.1))]),
        (lambda: np.array([0.5], dtype=np.longdouble), [0.5]),
        (lambda: np.array([1.5], dtype=">f8"), [1.5]),
        (lambda: np.array([2**64 - 1], dtype=np.uint64), [2**64 - 1]),
        (lambda: np.array([True, False]), [True, False]),
        (lambda: np.array(["a", "é"]), ["a", "é"]),
        (lambda: np.array([b"test"]), ["dGVzdA==\n"]),
        (lambda: np.array([1, "a", None, np.float64(2), np.array([1, 2])], dtype=object), [1, "a", None, 2, [1, 2]]),
        (lambda: MOMENTS, [*TEXTS, None]),
        (lambda: np.array(["2020-01-02"], dtype="M8[D]"), ["2020-01-02"]),
        (lambda: np.array([90], dtype="m8[s]"), [90]),
        (lambda: np.array([1 + 2j]), [{"real": 1, "imag": 2}]),
        (lambda: np.ma.array([1.0, 2.0], mask=[False, True]), [1, None]),
        (lambda: np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]), [[1, 2.5]]),
    ],
)
@pytest.mark.divergence("nan", "timedelta", "complex", "long-double")
def test_arrays(make, expected):
    assert predictions(make()) == expected


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: frame(a=[1.5, np.nan], b=["x", None]), [{"a": 1.5, "b": "x"}, {"a": None, "b": None}]),
        (lambda: pd.DataFrame(np.arange(4.0).reshape(2, 2)), [{"0": 0, "1": 1}, {"0": 2, "1": 3}]),
        (lambda: pd.DataFrame({"a": []}), []),
        (lambda: pd.DataFrame(), []),
        (lambda: pd.DataFrame(index=range(2)), [{}, {}]),
        (lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]), [{"a": 2}]),
        (
            lambda: pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])),
            [{"('a', 'b')": 1, "('a', 'c')": 2}],
        ),
        (lambda: frame(t=MOMENTS), [{"t": text} for text in [*TEXTS, "NaT"]]),
        (
            lambda: frame(t=pd.to_datetime(["2020-01-02"]).tz_localize("Europe/Berlin")),
            [{"t": "2020-01-02T00:00:00+01:00"}],
        ),
        (lambda: frame(d=pd.to_timedelta([1500, None], unit="ms")), [{"d": 1.5}, {"d": None}]),
        (lambda: frame(a=pd.array([1, None], dtype="Int64")), [{"a": 1}, {"a": None}]),
        (lambda: frame(a=pd.array([True, None], dtype="boolean")), [{"a": True}, {"a": None}]),
        (lambda: frame(a=pd.Categorical(["x", None])), [{"a": "x"}, {"a": None}]),
        (lambda: frame(a=pd.arrays.SparseArray([0, 1])), [{"a": 0}, {"a": 1}]),
        (lambda: frame(a=pd.period_range("2020-01", periods=1, freq="D")), [{"a": "2020-01-01"}]),
        (lambda: frame(a=np.array([0.1], dtype=np.float32)), [{"a": float(np.float32(0.1))}]),
        (
            lambda: frame(a=[{"k": np.float32(0.5)}, b"ab"], b=[[1], np.array([np.nan])]),
            [{"a": {"k": 0.5}, "b": [1]}, {"a": "YWI=\n", "b": [None]}],
        ),
        (lambda: pd.Series([1, 2]), [{"0": 1}, {"0": 2}]),
        (lambda: pd.Series([1.5], name="score", index=["row"]), [{"score": 1.5}]),
        (lambda: pd.Series(["a", None]), [{"0": "a"}, {"0": None}]),
        (lambda: {"table": frame(x=[1]), "column": pd.Series([1, 2])}, {"table": [{"x": 1}], "column": [1, 2]}),
        (lambda: pd.Index([1, 2]), [1, 2]),
        (lambda: [pd.NA, pd.NaT, pd.Timestamp("2020-01-02", tz="UTC")], [None, "NaT", "2020-01-02T00:00:00+00:00"]),
    ],
)
@pytest.mark.divergence("key-types", "timedelta", "pandas-parts")
def test_frames(make, expected):
    assert predictions(make()) == expected


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: [1, 2.5, "a", None, True], [1, 2.5, "a", None, True]),
        (lambda: {"a": np.array([1.0]), "b": np.int64(3), "c": np.bool_(True)}, {"a": [1], "b": 3, "c": True}),
        (lambda: [np.float32(0.1), np.float64("nan"), np.str_("s")], [float(np.float32(0.1)), None, "s"]),
        (lambda: {np.int64(1): 2, (1, 2): 3, datetime.date(2020, 1, 2): 4}, {"1": 2, "(1, 2)": 3, "2020-01-02": 4}),
        (lambda: [decimal.Decimal("1.10"), decimal.Decimal("NaN"), fractions.Fraction(1, 2)], [1.1, None, 0.5]),
        (lambda: {3, 1, 2}, [1, 2, 3]),
        (lambda: (i for i in range(3)), [0, 1, 2]),
        (lambda: {"a": (i for i in range(2)), 1: 2**70}, {"a": [0, 1], "1": 2**70}),
        (lambda: [range(2), collections.deque([1]), {1: 2}.keys()], [[0, 1], [1], [1]]),
        (lambda: [datetime.timedelta(seconds=1.5), datetime.time(1, 2)], [1.5, "01:02:00"]),
        (lambda: [datetime.datetime(2020, 1, 2, 3, 4, 5), np.datetime64("2020-01-02")], [TEXTS[0], "2020-01-02"]),
        (lambda: [uuid.UUID(int=1), pathlib.PurePosixPath("/a")], ["00000000-0000-0000-0000-000000000001", "/a"]),
        (lambda: [1 + 2j], [{"real": 1, "imag": 2}]),
        (lambda: Point(1.0, [Point(2.0, np.array([1]))]), {"x": 1, "rest": [{"x": 2, "rest": [1]}]}),
        (lambda: [Colour.RED, Level.HIGH], ["red", 3]),
        (lambda: {"k": PydanticLike()}, {"k": {"a": 1, "b": [0.5]}}),
        (lambda: Pair(1, [2]), [1, [2]]),
        (lambda: bytearray(b"x" * 60), "eHh4" * 19 + "\n" + "eHh4\n"),
        (lambda: [Opaque(), ValueError("no")], ["opaque", "no"]),
        (lambda: None, None),
    ],
)
@pytest.mark.divergence(
    "key-types", "decimal", "timedelta", "complex", "sets-iterators", "dataclass-enum", "anything-else"
)
def test_plain_values(make, expected):
    assert predictions(make()) == expected


@pytest.mark.usefixtures("library")
def test_an_answer_to_a_chat_request_is_the_bare_prediction():
    assert json.loads(encode_predictions({"choices": [np.int64(1)]}, unwrapped=True)) == {"choices": [1]}
    assert json.loads(encode_predictions(frame(a=[1]), unwrapped=True)) == [{"a": 1}]


@pytest.mark.usefixtures("library")
@pytest.mark.divergence("itself")
def test_a_prediction_that_contains_itself_is_the_models_failure():
    loop: dict = {}
    loop["self"] = loop
    with pytest.raises(ModelFailed, match="contains itself"):
        encode_predictions(loop)


class WithList:
    def tolist(self):
        return [1, 2]


class WithDicts:
    def to_dicts(self):
        return [{"a": np.int64(1)}]


class WithPylist:
    def to_pylist(self):
        return [1, None]


class WithNumpy:
    def numpy(self):
        return np.array([1.5])


@pytest.mark.divergence("tensors-tables")
@pytest.mark.parametrize(
    ("make", "expected"), [(WithList, [1, 2]), (WithDicts, [{"a": 1}]), (WithPylist, [1, None]), (WithNumpy, [1.5])]
)
def test_tensors_and_tables_of_other_libraries_become_what_they_give(make, expected):
    assert predictions(make()) == expected
    assert predictions({"part": make()}) == {"part": expected}


@pytest.mark.divergence("sparse")
def test_sparse_matrices_become_dense_lists():
    sparse = pytest.importorskip("scipy.sparse")
    assert predictions(sparse.csr_matrix(np.eye(2))) == [[1, 0], [0, 1]]
