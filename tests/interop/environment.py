"""Where the models are saved and by which interpreter they are served: the rows of the interop suite."""

import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@dataclass(frozen=True)
class Environment:
    """``mlflow`` names the environment whose MLflow saves the models and gives the answers to compare with."""

    name: str
    mlflow: str
    serves_without_mlflow: bool = False
    models: tuple[str, ...] | None = None
    """The models that are asked; None: all."""

    @property
    def python(self) -> Path:
        """The interpreter that serves the models."""
        return Path(sys.executable) if self.serves_without_mlflow else python_of(self.mlflow)

    def asks(self, model: str, form: str) -> bool:
        """Whether such a request is made here. MLflow 2 does not know Parquet."""
        return (self.models is None or model in self.models) and (form != "parquet" or self.mlflow != "mlflow-2")


def python_of(mlflow: str) -> Path:
    python = ROOT / ".envs" / mlflow / "bin" / "python"
    if not python.exists():
        raise FileNotFoundError(f"the environment {mlflow} is not installed: {python} is missing")
    return python


BESIDE_MLFLOW_3 = (
    *("artifacts", "chat", "from_code", "logistic", "mlflow_2_1"),
    *("outputs", "typed_bytes", "typed_texts"),
)
"""Where it could matter that MLflow is importable beside the model: its own loaders then do part of the work.

One model for each way of being loaded: what is done with a request is the same whether MLflow is there or not.
"""

BESIDE_MLFLOW_2 = ("logistic", "mixed", "optional", "outputs", "required", "text", "typed_texts")
"""Where MLflow 2, pandas 2 or their pickles could make a difference."""

ENVIRONMENTS = {
    environment.name: environment
    for environment in (
        # All models, without MLflow: the interpreter of the tests has the libraries of mlflow-3 in the same versions.
        Environment("without-mlflow", "mlflow-3", serves_without_mlflow=True),
        # The interpreters that saved the models; importing MLflow makes each of these starts ten times as long.
        Environment("mlflow-3", "mlflow-3", models=BESIDE_MLFLOW_3),
        Environment("mlflow-2", "mlflow-2", models=BESIDE_MLFLOW_2),
    )
}
