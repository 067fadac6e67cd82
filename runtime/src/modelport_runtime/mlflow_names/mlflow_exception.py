"""``mlflow.exceptions.MlflowException`` where mlflow is absent: what models raise to say more than "failed"."""

from typing import Any


class MlflowException(Exception):
    """An error with a code, which decides the status a caller sees (``error_code``, by name)."""

    def __init__(self, message: Any, error_code: Any = "INTERNAL_ERROR", **kwargs: Any) -> None:
        self.message = str(message)
        # The real one takes the numbers of a protobuf enum, which nobody can name without the real mlflow.
        self.error_code = error_code if isinstance(error_code, str) else "INTERNAL_ERROR"
        self.json_kwargs = kwargs
        super().__init__(self.message)

    @classmethod
    def invalid_parameter_value(cls, message: Any, **kwargs: Any) -> "MlflowException":
        """An error that is the caller's: 400."""
        return cls(message, error_code="INVALID_PARAMETER_VALUE", **kwargs)


# Pickled closures and the models' own ``except`` clauses know it by this name only.
MlflowException.__module__ = "mlflow.exceptions"
