"""The preflight of a model, as the command `modelport validate` does it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelport.validation.report import Report


def validate(
    model_uri: str, *, env_manager: str | None = None, python: str | None = None, expect: str | None = None
) -> "Report":
    """Build, serve and ask a model as in production; what would fail or surprise stands in the ``findings`` of the report.

    ``env_manager`` and ``python`` as for ``predict``; ``expect`` is a file with the answer to the model's example.

    Raises:
        InvalidInput: what is expected cannot be read.
    """
    from modelport.settings import EnvironmentSettings, environment_manager
    from modelport.validation.validating import ValidationSettings
    from modelport.validation.validating import validate as run

    environment = EnvironmentSettings(manager=environment_manager(env_manager, python), python=python)
    return run(ValidationSettings(str(model_uri), environment, expect=expect))
