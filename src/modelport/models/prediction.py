"""Score data or a file with a model, spelled as in MLflow: ``modelport.models.predict(model_uri, input_path=…)``."""

import tempfile
from typing import Any

from modelport.errors import InvalidInput
from modelport_runtime.input_examples import saved_example


def predict(
    model_uri: str,
    input_data: Any = None,
    input_path: str | None = None,
    content_type: str | None = None,
    output_path: str | None = None,
    env_manager: str | None = None,
    install_mlflow: bool = False,
    pip_requirements_override: list[str] | None = None,
    extra_envs: dict[str, str] | None = None,
    *,
    output_type: str | None = None,
    keep_columns: bool = False,
    rejects: str | None = None,
    workers: int = 1,
    python: str | None = None,
    allow_python_mismatch: bool = False,
    sandbox: bool = False,
    allow: str = "code",
    chunk_rows: int | None = None,
    whole: bool = False,
) -> None:
    """Score ``input_data`` or the file at ``input_path`` in a process of its own, as the command `modelport predict` does.

    ``input_data`` is what ``convert_input_example_to_serving_input`` takes, or text that is the body of a request. The
    predictions go to ``output_path``, which appears whole or not at all, or to standard output. ``env_manager``
    is "uv" (or "virtualenv"), "conda", or "local" for the interpreter ``python`` as it is (None: this one); None means uv, as
    with the command, or local where ``python`` is given. ``install_mlflow`` has mlflow itself installed too, and
    ``pip_requirements_override`` replaces what the model asks for of the same packages. ``extra_envs`` are environment
    variables for the model; ``sandbox`` shuts it in, and ``allow`` ("code", "pickle", "none") says what it may bring.

    Raises:
        NotFound: there is no model, or no input.
        InvalidInput: the input does not fit the model; ``details`` say where.
        ModelportError: the model fails, or the output cannot be written.
    """
    from modelport.files.scoring import score_file  # not for programs that only infer signatures
    from modelport.files.settings import FileSettings
    from modelport.settings import EnvironmentSettings, SafetySettings, environment_manager

    environment = EnvironmentSettings(
        manager=environment_manager(env_manager, python),
        python=python,
        mlflow=True if install_mlflow else None,
        overrides=tuple(pip_requirements_override or ()),
    )
    variables = {str(name): str(value) for name, value in (extra_envs or {}).items()}
    safety = SafetySettings(variables=variables, sandbox=sandbox, allow=allow)
    if (input_data is None) == (input_path is None):
        raise InvalidInput("give either input_data or input_path")
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        if input_data is not None:
            body = input_data if isinstance(input_data, str) else saved_example(input_data).serving_input
            file.write(body.encode())
            file.flush()
        score_file(
            FileSettings(
                model_uri=str(model_uri),
                input_path=file.name if input_path is None else str(input_path),
                output_path=None if output_path is None else str(output_path),
                content_type=content_type,
                output_type=output_type,
                keep_columns=keep_columns,
                rejects=rejects,
                workers=workers,
                environment=environment,
                safety=safety,
                allow_python_mismatch=allow_python_mismatch,
                chunk_rows=chunk_rows,
                whole=whole,
            )
        )
