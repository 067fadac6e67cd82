"""The bill of materials of a package: CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/), the same for the same content."""

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from email import message_from_string
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zipfile import ZipFile

import orjson

import modelport_runtime
from modelport.model import requirement_lines
from modelport.model.package import File

_ROOT = "model"
_LONGEST_NAME = 100
"""Of a licence's name; many packages write the whole licence where its name belongs."""


def bill(model: str, wheels: Iterable[Path], markers: Mapping[str, str], model_files: Mapping[str, File]) -> bytes:
    """What is in the package: the model, and each wheel with its licence and what it needs of the others.

    ``markers``: of the Python and platform that it is for.
    """
    described = [_described(wheel) for wheel in sorted(wheels)]
    refs = {requirement_lines.name_of(component["name"]): component["bom-ref"] for component, _ in described}
    components = [component for component, _ in described]
    needs = [
        {"ref": component["bom-ref"], "dependsOn": sorted(_needed(metadata, refs, markers))}
        for component, metadata in described
    ]
    content: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "tools": {
                "components": [{"type": "application", "name": "modelport", "version": modelport_runtime.__version__}]
            },
            "component": {"type": "machine-learning-model", "bom-ref": _ROOT, "name": model},
        },
        "components": components,
        "dependencies": [{"ref": _ROOT, "dependsOn": sorted(refs.values())}, *needs],
    }
    seen = orjson.dumps(
        [content, {name: file.sha256 for name, file in model_files.items()}], option=orjson.OPT_SORT_KEYS
    )
    content["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, hashlib.sha256(seen).hexdigest())}"
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def _described(wheel: Path) -> tuple[dict[str, Any], Message]:
    from packaging.utils import parse_wheel_filename

    name, version, _, _ = parse_wheel_filename(wheel.name)
    address = f"pkg:pypi/{name}@{quote(str(version), safe='')}"
    metadata = metadata_of(wheel)
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": address,
        "name": str(name),
        "version": str(version),
        "purl": address,
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }
    licence = _licence(metadata)
    if licence is not None:
        component["licenses"] = [licence]
    return component, metadata


def metadata_of(wheel: Path) -> Message:
    """What the wheel says of its distribution."""
    with ZipFile(wheel) as archive:
        name = next(
            name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1
        )
        return message_from_string(archive.read(name).decode(errors="replace"))


def _licence(metadata: Message) -> dict[str, Any] | None:
    """As the distribution itself says: an SPDX expression, a name, or a trove classifier."""
    expression, name = metadata["License-Expression"], metadata["License"]
    if expression:
        return {"expression": expression}
    if not name or "\n" in name or len(name) > _LONGEST_NAME:
        classifiers = [
            text.rpartition(" :: ")[2] for text in metadata.get_all("Classifier", []) if "License ::" in text
        ]
        name = " and ".join(classifiers)
    return {"license": {"name": name}} if name else None


def _needed(metadata: Message, refs: Mapping[str | None, str], markers: Mapping[str, str]) -> set[str]:
    found = set()
    for line in metadata.get_all("Requires-Dist", []):
        wanted = requirement_lines.parsed(line)
        name = requirement_lines.name_of(line)
        if wanted is not None and name in refs and (wanted.marker is None or wanted.marker.evaluate({**markers})):
            found.add(refs[name])
    return found
