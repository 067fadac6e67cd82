"""What a flavor hands over: the loaded model, how to call it, and what may be done with its input."""

from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, Optional, Tuple

Params = Optional[Dict[str, Any]]


@dataclass(frozen=True)
class Predictor:
    """A loaded model.

    ``predict(data, params)`` takes data that already fits the signature, and raises what the model raises.
    """

    native: Any
    predict: Callable[[Any, Params], Any]
    predict_stream: Optional[Callable[[Any, Params], Iterator[Any]]] = None
    python_model: Any = None
    """The ``PythonModel`` inside, where there is one."""
    user_code: bool = False
    """Runs the user's own code: on threads, never joined, not repeated once started."""
    row_wise: bool = False
    """Each row's prediction depends on that row alone, so rows of several requests may share one call."""
    array_columns: Optional[Tuple[str, ...]] = None
    """When set, ``predict`` also takes a float64 array (rows, these columns): faster, and with the same answer."""
