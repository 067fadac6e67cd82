"""The environment variables a worker starts with: named ones only, so that no secret of ours reaches a model by accident."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_PASSED = re.compile(
    r"""
    PATH | HOME | USER | LOGNAME | SHELL | LANG | LANGUAGE | TZ | TMPDIR | LD_LIBRARY_PATH | LD_PRELOAD
    | SSL_CERT_FILE | SSL_CERT_DIR | REQUESTS_CA_BUNDLE | CURL_CA_BUNDLE | ((?i:https?|all|no)_(proxy|PROXY))
    | JAVA_HOME | R_HOME | NLTK_DATA | MPLCONFIGDIR | MPLBACKEND
    | (LC | XDG | MALLOC | OMP | GOMP | KMP | OPENBLAS | MKL | BLIS | NUMEXPR | NUMBA | JOBLIB | LOKY | SKLEARN
        | CUDA | CUDNN | NVIDIA | NCCL | HIP | ROCR | TORCH | PYTORCH | TF(?!_VAR|_CLI) | XLA | JAX | KERAS | ORT
        | HF | HUGGINGFACE | TRANSFORMERS | SENTENCE_TRANSFORMERS | TOKENIZERS | SPARK | OTEL | MLFLOW)_.*
    """,
    re.VERBOSE,
)
"""What programs, and the libraries of models, read."""
_SECRET_NAME = re.compile(r"(TOKEN|SECRET|PASSWORD|PASSWD|KEY|CREDENTIAL|HEADER)S?(_|$)", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"://[^/\s@]+@")
"""A user and a password in a URL."""
_OURS = "MODELPORT_"
_NEVER_SET_BY_MODELS = ("LD_", "PATH", "PYTHON", "GCONV_PATH")
"""They decide which program code runs, which is for the user to say."""


@dataclass(frozen=True)
class Variables:
    """``values`` is what the worker gets; ``withheld`` tells what the model asks for and does not get, each with the reason."""

    values: dict[str, str]
    withheld: tuple[str, ...]


def variables(asked: Mapping[str, str | None], given: Mapping[str, str], here: Mapping[str, str]) -> Variables:
    """Of those that are set ``here``: what programs and libraries read, and what the model ``asked`` for, by name or with a
    value for where it is not set. Those that the user has ``given`` come before all.
    """
    values = {name: value for name, value in here.items() if _is_harmless(name, value)}
    withheld = []
    for name, value in asked.items():
        if name in given:
            continue
        if name.startswith(_OURS):
            withheld.append(f"{name} (Modelport's own: only --env {name} passes it)")
        elif name in here:
            values[name] = here[name]
        elif value is None:
            withheld.append(f"{name} (not set)")
        elif name.startswith(_NEVER_SET_BY_MODELS):
            withheld.append(f"{name} (not a model's to set)")
        else:
            values[name] = value
    return Variables({**values, **given}, tuple(withheld))


def _is_harmless(name: str, value: str) -> bool:
    return (
        _PASSED.fullmatch(name) is not None
        and _SECRET_NAME.search(name) is None
        and _SECRET_VALUE.search(value) is None
    )
