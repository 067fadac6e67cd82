"""What of an environment's file cannot be done without containers, and what means nothing here."""

from modelport.domain.environment import EnvironmentSpec
from modelport.errors import InvalidInput
from modelport.model import azure_packages


def check(environment: EnvironmentSpec) -> None:
    """What is to come out of a container is refused where nothing else says which packages there are.

    Raises:
        InvalidInput: it is so.
    """
    if environment.conda_file is not None or environment.path is not None:
        return
    for key, is_given, why in (
        ("build", environment.build is not None, "there are no containers that a Dockerfile could be built to"),
        (
            "inference_config",
            environment.inference_config is not None,
            "there is no container with a server of its own",
        ),
    ):
        if is_given:
            raise InvalidInput(
                f"{key} cannot be honoured: {why}",
                hint="`conda_file`: a file with the packages; or no `environment`, and the model's own files say them.",
            )


def notices(environment: EnvironmentSpec) -> list[str]:
    """One line for each key that is only recorded, and one for the packages that are not installed."""
    found = []
    if environment.image is not None:
        found.append(
            f"image {environment.image} is not used: there are no containers; packages are those of the model or conda_file"
        )
    if environment.build is not None:
        found.append("build is not used: there are no containers; packages are those of conda_file or the package")
    if environment.inference_config is not None:
        found.append("inference_config is not used: the routes are those of this server")
    if environment.os_type == "windows":
        found.append("os_type windows is not used: the deployment runs on this machine's system")
    if isinstance(environment.conda_file, dict):
        _, left_out = azure_packages.parted_conda(environment.conda_file)
        if left_out:
            found.append(azure_packages.told(left_out))
    return found
