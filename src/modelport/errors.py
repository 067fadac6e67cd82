"""What can go wrong on this side of the socket: the runtime's tree, and what only the serving side knows.

    ModelportError (modelport_runtime.errors)
    ├── InvalidInput          what was asked for cannot be understood     (BAD_REQUEST)
    ├── ModelNotLoadable      the model directory is damaged
    ├── NotFound              what was asked for is not there             (RESOURCE_DOES_NOT_EXIST)
    ├── Conflict              something that exists or goes on forbids it (RESOURCE_CONFLICT)
    ├── Unauthenticated       no credential, or none that is valid        (UNAUTHENTICATED)
    ├── PermissionDenied      the credential is valid, and not enough     (PERMISSION_DENIED)
    ├── ModelNotAllowed       loading the model runs what may not run     (MODEL_NOT_ALLOWED)
    ├── EnvironmentFailed     the model's environment cannot be built     (ENVIRONMENT_…, one code for each cause)
    ├── CannotStart           the server cannot be started as asked       (INVALID_STATE)
    ├── StoreFailed           the database is away, full or busy          (STORE_UNAVAILABLE)
    └── WorkerFailed          the model's worker process cannot serve it  (MODEL_NOT_LOADABLE)

Status codes belong to ``serving``, exit codes to ``cli``.
"""

from modelport_runtime.errors import InvalidInput, ModelNotLoadable, ModelportError

__all__ = [
    "CannotStart",
    "Conflict",
    "EnvironmentFailed",
    "InvalidInput",
    "ModelNotAllowed",
    "ModelNotLoadable",
    "ModelportError",
    "NotFound",
    "PermissionDenied",
    "StoreFailed",
    "Unauthenticated",
    "WorkerFailed",
]


class NotFound(ModelportError):
    """A model, file or other thing that was named does not exist."""

    code = "RESOURCE_DOES_NOT_EXIST"


class Conflict(ModelportError):
    """It cannot be done now, or beside what exists."""

    code = "RESOURCE_CONFLICT"


class Unauthenticated(ModelportError):
    """No credential, or one that is wrong or has expired."""

    code = "UNAUTHENTICATED"


class PermissionDenied(ModelportError):
    """The credential does not cover what was asked for."""

    code = "PERMISSION_DENIED"


class ModelNotAllowed(ModelportError):
    """Loading the model would run what the user does not allow."""

    code = "MODEL_NOT_ALLOWED"


class EnvironmentFailed(ModelportError):
    """The environment that a model asks for cannot be had: one cause, and in ``hint`` one way out."""

    code = "ENVIRONMENT_NOT_BUILT"


class WorkerFailed(ModelportError):
    """A worker process ended, or refused to serve, before its first answer."""

    code = "MODEL_NOT_LOADABLE"


class CannotStart(ModelportError):
    """The server cannot be started as asked: an address in use, an interpreter that is not there."""

    code = "INVALID_STATE"


class StoreFailed(ModelportError):
    """What control remembers cannot be read or written now; nothing was changed, and the same may work later."""

    code = "STORE_UNAVAILABLE"
