import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin  # noqa: E402
from sklearn.calibration import CalibratedClassifierCV  # noqa: E402
from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.ensemble import (  # noqa: E402
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.multioutput import MultiOutputClassifier  # noqa: E402
from sklearn.neighbors import KNeighborsClassifier  # noqa: E402
from sklearn.pipeline import make_pipeline, make_union  # noqa: E402
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler  # noqa: E402

from modelport_runtime import pyfunc  # noqa: E402
from modelport_runtime.errors import ModelNotLoadable  # noqa: E402
from modelport_runtime.flavors import sklearn as flavor  # noqa: E402
from modelport_runtime.flavors.predictor import Predictor  # noqa: E402
from modelport_runtime.model import Model  # noqa: E402

COLUMNS = ("a", "b", "c")
FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=list(COLUMNS))
TARGET = (FRAME["a"] + FRAME["b"] > 0).astype(int).to_numpy()
DOUBLES = '[{"type": "double", "name": "a"}, {"type": "double", "name": "b"}, {"type": "double", "name": "c"}]'


class OwnScaler(TransformerMixin, BaseEstimator):
    """A class of the user's, which may do anything."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


class OwnModel(ClassifierMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), len(X))


def own_function(X: Any) -> Any:
    return X - X.mean(axis=0)


def load(folder: Path, native: Any, inputs: str | None = DOUBLES, predict_fn: str = "predict") -> Predictor:
    with (folder / "model.pkl").open("wb") as file:
        pickle.dump(native, file)
    entry = {"loader_module": "mlflow.sklearn", "model_path": "model.pkl", "predict_fn": predict_fn}
    data = {"flavors": {"python_function": entry}, "signature": {"inputs": inputs}}
    return flavor.load(Model.from_mlmodel(str(folder), data), {})


def linear() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression())


ARRAYS = {
    "a classifier": LogisticRegression(),
    "a pipeline": linear(),
    "a forest": RandomForestClassifier(5),
    "boosting": GradientBoostingClassifier(n_estimators=3),
    "boosting by histograms": HistGradientBoostingClassifier(max_iter=3),
    "neighbours": KNeighborsClassifier(),
    "a vote": VotingClassifier([("x", linear()), ("y", LogisticRegression())], voting="soft"),
    "a search": GridSearchCV(linear(), {"logisticregression__C": [0.1, 1.0]}, cv=2),
    "a calibration": CalibratedClassifierCV(LogisticRegression(), cv=2),
    "a union": make_pipeline(make_union(StandardScaler(), MinMaxScaler()), LogisticRegression()),
}


@pytest.mark.parametrize("predict_fn", ["predict", "predict_proba"])
@pytest.mark.parametrize("name", ARRAYS)
def test_library_estimators_take_arrays_with_the_same_answer_and_no_warning(tmp_path, name, predict_fn):
    native = ARRAYS[name].fit(FRAME, TARGET)
    predictor = load(tmp_path, native, predict_fn=predict_fn)
    assert predictor.array_columns == COLUMNS and predictor.row_wise and not predictor.user_code
    by_frame = predictor.predict(FRAME, None)
    assert np.allclose(predictor.predict(FRAME.to_numpy(), None), by_frame)
    assert np.allclose(by_frame, getattr(native, predict_fn)(FRAME))
    assert tuple(predictor.native.feature_names_in_) == COLUMNS, "what the user sees keeps its names"


def test_an_estimator_fitted_without_names_takes_arrays(tmp_path):
    predictor = load(tmp_path, linear().fit(FRAME.to_numpy(), TARGET))
    assert predictor.array_columns == COLUMNS
    predictor.predict(FRAME.to_numpy(), None)


by_name = ColumnTransformer([("s", StandardScaler(), ["a", "b"])])
NO_ARRAYS = {
    "columns by name": make_pipeline(by_name, LogisticRegression()),
    "frames between the steps": make_pipeline(StandardScaler().set_output(transform="pandas"), LogisticRegression()),
    "a function": make_pipeline(FunctionTransformer(np.exp), LogisticRegression()),
    "the user's own step": make_pipeline(OwnScaler(), LogisticRegression()),
}


@pytest.mark.parametrize("name", NO_ARRAYS)
def test_estimators_that_may_look_at_names_get_frames(tmp_path, name):
    predictor = load(tmp_path, NO_ARRAYS[name].fit(FRAME, TARGET))
    assert predictor.array_columns is None
    predictor.predict(FRAME, None)


@pytest.mark.parametrize(
    "inputs",
    [
        None,
        DOUBLES.replace('"double", "name": "b"', '"long", "name": "b"'),
        DOUBLES.replace('"name": "b"', '"name": "b", "required": false'),
        '[{"type": "double"}, {"type": "double"}, {"type": "double"}]',
        '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 3]}}]',
        '[{"type": "double", "name": "b"}, {"type": "double", "name": "a"}, {"type": "double", "name": "c"}]',
    ],
)
def test_signatures_that_are_not_the_fitted_columns_as_doubles_get_frames(tmp_path, inputs):
    assert load(tmp_path, linear().fit(FRAME, TARGET), inputs).array_columns is None


@pytest.mark.parametrize(
    ("native", "row_wise"),
    [
        (make_pipeline(OwnScaler(), LogisticRegression()), False),
        (OwnModel(), False),
        (VotingClassifier([("x", LogisticRegression()), ("own", OwnModel())]), False),
        (make_pipeline(ColumnTransformer([("own", OwnScaler(), ["a"])]), LogisticRegression()), False),
        (make_pipeline(FunctionTransformer(own_function), LogisticRegression()), False),
        (make_pipeline(FunctionTransformer(np.sort), LogisticRegression()), False),
        (make_pipeline(FunctionTransformer(np.exp), LogisticRegression()), True),
        (make_pipeline(FunctionTransformer(), LogisticRegression()), True),
        (make_pipeline(by_name, LogisticRegression()), True),
    ],
)
def test_rows_are_joined_only_where_every_part_is_known_to_keep_to_rows(tmp_path, native, row_wise):
    assert load(tmp_path, native.fit(FRAME, TARGET)).row_wise is row_wise


def test_a_method_replaced_on_the_object_is_the_users_own():
    from modelport_runtime.flavors.estimators import is_row_wise

    native = linear().fit(FRAME, TARGET)
    native.predict = own_function
    assert not is_row_wise(native, "predict")


def test_several_outputs_of_probabilities_are_not_joined(tmp_path):
    native = MultiOutputClassifier(LogisticRegression()).fit(FRAME, np.column_stack([TARGET, 1 - TARGET]))
    assert not load(tmp_path, native, predict_fn="predict_proba").row_wise
    assert load(tmp_path, native).row_wise


def test_a_score_is_of_all_rows_together(tmp_path):
    from sklearn.neighbors import KernelDensity

    predictor = load(tmp_path, KernelDensity().fit(FRAME), predict_fn="score")
    assert not predictor.row_wise and predictor.array_columns is None
    assert isinstance(float(predictor.predict(FRAME, None)), float)


def test_a_model_that_cannot_predict_the_trial_rows_still_loads(tmp_path):
    class_of_fours = KNeighborsClassifier(metric="haversine", algorithm="ball_tree")
    native = class_of_fours.fit(FRAME[["a", "b"]], TARGET)
    assert load(tmp_path, native).array_columns is None


@pytest.mark.parametrize(
    ("predict_fn", "message"), [("transform", "none of predict"), ("predict_joint_log_proba", "has no method")]
)
def test_methods_that_cannot_be_called_are_told(tmp_path, predict_fn, message):
    with pytest.raises(ModelNotLoadable, match=message):
        load(tmp_path, linear().fit(FRAME, TARGET), predict_fn=predict_fn)


def test_an_old_model_names_its_file_by_data(tmp_path):
    native = linear().fit(FRAME, TARGET)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(native))
    entry = {"loader_module": "mlflow.sklearn", "data": "model.pkl", "env": "conda.yaml"}
    predictor = flavor.load(Model.from_mlmodel(str(tmp_path), {"flavors": {"python_function": entry}}), {})
    assert predictor.predict(FRAME, None).tolist() == native.predict(FRAME).tolist()


@pytest.mark.parametrize(
    ("entry", "message"),
    [({"serialization_format": "joblib"}, "stored as 'joblib'"), ({"pickled_model": "gone.pkl"}, "no model file")],
)
def test_what_cannot_be_read_is_told(tmp_path, entry, message):
    (tmp_path / "model.pkl").write_bytes(b"")
    flavors = {"python_function": {"loader_module": "mlflow.sklearn"}, "sklearn": entry}
    with pytest.raises(ModelNotLoadable, match=message):
        flavor.load(Model.from_mlmodel(str(tmp_path), {"flavors": flavors}), {})


def test_untrusted_skops_types_are_named(tmp_path):
    skops = pytest.importorskip("skops.io")
    skops.dump(HistGradientBoostingClassifier(max_iter=1).fit(FRAME, TARGET), tmp_path / "model.skops")
    entry = {"serialization_format": "skops", "pickled_model": "model.skops", "skops_trusted_types": None}
    flavors = {"python_function": {"loader_module": "mlflow.sklearn"}, "sklearn": entry}
    with warnings.catch_warnings(), pytest.raises(ModelNotLoadable, match="does not trust"):
        flavor.load(Model.from_mlmodel(str(tmp_path), {"flavors": flavors}), {})


@pytest.mark.parametrize(("written_as", "refused"), [("cloudpickle", True), ("pickle", False)])
def test_a_transformer_pickled_by_value_is_refused_on_another_python(
    tmp_path: Path, written_as: str, refused: bool
) -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    function = (lambda X: X) if refused else None
    with (tmp_path / "model.pkl").open("wb") as file:
        cloudpickle.dump(make_pipeline(FunctionTransformer(function), LogisticRegression()).fit(FRAME, TARGET), file)
    entry = {"loader_module": "mlflow.sklearn", "model_path": "model.pkl", "python_version": "3.7.9"}
    data = {"flavors": {"python_function": entry, "sklearn": {"serialization_format": written_as}}}
    if refused:
        with pytest.raises(ModelNotLoadable, match="can crash"):
            pyfunc.load(str(tmp_path), data)
    assert pyfunc.load(str(tmp_path), data, None, refused).predict(FRAME).shape == (len(FRAME),)
