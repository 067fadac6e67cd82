"""What a database says goes wrong, as errors of ours."""

import contextlib
from collections.abc import Iterator

from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError

from modelport.errors import InvalidInput, StoreFailed

FULL = "SQLITE_FULL"


@contextlib.contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise what SQLAlchemy raises as an error of ours; ``where`` is the store, as messages name it.

    Raises:
        StoreFailed: the database is away, full or busy.
        InvalidInput: what was to be written or looked for is nothing that it can hold.
    """
    try:
        yield
    except (DataError, UnicodeEncodeError, OverflowError) as error:
        raise InvalidInput(f"a value cannot be kept or looked for: {reason(error)}") from error
    except SQLAlchemyError as error:
        raise StoreFailed(f"the store {where} does not do its work: {reason(error)}", hint=_hint(error)) from error


def reason(error: Exception) -> str:
    """What the database itself said, on one line."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        said = str(error.orig)
    else:
        said = str(error.args[0]) if isinstance(error, SQLAlchemyError) and error.args else str(error)
    return " ".join(said.split()) or type(error).__name__


def _hint(error: SQLAlchemyError) -> str | None:
    original = getattr(error, "orig", None)
    if getattr(original, "sqlite_errorname", None) == FULL or getattr(original, "sqlstate", None) == "53100":
        return "The disk is full. Once there is room, it goes on by itself."
    return None
