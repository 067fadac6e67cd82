"""The head of an INFER frame, as every door to the workers writes it."""

from typing import Any

import orjson


def head(content: str, dialect: str, policy: str, answer: str = "json", json_size: int | None = None) -> bytes:
    """How a request is to be read and answered; the fields are those of ``modelport_runtime.scoring.Form``."""
    fields: dict[str, Any] = {"content": content, "dialect": dialect, "policy": policy, "answer": answer}
    if json_size is not None:
        fields["json_size"] = json_size
    return orjson.dumps(fields)
