"""PythonModels that show what reached them, or give back a named output.

Pickled by value into the models of the interop suite, so nothing here may be needed by name when they are loaded.
"""

from typing import Any

from mlflow.pyfunc import PythonModel


def spelled(value: Any) -> Any:
    """What ``value`` is, as plain JSON: containers with their types and labels, everything else by ``repr``."""
    import numpy
    import pandas

    if isinstance(value, pandas.DataFrame):
        return {
            "container": "DataFrame",
            "index": [str(value.index.dtype), *(repr(label) for label in value.index)],
            "columns": [
                [repr(name), str(value.dtypes.iloc[at]), [repr_of_cell(cell) for cell in value.iloc[:, at]]]
                for at, name in enumerate(value.columns)
            ],
        }
    if isinstance(value, numpy.ndarray):
        return {
            "container": "ndarray",
            "dtype": str(value.dtype),
            "shape": list(value.shape),
            "values": repr(value.tolist()),
        }
    if isinstance(value, dict):
        return {"container": "dict", "items": [[repr(key), spelled(item)] for key, item in value.items()]}
    if isinstance(value, list):
        return {"container": "list", "items": [spelled(item) for item in value]}
    return {"container": type(value).__name__, "value": repr(value)}


def repr_of_cell(cell: Any) -> str:
    """``repr``, but numpy's own kind of str is a str: whether a cell is one depends on chance inside pandas."""
    return str.__repr__(cell) if isinstance(cell, str) else repr(cell)


class Echo(PythonModel):
    """Answers with the data and the params exactly as they reached it."""

    def predict(self, context, model_input, params=None):
        return {"data": spelled(model_input), "params": spelled(params)}


class EchoWithoutParams(PythonModel):
    """``predict`` takes no params, so given ones must be dropped on the way."""

    def predict(self, context, model_input):
        return {"data": spelled(model_input)}


class EchoWithArtifacts(PythonModel):
    """Shows that ``load_context`` ran, and the artifacts and the model config it was given."""

    def load_context(self, context):
        with open(context.artifacts["word"]) as file:
            self.word = file.read().strip()
        self.config = context.model_config

    def predict(self, context, model_input, params=None):
        return {"word": self.word, "config": self.config, "same": context.model_config == self.config}


class EchoTexts(PythonModel):
    """Its type hint is its signature."""

    def predict(self, model_input: list[str], params=None) -> list[str]:
        return [f"{text!r} {params!r}" for text in model_input]


class EchoBytes(PythonModel):
    """Bytes come as base64 text in JSON."""

    def predict(self, model_input: list[bytes]) -> list[str]:
        return [repr(item) for item in model_input]


class EchoNumbers(PythonModel):
    """Integers are no floats for a type hint."""

    def predict(self, model_input: list[float]) -> list[str]:
        return [repr(number) for number in model_input]


class EchoMaps(PythonModel):
    """Objects with any keys."""

    def predict(self, model_input: list[dict[str, int]]) -> list[str]:
        return [repr(item) for item in model_input]


class Sleeper(PythonModel):
    """Adds up its numbers after a pause; a negative number makes it fail."""

    def predict(self, context, model_input, params=None):
        import time

        time.sleep(0.01)
        if (model_input["x"] < 0).any():
            raise ValueError("x must not be negative")
        return (model_input["x"] + model_input["y"]).to_numpy()


