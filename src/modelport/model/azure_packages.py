"""Azure's own packages, which users' lists name for Azure's server: this product stands in for them, and installs none."""

from collections.abc import Iterable, Mapping
from typing import Any

from modelport.model import requirement_lines

_STOOD_IN_FOR = frozenset(
    {
        "azureml-inference-server-http",
        "azureml-ai-monitoring",
        "azureml-defaults",
        "azureml-core",
        "azureml-dataset-runtime",
        "azureml-contrib-services",
    }
)
"""``inference-schema`` and ``azureml-mlflow`` are none: scripts and models use them themselves."""


def parted(requirements: Iterable[str]) -> tuple[list[str], list[str]]:
    """The requirements that are installed, and the names of the others."""
    kept, left_out = [], []
    for line in requirements:
        name = requirement_lines.name_of(line)
        if name in _STOOD_IN_FOR:
            left_out.append(name)
        else:
            kept.append(line)
    return kept, left_out


def parted_conda(content: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The same of what a conda file holds: it without those lines, and the names."""
    dependencies, left_out = [], []
    given = content.get("dependencies")
    for entry in given if isinstance(given, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("pip"), list):
            kept, names = parted(map(str, entry["pip"]))
            dependencies.append({**entry, "pip": kept})
            left_out += names
        else:
            dependencies.append(entry)
    return {**content, "dependencies": dependencies} if left_out else dict(content), left_out


def told(names: Iterable[str]) -> str:
    """What is said of those that are left out."""
    return f"not installed, as modelport stands in for them: {', '.join(sorted(set(names)))}"
