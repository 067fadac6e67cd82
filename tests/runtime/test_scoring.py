"""Joined equals unjoined, a bad neighbour spoils nothing, and what a model does wrong is that request's own failure."""

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport_runtime.data_types import Scalar
from modelport_runtime.errors import ModelportError
from modelport_runtime.flavors.predictor import Predictor
from modelport_runtime.schema import Schema, Signature
from modelport_runtime.scoring import INVOCATION, Request, Scorer
from modelport_runtime.specs import ColSpec

pd = pytest.importorskip("pandas")
np = pytest.importorskip("numpy")
pytest.importorskip("sklearn")


class Counting:
    """Wraps a predict function and keeps how many rows each call had."""

    def __init__(self, predict: Any) -> None:
        self.predict = predict
        self.calls: list[int] = []

    def __call__(self, data: Any, params: Any) -> Any:
        self.calls.append(len(data))
        return self.predict(data)


def scorer_of(predict: Any, schema: Schema, **predictor: Any) -> Scorer:
    loaded: Any = SimpleNamespace(
        predictor=Predictor(native=None, predict=predict, row_wise=True, **predictor),
        signature=Signature(inputs=schema),
    )
    return Scorer(loaded)


def requests(bodies: list[bytes]) -> list[Request]:
    return [Request(number, INVOCATION, body, time.perf_counter()) for number, body in enumerate(bodies)]


def outcome(body: Any) -> Any:
    return json.loads(body) if isinstance(body, bytes) else (body.code, body.message, body.details)


def together(scorer: Scorer, bodies: list[bytes]) -> list[Any]:
    answers = scorer.score(requests(bodies))
    assert sorted(answer.id for answer in answers) == list(range(len(bodies)))
    return [outcome(answer.body) for answer in sorted(answers, key=lambda answer: answer.id)]


def one_by_one(scorer: Scorer, bodies: list[bytes]) -> list[Any]:
    return [together(scorer, [body])[0] for body in bodies]


def assert_same(joined: list[Any], alone: list[Any]) -> None:
    for left, right in zip(joined, alone, strict=True):
        if isinstance(left, dict) and isinstance(right, dict):
            pair = (np.array(side["predictions"], float) for side in (left, right))  # null becomes NaN
            np.testing.assert_allclose(*pair, rtol=1e-6, atol=1e-6)
        else:
            assert left == right


SCHEMA = Schema((ColSpec(Scalar("double"), "x"), ColSpec(Scalar("string"), "t"), ColSpec(Scalar("double"), "y")))
DOUBLES = Schema((ColSpec(Scalar("double"), "x"), ColSpec(Scalar("double"), "y")))


@pytest.fixture(scope="module")
def forest() -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=80), "t": rng.choice(["a", "b"], 80), "y": rng.normal(size=80)})
    encoder = ColumnTransformer([("t", OneHotEncoder(handle_unknown="ignore"), ["t"])], remainder="passthrough")
    return make_pipeline(encoder, RandomForestRegressor(8, random_state=0)).fit(frame, frame.x + frame.y)


@pytest.fixture(scope="module")
def linear() -> Any:
    from sklearn.linear_model import LinearRegression

    rng = np.random.default_rng(0)
    data = rng.normal(size=(50, 2))
    return LinearRegression().fit(data, data.sum(axis=1))


numbers = st.floats(-1e6, 1e6) | st.integers(-1000, 1000)
good_rows = st.lists(st.tuples(numbers, st.sampled_from(["a", "b", "ç"]), numbers), min_size=0, max_size=7)
odd_cells = st.sampled_from([None, "1.5", "no number", [1], {"a": 1}, True, 1e308, 2**70])
odd_rows = st.lists(st.tuples(odd_cells | numbers, odd_cells | st.text(max_size=3), odd_cells | numbers), max_size=4)
split = st.builds(
    lambda rows, names: {"dataframe_split": {"columns": names, "data": [list(row) for row in rows]}},
    good_rows | odd_rows,
    st.sampled_from([["x", "t", "y"], ["x", "t", "y"], ["x", "t", "y"], ["x", "t"], ["x", "x", "y"]]),
)
records = st.builds(
    lambda rows: {"dataframe_records": [dict(zip("xty", row, strict=True)) for row in rows]}, good_rows | odd_rows
)
documents = (split | records | st.sampled_from([{}, [], {"inputs": 3}])).map(lambda value: json.dumps(value).encode())
bodies_lists = st.lists(documents | st.sampled_from([b"", b"{", b"\xff"]), min_size=2, max_size=12)


@settings(max_examples=120, deadline=None)
@given(bodies=bodies_lists)
def test_joined_equals_unjoined_on_a_mixed_frame(forest: Any, bodies: list[bytes]) -> None:
    scorer = scorer_of(lambda data, params: forest.predict(data), SCHEMA)
    assert_same(together(scorer, bodies), one_by_one(scorer, bodies))


@settings(max_examples=120, deadline=None)
@given(bodies=bodies_lists)
def test_joined_equals_unjoined_on_arrays(linear: Any, bodies: list[bytes]) -> None:
    scorer = scorer_of(lambda data, params: linear.predict(np.asarray(data)), DOUBLES, array_columns=("x", "y"))
    assert_same(together(scorer, bodies), one_by_one(scorer, bodies))


