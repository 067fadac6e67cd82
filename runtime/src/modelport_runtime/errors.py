"""What can go wrong while a request is read, checked and predicted: one tree, as data that crosses the wire.

    ModelportError            a stable code, a message for people, perhaps a hint, bounded details
    ├── InvalidInput          the caller's data or parameters do not fit            (BAD_REQUEST)
    │   └── SchemaMismatch    the data does not fit the model's signature           (INVALID_PARAMETER_VALUE)
    ├── UnsupportedMediaType  a content type nobody can read                        (UNSUPPORTED_MEDIA_TYPE)
    ├── ModelFailed           the model's own code raised while predicting          (BAD_REQUEST, as MLflow has it)
    └── ModelNotLoadable      the model directory cannot be read, or needs what is not there

Status codes belong to the doors, not here.
"""

from typing import Any, Dict, List, Optional

MAX_DETAILS = 20
"""An answer names at most this many offending cells: enough to see the pattern, never a copy of the data."""


class ModelportError(Exception):
    """Base of all errors that Modelport raises on purpose.

    ``details`` are plain JSON objects such as ``{"column": "x", "row": 3, "expected": "double", "found": "string"}``.
    """

    code = "INTERNAL_ERROR"

    def __init__(
        self,
        message: str,
        *,
        code: Optional[str] = None,
        hint: Optional[str] = None,
        details: Optional[List[Dict[str, Any]]] = None,
        traceback: Optional[str] = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        self.hint = hint
        self.details = (details or [])[:MAX_DETAILS]
        self.traceback = traceback

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def as_dict(self) -> Dict[str, Any]:
        """The error as it crosses the wire."""
        return {
            "type": type(self).__name__,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "details": self.details,
            "traceback": self.traceback,
        }


class InvalidInput(ModelportError):
    """The request's body or parameters cannot be understood."""

    code = "BAD_REQUEST"


class SchemaMismatch(InvalidInput):
    """The data was understood, but does not fit the model's signature."""

    code = "INVALID_PARAMETER_VALUE"


class UnsupportedMediaType(ModelportError):
    """The request's content type is none that can be read."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class ModelFailed(ModelportError):
    """The model's own code raised an exception; ``traceback`` holds its text."""

    code = "BAD_REQUEST"


class ModelNotLoadable(ModelportError):
    """The model directory is missing, damaged, or needs something that is not there."""

    code = "MODEL_NOT_LOADABLE"
