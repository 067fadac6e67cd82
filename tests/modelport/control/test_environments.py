"""What an environment's file asks for that cannot be done, and what of it is only recorded."""

from typing import Any

import pytest

from modelport.control import environments
from modelport.domain.environment import EnvironmentSpec
from modelport.errors import InvalidInput

CONDA: dict[str, Any] = {"conda_file": {"dependencies": ["python=3.11", {"pip": ["numpy==2.4.6"]}]}}
PACKAGE = {"path": f"content://{'0' * 64}/churn.mpkg"}
BUILD = {"build": {"path": ".", "dockerfile_path": "Dockerfile"}}
ROUTE = {"port": 8080, "path": "/"}
ROUTES = {"inference_config": {"liveness_route": ROUTE, "readiness_route": ROUTE, "scoring_route": ROUTE}}
IMAGE = {"image": "registry.example/base:1"}


@pytest.mark.parametrize(
    ("keys", "key"), [(BUILD, "build"), (ROUTES, "inference_config"), ({**IMAGE, **ROUTES}, "inference_config")]
)
def test_what_is_to_come_out_of_a_container_alone_is_refused(keys: dict[str, Any], key: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{key} cannot be honoured: there (is|are) no container") as refused:
        environments.check(EnvironmentSpec.read(keys, "a test"))
    assert "conda_file" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (CONDA, []),
        (PACKAGE, []),
        (IMAGE, ["image registry.example/base:1 is not used"]),
        ({**CONDA, **BUILD}, ["build is not used"]),
        ({**PACKAGE, **ROUTES}, ["inference_config is not used"]),
        ({**CONDA, "os_type": "Windows"}, ["os_type windows is not used"]),
        ({**CONDA, **IMAGE, **BUILD, **ROUTES}, ["image", "build", "inference_config"]),
        (
            {
                "conda_file": {
                    "dependencies": [{"pip": ["azureml-defaults", "azureml-core==1.5", "azureml-core", "six"]}]
                }
            },
            ["not installed, as modelport stands in for them: azureml-core, azureml-defaults"],
        ),
    ],
)
def test_what_is_only_recorded_is_told_in_a_line_each(keys: dict[str, Any], told: list[str]) -> None:
    environment = EnvironmentSpec.read(keys, "a test")
    environments.check(environment)
    notices = environments.notices(environment)
    assert [notice[: len(start)] for notice, start in zip(notices, told, strict=True)] == told
