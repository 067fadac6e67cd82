"""Which of Azure's packages are installed, and which are not."""

from typing import Any

import pytest

from modelport.model import azure_packages


def test_the_servers_own_are_left_out_however_they_are_spelled() -> None:
    lines = [
        "azureml-inference-server-http~=1.0",
        "azureml_ai_monitoring==1.0.0",
        "azureml-defaults",
        "AzureML-Core>=1.50; python_version > '3.8'",
        "azureml-dataset-runtime[fuse]",
        "azureml.contrib.services",
        "azureml-mlflow",
        "inference-schema[numpy-support]",
        "azureml-core-extension",
        "numpy==1.26.4",
        "git+https://example.org/azureml-core.git",
    ]
    kept, left_out = azure_packages.parted(lines)
    assert kept == lines[6:]
    assert left_out == [
        "azureml-inference-server-http",
        "azureml-ai-monitoring",
        "azureml-defaults",
        "azureml-core",
        "azureml-dataset-runtime",
        "azureml-contrib-services",
    ]


@pytest.mark.parametrize(
    ("content", "kept", "left_out"),
    [
        (
            {"channels": ["x"], "dependencies": ["python=3.10", {"pip": ["azureml-defaults", "six"]}]},
            {"channels": ["x"], "dependencies": ["python=3.10", {"pip": ["six"]}]},
            ["azureml-defaults"],
        ),
        ({"dependencies": ["pip", {"pip": ["six"]}]}, {"dependencies": ["pip", {"pip": ["six"]}]}, []),
        ({"dependencies": ["pip", {"pip": None}]}, {"dependencies": ["pip", {"pip": None}]}, []),
        ({"name": "x"}, {"name": "x"}, []),
        ({"dependencies": "six"}, {"dependencies": "six"}, []),
    ],
)
def test_a_conda_file_is_the_same_without_them(
    content: dict[str, Any], kept: dict[str, Any], left_out: list[str]
) -> None:
    assert azure_packages.parted_conda(content) == (kept, left_out)
