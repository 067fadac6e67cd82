"""Answers that tell an error → the error, of the same class as on the other side."""

import json
from typing import Any

from modelport import errors
from modelport.errors import InvalidInput, ModelportError
from modelport_runtime.errors import ModelFailed

_CLASSES = (
    errors.NotFound,
    errors.Conflict,
    errors.Unauthenticated,
    errors.PermissionDenied,
    errors.ModelNotAllowed,
    errors.ModelNotLoadable,
    errors.StoreFailed,
    errors.CannotStart,
    errors.InvalidInput,
)
_BY_CODE: dict[str, type[ModelportError]] = {known.code: known for known in _CLASSES}


_BY_STATUS = {
    400: (errors.InvalidInput, "what was asked cannot be understood"),
    401: (errors.Unauthenticated, "the key is not valid"),
    403: (errors.PermissionDenied, "the key does not cover this"),
    404: (errors.NotFound, "it is not there"),
    409: (errors.Conflict, "something forbids it"),
    503: (errors.StoreFailed, "the store is away"),
}
"""For answers without a body: to HEAD."""


class NotReachable(ModelportError):
    """Nothing answers at the address, or not what a Modelport server answers."""

    code = "NOT_REACHABLE"


class ProvisioningFailed(ModelportError):
    """An endpoint or deployment did not become what was wanted; ``outcome`` is it, as it is now."""

    def __init__(self, message: str, *, outcome: Any, code: str, hint: str | None = None) -> None:
        super().__init__(message, code=code, hint=hint)
        self.outcome = outcome


_OF_ENDPOINTS: dict[int, tuple[type[ModelportError], str]] = {
    400: (errors.InvalidInput, "BAD_REQUEST"),
    404: (errors.NotFound, "RESOURCE_DOES_NOT_EXIST"),
    408: (ModelportError, "DEADLINE_EXCEEDED"),
    413: (errors.InvalidInput, "REQUEST_TOO_LARGE"),
    424: (ModelFailed, "MODEL_FAILED"),
    429: (ModelportError, "REQUEST_LIMIT_EXCEEDED"),
    503: (ModelportError, "NOT_READY"),
}
"""Endpoints answer in Azure's form: a message, and no code but the status."""


def of_endpoint(status: int, body: bytes, source: str) -> ModelportError:
    """The error that an endpoint answers with."""
    kind, code = _OF_ENDPOINTS.get(status, (ModelportError, "INTERNAL_ERROR"))
    try:
        told = json.loads(body)
        if "error_code" in told:  # in MLflow's form
            return as_raised(status, body, source)
        message = str(told["message"])
    except (ValueError, KeyError, TypeError):
        message = body[:200].decode("utf-8", "replace").strip()
    return kind(message or f"{source} answered {status}", code=code)


def as_raised(status: int, body: bytes, source: str) -> ModelportError:
    """The error that ``body`` tells; ``source`` is whose answer it is, for messages."""
    if not body and status in _BY_STATUS:
        kind, text = _BY_STATUS[status]
        return kind(f"{source}: {text}")
    try:
        told = json.loads(body)
        code, message = str(told["error_code"]), str(told["message"])
    except (ValueError, KeyError, TypeError):
        text = body[:200].decode("utf-8", "replace").strip()
        return NotReachable(f"{source} answered {status}{f': {text}' if text else ''}")
    found = _BY_CODE.get(code)
    if found is None:
        found = InvalidInput if status == 400 else ModelportError
    if code.startswith("ENVIRONMENT_"):  # one code for each cause
        found = errors.EnvironmentFailed
    return found(message, code=code, hint=told.get("hint"), details=told.get("details"))
