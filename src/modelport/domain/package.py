"""A package specification: a registered model, made into one file that is deployed without fetching anything."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from modelport.domain.kind import Choice, Kind, Texts
from modelport.domain.model import AssetName


class TargetEnvironment(Kind):
    """The environment that results."""

    NOUN: ClassVar[str] = "target environment"
    name: AssetName


class InferencingServer(Kind):
    """What serves it; a custom one and Triton are other servers, and refused."""

    NOUN: ClassVar[str] = "inferencing server"
    type: Annotated[Literal["azureml_online", "azureml_batch"], Choice]
    code_configuration: dict[str, Any] | None = None


class ModelConfiguration(Kind):
    """``copy``: the model is inside the package. ``download`` is taken as that, too: nothing is fetched at deploy time."""

    NOUN: ClassVar[str] = "model configuration"
    mode: Annotated[Literal["copy", "download"], Choice] = "copy"


class PackageSpec(Kind):
    """What a package file says."""

    NOUN: ClassVar[str] = "package"
    target_environment: AssetName | TargetEnvironment
    inferencing_server: InferencingServer
    base_environment_source: dict[str, Any] | None = None
    model_configuration: ModelConfiguration = ModelConfiguration()
    environment_variables: Texts = Field(default_factory=dict)
    tags: Texts = Field(default_factory=dict)
    inputs: list[Any] = Field(default_factory=list)

    @property
    def environment_name(self) -> str:
        """The name of the environment that results."""
        target = self.target_environment
        return target if isinstance(target, str) else target.name
