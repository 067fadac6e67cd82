"""Prediction → response bytes, always valid JSON."""

from typing import Any

from modelport_runtime.errors import ModelFailed
from modelport_runtime.libraries import loaded
from modelport_runtime.payload import jsonio, plain


def encode_predictions(prediction: Any, unwrapped: bool = False) -> bytes:
    """``{"predictions": …}``, or the prediction alone where ``unwrapped``.

    Raises ModelFailed for a prediction that contains itself.
    """
    pandas = loaded("pandas")
    if pandas is not None:
        if isinstance(prediction, pandas.DataFrame):
            prediction = plain.records(prediction)
        elif isinstance(prediction, pandas.Series):
            prediction = plain.records(prediction.to_frame(0 if prediction.name is None else prediction.name))
    try:
        body = jsonio.dumps(prediction)
    except ValueError as error:
        raise ModelFailed(f"the prediction cannot be written as JSON: {error}") from None
    return body if unwrapped else b'{"predictions":' + body + b"}"