def points(*values: float) -> bytes:
    return json.dumps({"dataframe_split": {"columns": ["x", "y"], "data": [[value, 0.0] for value in values]}}).encode()


def test_what_may_be_joined_is_predicted_in_one_call() -> None:
    counting = Counting(lambda data: data.sum(axis=1))
    scorer = scorer_of(counting, DOUBLES, array_columns=("x", "y"))
    assert together(scorer, [points(1.0), points(2.0, 3.0), points(4.0)]) == [
        {"predictions": [1.0]},
        {"predictions": [2.0, 3.0]},
        {"predictions": [4.0]},
    ]
    assert counting.calls == [4]


def test_a_request_without_rows_is_not_joined() -> None:
    counting = Counting(lambda data: data.sum(axis=1))
    scorer = scorer_of(counting, DOUBLES)
    together(scorer, [points(), points(1.0), points(2.0)])
    assert sorted(counting.calls) == [0, 2]


def test_rows_of_one_call_are_capped() -> None:
    counting = Counting(lambda data: data.sum(axis=1))
    scorer = scorer_of(counting, DOUBLES, array_columns=("x", "y"))
    together(scorer, [points(*([1.0] * 3000))] * 5)
    assert counting.calls == [6000, 6000, 3000]


def test_a_bad_neighbour_is_found_by_halves_and_joining_pauses() -> None:
    def predict(data: Any) -> Any:
        if (data[:, 0] == 666).any():
            raise ValueError("bad row")
        return data.sum(axis=1)

    counting = Counting(predict)
    scorer = scorer_of(counting, DOUBLES, array_columns=("x", "y"))
    bodies = [points(666.0 if number == 5 else float(number)) for number in range(8)]
    outcomes = together(scorer, bodies)
    assert outcomes[5][0] == "BAD_REQUEST"
    assert [value for number, value in enumerate(outcomes) if number != 5] == [
        {"predictions": [float(number)]} for number in range(8) if number != 5
    ]
    assert counting.calls == [8, 4, 4, 2, 1, 1, 2]
    counting.calls.clear()
    together(scorer, bodies[:4])
    assert counting.calls == [1, 1, 1, 1]


@pytest.mark.parametrize("result", [[1.0], 3.0, "text", {"a": [1.0]}, None])
def test_a_prediction_that_has_not_one_row_per_row_is_made_again_alone(result: Any) -> None:
    counting = Counting(lambda data: result)
    scorer = scorer_of(counting, DOUBLES, array_columns=("x", "y"))
    assert together(scorer, [points(1.0), points(2.0)]) == [{"predictions": result}] * 2
    assert counting.calls == [2, 1, 1]


def test_requests_with_other_columns_are_not_joined() -> None:
    schema = Schema((ColSpec(Scalar("double"), "x"), ColSpec(Scalar("double"), "y", required=False)))
    counting = Counting(lambda data: np.asarray(data).sum(axis=1))
    scorer = scorer_of(counting, schema)
    without = json.dumps({"dataframe_split": {"columns": ["x"], "data": [[1.0]]}}).encode()
    assert together(scorer, [points(2.0), without, points(3.0), without]) == [
        {"predictions": [value]} for value in (2.0, 1.0, 3.0, 1.0)
    ]
    assert counting.calls == [2, 2]


@pytest.mark.parametrize(
    ("predict", "example"),
    [
        (lambda data: data[:, 0] - data[:, 0].mean(), points(1.0, 2.0)),
        (lambda data: data[:, 0] / len(data), points(1.0)),
        (lambda data: [1.0], points(1.0)),
    ],
)
def test_a_model_that_mixes_rows_is_not_joined_after_its_warm_up(predict: Any, example: bytes) -> None:
    scorer = scorer_of(Counting(predict), DOUBLES, array_columns=("x", "y"))
    assert scorer.joins
    assert scorer.warm_up(example) is None
    assert not scorer.joins


def test_a_model_whose_rows_are_independent_is_joined_after_its_warm_up() -> None:
    scorer = scorer_of(Counting(lambda data: data.sum(axis=1)), DOUBLES, array_columns=("x", "y"))
    assert scorer.warm_up(points(1.0, 2.0)) is None
    assert scorer.joins


def test_an_example_that_fails_is_told_and_keeps_nothing_from_serving() -> None:
    scorer = scorer_of(lambda data, params: np.asarray(data).sum(axis=1), DOUBLES)
    assert "no input example" in str(scorer.warm_up(None))
    assert "fails" in str(scorer.warm_up(b'{"inputs": "x"}'))
    assert together(scorer, [points(1.0)]) == [{"predictions": [1.0]}]


def test_the_model_s_exception_is_told_without_its_traceback_in_the_message() -> None:
    def predict(data: Any, params: Any) -> Any:
        raise KeyError("no such city")

    (answer,) = scorer_of(predict, DOUBLES).score(requests([points(1.0)]))
    assert isinstance(answer.body, ModelportError)
    assert answer.body.code == "BAD_REQUEST"
    assert "KeyError" in answer.body.message
    assert "Traceback" in str(answer.body.traceback)
    assert answer.body.details == [{"exception": "KeyError", "message": "'no such city'"}]
