"""Which data may be joined, and that joining and splitting gives every request its own rows back."""

from typing import Any

import pytest

from modelport_runtime import batching
from modelport_runtime.batching import CannotSplit, join, joining_key, row_count, same_predictions, split
from modelport_runtime.data_types import Scalar
from modelport_runtime.payload.blocks import BlockReader
from modelport_runtime.schema import Schema
from modelport_runtime.specs import ColSpec

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")

DOUBLES = BlockReader.of(Schema((ColSpec(Scalar("double"), "x"), ColSpec(Scalar("double"), "y"))))


def block(rows: list[list[float]]) -> Any:
    assert DOUBLES is not None
    return DOUBLES.read("dataframe_split", {"columns": ["x", "y"], "data": rows})


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (block([[1.0, 2.0]] * 3), 3),
        (pd.DataFrame({"a": [1, 2]}), 2),
        (pd.DataFrame(columns=["a"]), 0),
        (np.zeros((4, 2)), 4),
        (np.float64(1), 1),
        ({"a": np.zeros(5), "b": np.zeros((5, 2))}, 5),
        ({}, 0),
        (["a", "b"], 2),
        ("text", 1),
        (None, 1),
    ],
)
def test_rows_are_counted_in_every_container(data: Any, rows: int) -> None:
    assert row_count(data) == rows


FRAME = pd.DataFrame({"a": [1.0], "b": [1]})


@pytest.mark.parametrize(
    ("left", "right", "joined"),
    [
        (FRAME, FRAME.copy(), True),
        (FRAME, FRAME[["b", "a"]], False),
        (FRAME, FRAME[["a"]], False),
        (FRAME, FRAME.astype({"b": "float64"}), False),
        (np.zeros((1, 2)), np.zeros((5, 2)), True),
        (np.zeros((1, 2)), np.zeros((1, 3)), False),
        (np.zeros((1, 2)), np.zeros((1, 2), "float32"), False),
        (np.zeros((1, 2)), pd.DataFrame(np.zeros((1, 2))), False),
        ({"a": np.zeros(2)}, {"a": np.ones(3)}, True),
        ({"a": np.zeros(2)}, {"b": np.zeros(2)}, False),
        (block([[1.0, 2.0]]), block([[3.0, 4.0]]), True),
    ],
)
def test_only_data_of_one_shape_has_one_key(left: Any, right: Any, joined: bool) -> None:
    left_key, right_key = joining_key(left, {}), joining_key(right, {})
    assert left_key is not None
    assert (left_key == right_key) is joined


@pytest.mark.parametrize(
    "data",
    ["text", ["a"], None, np.float64(1), {}, {"a": [1, 2]}, {"a": np.zeros(2), "b": np.zeros(3)}, {"a": np.array(1.0)}],
)
def test_what_has_no_rows_of_its_own_is_never_joined(data: Any) -> None:
    assert joining_key(data, {}) is None


def test_parameters_are_part_of_the_key() -> None:
    data = np.zeros((1, 2))
    assert joining_key(data, {"t": 1}) == joining_key(data, {"t": 1})
    assert joining_key(data, {"t": 1}) != joining_key(data, {"t": 2})
    assert joining_key(data, {"t": 1}) != joining_key(data, {})
    assert joining_key(data, {"t": 1}) != joining_key(data, {"t": 1.0})


@pytest.mark.parametrize(
    "parts",
    [
        [np.arange(4.0).reshape(2, 2), np.arange(2.0).reshape(1, 2)],
        [pd.DataFrame({"a": [1, 2], "t": ["x", "y"]}), pd.DataFrame({"a": [3], "t": ["z"]}, index=[7])],
        [{"a": np.arange(2), "b": np.zeros((2, 3))}, {"a": np.arange(1), "b": np.ones((1, 3))}],
        [np.zeros((3, 1))],
    ],
)
def test_joined_and_split_again_every_part_has_its_rows(parts: list[Any]) -> None:
    sizes = [row_count(part) for part in parts]
    shares = split(join(parts), sizes)
    assert [row_count(share) for share in shares] == sizes
    for share, part in zip(shares, parts, strict=True):
        if isinstance(part, dict):
            for name in part:
                np.testing.assert_array_equal(share[name], part[name])
        else:
            np.testing.assert_array_equal(np.asarray(share), np.asarray(part))


def test_blocks_are_joined_into_one_array() -> None:
    joined = join([block([[1.0, 2.0]]), block([[3.0, 4.0], [5.0, 6.0]])])
    assert joined.array().tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


@pytest.mark.parametrize(
    ("prediction", "shares"),
    [
        (np.array([1, 2, 3]), [[1], [2, 3]]),
        (np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), [[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]]),
        (["a", "b", "c"], [["a"], ["b", "c"]]),
        (np.array(["a", "b", "c"]), [["a"], ["b", "c"]]),
        (pd.Series([1, 2, 3], index=[9, 9, 9]), [[1], [2, 3]]),
        ({"p": np.array([1, 2, 3]), "q": ["x", "y", "z"]}, [{"p": [1], "q": ["x"]}, {"p": [2, 3], "q": ["y", "z"]}]),
    ],
)
def test_a_prediction_with_one_row_per_row_is_cut(prediction: Any, shares: list[Any]) -> None:
    def plain(share: Any) -> Any:
        if isinstance(share, dict):
            return {name: list(value) for name, value in share.items()}
        return np.asarray(share).tolist()

    assert [plain(share) for share in split(prediction, [1, 2])] == shares


@pytest.mark.parametrize(
    "prediction",
    [
        np.array([1, 2]),
        np.array(5),
        [1, 2, 3, 4],
        pd.DataFrame({"a": [1, 2]}),
        {"p": [1, 2, 3], "q": [1]},
        {},
        "abc",
        (1, 2, 3),
        7.0,
        None,
    ],
)
def test_a_prediction_without_one_row_per_row_cannot_be_cut(prediction: Any) -> None:
    with pytest.raises(CannotSplit):
        split(prediction, [1, 2])


@pytest.mark.parametrize(
    ("joined", "alone", "same"),
    [
        ([1.0, 2.0], np.array([1.0, 2.0 + 1e-7]), True),
        ([1.0], np.array([1.001]), False),
        ([float("nan")], np.array([float("nan")]), True),
        (["a"], np.array(["a"]), True),
        (["a"], np.array(["b"]), False),
        ([1, 2], np.array([1, 2, 3]), False),
        ({"p": [1.0]}, {"p": np.array([1.0])}, True),
        ({"p": [1.0]}, {"q": np.array([1.0])}, False),
    ],
)
def test_predictions_are_the_same_when_labels_equal_and_floats_are_close(joined: Any, alone: Any, same: bool) -> None:
    assert same_predictions(joined, alone) is same


def test_the_first_row_keeps_its_container() -> None:
    assert batching.first_row(FRAME.loc[[0, 0]]).equals(FRAME)
    assert batching.first_row(np.arange(3)).tolist() == [0]
    assert batching.first_row({"a": np.arange(3)})["a"].tolist() == [0]
