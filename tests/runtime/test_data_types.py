import datetime as dt

import numpy as np
import pytest

from modelport_runtime.data_types import SCALAR_TYPES, Array, Object, Property, Scalar, spark_vector


@pytest.mark.parametrize("name", SCALAR_TYPES)
def test_a_scalar_type_is_a_constant_and_has_a_name(name):
    assert getattr(Scalar, name) == Scalar(name) == Scalar[name] == Array(name).items
    assert (str(Scalar(name)), repr(Scalar(name)), Scalar(name).name) == (name, name, name)


def test_scalar_types_know_those_of_numpy_pandas_and_python():
    kinds = [Scalar(name) for name in SCALAR_TYPES]
    numpy = ["bool", "int32", "int64", "float32", "float64", "str", "bytes", "datetime64[ns]"]
    assert [kind.to_numpy() for kind in kinds] == [np.dtype(name) for name in numpy]
    assert [kind.to_pandas() for kind in kinds] == [
        np.dtype(object if name in ("str", "bytes") else name) for name in numpy
    ]
    assert [kind.to_python() for kind in kinds] == [bool, int, int, float, float, str, bytes, dt.date]


def test_an_object_keeps_its_properties_by_name():
    point = Object([Property("y", "double"), Property("x", Scalar.long, required=False)])
    assert [member.name for member in point.properties] == ["x", "y"]
    assert Object(properties=tuple(reversed(point.properties))) == point


def test_a_spark_vector_is_another_type_than_an_array():
    assert spark_vector() != Array("double")
