"""Score data or a file with a model, spelled as in MLflow: ``modelport.models.predict(model_uri, input_path=…)``."""

import tempfile
from typing import Any

from modelport.errors import InvalidInput
from modelport_runtime.input_examples import saved_example

_PREPARE = "Prepare the environment yourself and name its interpreter with python=."


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
    chunk_rows: int | None = None,
    whole: bool = False,
) -> None:
    """Score ``input_data`` or the file at ``input_path`` in a process of its own, as the command `modelport predict` does.

    ``input_data`` is what ``convert_input_example_to_serving_input`` takes, or text that is the body of a request. The
    predictions go to ``output_path``, which appears whole or not at all, or to standard output. What MLflow does to build
    an environment cannot be asked for yet: the model runs in the interpreter ``python`` (None: this one).

    Raises:
        NotFound: there is no model, or no input.
        InvalidInput: the input does not fit the model; ``details`` say where.
        ModelportError: the model fails, or the output cannot be written.
    """
    from modelport.files.scoring import score_file  # not for programs that only infer signatures
    from modelport.files.settings import FileSettings

    for name, value in {
        "env_manager": env_manager if env_manager != "local" else None,
        "install_mlflow": install_mlflow,
        "pip_requirements_override": pip_requirements_override,
        "extra_envs": extra_envs,
    }.items():
        if value:
            raise InvalidInput(f"{name}={value!r}: no environment is built yet", hint=_PREPARE)
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
                python=python,
                allow_python_mismatch=allow_python_mismatch,
                chunk_rows=chunk_rows,
                whole=whole,
            )
        )
