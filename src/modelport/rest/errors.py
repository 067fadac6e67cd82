"""Errors as HTTP has them: the one table error code → status, and the one body that all of them have."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from modelport.errors import InvalidInput, ModelportError, NotFound

STATUS = {
    "BAD_REQUEST": 400,
    "INVALID_PARAMETER_VALUE": 400,
    "MODEL_NOT_ALLOWED": 400,
    "MODEL_NOT_LOADABLE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "METHOD_NOT_ALLOWED": 405,
    "REQUEST_TIMEOUT": 408,
    "RESOURCE_CONFLICT": 409,
    "REQUEST_TOO_LARGE": 413,
    "STORE_UNAVAILABLE": 503,
}
"""Any other code: 400 if it is the input that is refused, else the server's own failure, 500."""


class ErrorBody(BaseModel):
    """What went wrong, what to do, and under which id the server's log has it."""

    error_code: str
    message: str
    hint: str | None = None
    details: list[dict[str, Any]] | None = None
    request_id: str

    model_config = {
        "json_schema_extra": {
            "example": {
                "error_code": "RESOURCE_DOES_NOT_EXIST",
                "message": "there is no online endpoint 'churn'",
                "request_id": "7f1c9a64-6c2e-4a05-9d3f-0f8a3f0f2f11",
            }
        }
    }


class HttpError(ModelportError):
    """What is wrong with a request before any operation is asked; ``headers`` go with the answer."""

    def __init__(self, message: str, *, code: str, hint: str | None = None, headers: Mapping[str, str] | None = None):
        super().__init__(message, code=code, hint=hint)
        self.headers = headers or {}


def status_of(error: ModelportError) -> int:
    """The status that an error is answered with."""
    return STATUS.get(error.code, 400 if isinstance(error, InvalidInput) else 500)


def answer(error: ModelportError, request_id: str) -> Response:
    """The response that tells an error."""
    status = status_of(error)
    body = ErrorBody(
        error_code=error.code,
        message=error.message,
        hint=error.hint,
        details=error.details or None,
        request_id=request_id,
    )
    headers = dict(error.headers) if isinstance(error, HttpError) else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(body.model_dump_json(exclude_none=True), status, headers, "application/json")


async def modelport_error(request: Request, error: Exception) -> Response:
    """What an operation raised."""
    assert isinstance(error, ModelportError)
    return answer(error, request.state.request_id)


async def validation_error(request: Request, error: Exception) -> Response:
    """A parameter or body that does not fit."""
    assert isinstance(error, RequestValidationError)
    return answer(_as_input_error(error), request.state.request_id)


async def http_exception(request: Request, error: Exception) -> Response:
    """A path or method that nothing answers, or a body that cannot be read."""
    assert isinstance(error, HTTPException)
    path = request.url.path
    found: ModelportError
    if error.status_code == 404:
        found = NotFound(f"there is no {path}", hint="GET /api/v1/openapi.json tells what there is.")
    elif error.status_code == 405:
        found = HttpError(
            f"{path} does not take {request.method}", code="METHOD_NOT_ALLOWED", headers=error.headers or {}
        )
    else:
        found = InvalidInput(str(error.detail))
    return answer(found, request.state.request_id)


def _as_input_error(error: RequestValidationError) -> InvalidInput:
    details = []
    for found in error.errors():
        where, *place = [str(part) for part in found["loc"]]
        if found["type"] == "json_invalid":
            text = f"the body is no JSON: {found['ctx']['error']} at character {place[0]}"
        elif not place:
            text = f"the {where}: {found['msg']}"
        else:
            text = f"{'.'.join(place)}: {found['msg']}"
        details.append({"key": ".".join(place), "message": text})
    return InvalidInput(details[0]["message"], details=details if len(details) > 1 else None)
