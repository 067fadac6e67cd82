"""``get_model_info``: what MLflow's function of that name says of a model on disk. Nothing is loaded."""

from dataclasses import dataclass
from typing import Any

from modelport.model import location, mlmodel
from modelport.models.signature import ModelSignature
from modelport_runtime.model import Model


@dataclass(frozen=True)
class ModelInfo:
    """What an MLmodel file says, in the names of MLflow's ``ModelInfo``.

    Only a tracking server knows ``registered_model_version``, ``metrics``, ``params``, ``tags``, ``creation_timestamp`` and
    ``name``: they are None for a model on disk, as they are with MLflow.
    """

    artifact_path: str | None
    flavors: dict[str, dict[str, Any]]
    model_uri: str
    """As it was given. (MLflow makes a ``runs:`` URI up, which leads nowhere for a saved model.)"""
    model_uuid: str | None
    run_id: str | None
    saved_input_example_info: dict[str, Any] | None
    signature: ModelSignature | None
    utc_time_created: str | None
    mlflow_version: str | None
    env_vars: list[str] | None = None
    metadata: dict[str, Any] | None = None
    prompts: list[str] | None = None
    model_id: str | None = None
    registered_model_version: int | None = None
    metrics: list[Any] | None = None
    params: dict[str, str] | None = None
    tags: dict[str, str] | None = None
    creation_timestamp: int | None = None
    name: str | None = None

    @property
    def signature_dict(self) -> dict[str, Any] | None:
        """The signature as an MLmodel file has it."""
        return None if self.signature is None else self.signature.to_dict()


def get_model_info(model_uri: str) -> ModelInfo:
    """What the MLmodel file of the model at a local path or ``file:`` URI says.

    Raises:
        NotFound: there is no model.
        ModelNotLoadable: its MLmodel file is damaged.
    """
    folder = location.resolve(str(model_uri))
    model = Model.from_mlmodel(str(folder), mlmodel.read(folder))
    other = model.other
    return ModelInfo(
        artifact_path=other.get("artifact_path"),
        flavors=model.flavors,
        model_uri=str(model_uri),
        model_uuid=model.model_uuid,
        run_id=model.run_id,
        saved_input_example_info=model.saved_input_example_info,
        signature=model.signature,
        utc_time_created=model.utc_time_created,
        mlflow_version=model.mlflow_version,
        env_vars=other.get("env_vars"),
        metadata=model.metadata,
        prompts=other.get("prompts"),
        model_id=model.model_id,
    )
