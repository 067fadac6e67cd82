"""The cases of the Azure suite: the files in ``cases/`` read into values.

An entry is written as in the MLflow suite (see ``tests.interop.case``), and may have ``headers`` to send and ``also``: headers
whose values have to be the same in both answers. Where we differ from Azure on purpose it has ``divergence`` (an id of
``tests/divergences.json``) and ``ours``: the ``status``, and the ``body``, a part of the ``message``, or some ``headers``.
"""

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.interop.case import read_body

CASES = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Case:
    """One request to one model, the same bytes for Azure's server and for ours."""

    model: str
    name: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    also: tuple[str, ...] = ()
    divergence: str | None = None
    ours: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.model}: {self.name}"

    def request(self) -> dict[str, Any]:
        """The request as plain JSON, for another process."""
        return {
            "id": self.id,
            "model": self.model,
            "method": self.method,
            "path": self.path,
            "headers": self.headers,
            "body": base64.b64encode(self.body).decode(),
        }


def read_cases() -> list[Case]:
    return [read_case(entry) for file in sorted(CASES.glob("*.json")) for entry in json.loads(file.read_text())]


def read_case(entry: dict[str, Any]) -> Case:
    body = read_body(entry)
    content_type = entry.get("content_type", "application/json" if body is not None else None)
    return Case(
        model=entry["model"],
        name=entry["name"],
        method=entry.get("method", "POST"),
        path=entry.get("path", "/score"),
        headers={**({} if content_type is None else {"content-type": content_type}), **entry.get("headers", {})},
        body=body or b"",
        also=tuple(entry.get("also", ())),
        divergence=entry.get("divergence"),
        ours=entry.get("ours", {}),
    )