class Outputs(PythonModel):
    """Returns, or raises, what the param ``what`` names."""

    def predict(self, context, model_input, params=None):
        return getattr(self, params["what"])()

    def frame(self):
        import pandas

        return pandas.DataFrame(
            {"n": [1, 2], "x": [0.5, 1e-7], "s": ["a", "é\u2028"], "b": [True, False]}, index=[7, 9]
        )

    def frame_with_gaps(self):
        import pandas

        return pandas.DataFrame({"x": [0.5, None], "s": ["a", None], "o": [{"k": 1}, None]})

    def frame_of_nullable_types(self):
        import pandas

        return pandas.DataFrame(
            {"n": pandas.array([1, None], dtype="Int64"), "b": pandas.array([True, None], dtype="boolean")}
        )

    def frame_with_integer_names(self):
        import pandas

        return pandas.DataFrame([[1, 2], [3, 4]])

    def frame_with_duplicate_names(self):
        import pandas

        return pandas.DataFrame([[1, 2]], columns=["a", "a"])

    def frame_with_two_levels_of_names(self):
        import pandas

        return pandas.DataFrame([[1, 2]], columns=pandas.MultiIndex.from_tuples([("a", "b"), ("a", "c")]))

    def frame_without_rows(self):
        import pandas

        return pandas.DataFrame({"a": []})

    def frame_of_times(self):
        import pandas

        times = pandas.to_datetime(["2020-01-02T03:04:05", None])
        return pandas.DataFrame({"t": times, "z": times.tz_localize("Europe/Paris"), "d": times.date})

    def frame_of_bytes(self):
        import pandas

        return pandas.DataFrame({"b": [b"test", b"x" * 60]})

    def frame_of_categories(self):
        import pandas

        return pandas.DataFrame({"c": pandas.Categorical(["a", "b"])})

    def frame_of_lists(self):
        import numpy
        import pandas

        return pandas.DataFrame({"l": [[1, 2], []], "a": [numpy.arange(2), numpy.ones(1)]})

    def series(self):
        import pandas

        return pandas.Series([1.5, 2.5], index=["p", "q"])

    def series_with_name(self):
        import pandas

        return pandas.Series(["a", "b"], name="label")

    def array(self):
        import numpy

        return numpy.array([[1.5, 2.0], [3.25, float("nan")]])

    def array_of_float32(self):
        import numpy

        return numpy.array([0.1, 1 / 3], dtype="float32")

    def array_of_integers(self):
        import numpy

        return numpy.array([[2**53 + 1, -1]], dtype="int64")

    def array_of_bools(self):
        import numpy

        return numpy.array([True, False])

    def array_of_texts(self):
        import numpy

        return numpy.array(["a", "bcd"])

    def array_of_objects(self):
        import numpy

        return numpy.array([1, "a", None, b"z", [1]], dtype=object)

    def array_of_no_dimension(self):
        import numpy

        return numpy.array(1.5)

    def array_of_dates(self):
        import numpy

        return numpy.array(["2020-01-02"], dtype="datetime64[D]")

    def array_of_times(self):
        import numpy

        return numpy.array(["2020-01-02T03:04:05"], dtype="datetime64[ns]")

    def array_of_complex(self):
        import numpy

        return numpy.array([1j])

    def empty_array(self):
        import numpy

        return numpy.zeros((0, 3))

    def nested(self):
        import numpy

        return {"a": numpy.arange(3), "b": [numpy.float32(0.5), numpy.int64(3)], "c": {"d": (1, numpy.bool_(True))}}

    def integer_keys(self):
        return {1: "a", 2.5: "b", False: "c", None: "d"}

    def numpy_keys(self):
        import numpy

        return {numpy.int64(1): "a"}

    def tuple_keys(self):
        return {(1, 2): "a"}

    def pair(self):
        return (1, "two")

    def text(self):
        return 'q"\\\n\u00e9\U0001f600\x7f'

    def number(self):
        return 2**70

    def small_number(self):
        return [1e-9, 1e22, 123456789012345680.0, 5e-324, -0.0]

    def truth(self):
        return True

    def nothing(self):
        return None

    def numpy_number(self):
        import numpy

        return numpy.float64(2.5)

    def raw_bytes(self):
        return b"test"

    def times(self):
        import datetime

        import numpy
        import pandas

        moment = datetime.datetime(2020, 1, 2, 3, 4, 5, 678000)
        return [
            moment,
            moment.replace(tzinfo=datetime.UTC),
            moment.date(),
            moment.time(),
            pandas.Timestamp(moment),
            numpy.datetime64("2020-01-02T03:04"),
        ]

    def no_time(self):
        import pandas

        return [pandas.NaT]

    def infinities(self):
        return [float("inf"), float("-inf"), float("nan")]

    def pydantic_object(self):
        import pydantic

        return [pydantic.create_model("Point", x=(int, 1), y=(str, "b"))()]

    def decimal(self):
        import decimal

        return decimal.Decimal("1.5")

    def a_set(self):
        return {1}

    def generator(self):
        return (number for number in (1, 2))

    def duration(self):
        import datetime

        return datetime.timedelta(seconds=1)

    def uuid(self):
        import uuid

        return uuid.UUID(int=1)

    def missing(self):
        import pandas

        return [pandas.NA]

    def frame_in_list(self):
        import pandas

        return [pandas.DataFrame({"a": [1]})]

    def index(self):
        import pandas

        return pandas.Index([1, 2])

    def sparse(self):
        import scipy.sparse

        return scipy.sparse.csr_matrix([[1, 0]])

    def value_error(self):
        raise ValueError("no such luck")

    def mlflow_error(self):
        from mlflow.exceptions import MlflowException

        raise MlflowException("plain")

    def mlflow_invalid_value(self):
        from mlflow.exceptions import MlflowException

        raise MlflowException.invalid_parameter_value("wrong")

    def mlflow_not_found(self):
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

        raise MlflowException("gone", error_code=RESOURCE_DOES_NOT_EXIST)

    def mlflow_busy(self):
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

        raise MlflowException("busy", error_code=TEMPORARILY_UNAVAILABLE)
