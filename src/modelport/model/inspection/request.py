"""A request for one very model, ready to be pasted into a shell; and its input example, shortened."""

import json
import shlex
from pathlib import Path
from typing import Any

from modelport.model.example_request import example_of
from modelport.model.inspection.report import ExampleReport, RequestReport
from modelport_runtime.errors import ModelportError
from modelport_runtime.model import SERVING_EXAMPLE, Model

ADDRESS = "http://127.0.0.1:5000"
"""Where `modelport serve` listens unless it is told otherwise."""
MAX_INLINE = 4000
"""Characters of a body that is still pleasant to paste; a longer one is sent from its file."""
MAX_SHOWN = 400
"""Characters of the example in the report."""


def example_and_request(model: Model) -> tuple[ExampleReport | None, RequestReport]:
    """Made from the model's own example, else from its signature."""
    example, body = _example(model)
    if body is not None:
        return example, RequestReport(_curl(body, _example_file(model)), "example", None)
    made = example_of(model.signature)
    if made is not None:
        return example, RequestReport(_curl(_compact(made), None), "signature", None)
    hint = (
        "the model says nothing of its inputs: send what its author's code expects, "
        'as {"inputs": …} or {"dataframe_split": {"columns": […], "data": [[…]]}}'
    )
    return example, RequestReport(None, None, hint)


def _example(model: Model) -> tuple[ExampleReport | None, str | None]:
    """The example, and the body of a request that sends it; None where it cannot be read."""
    info = model.saved_input_example_info
    if not isinstance(info, dict) or not info:
        return None, None
    kind, file = info.get("type"), info.get("artifact_path")
    try:
        for name in (info.get("serving_input_path") or SERVING_EXAMPLE, file or ""):
            path = Path(model.file(str(name)))
            if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe or device would never end
                raise OSError(f"{path} is no ordinary file")
        stored = model.serving_example()
        body = _compact(json.loads(stored or b""))
    except (ModelportError, OSError, ValueError, TypeError, KeyError, ImportError) as error:
        problem = f"the example cannot be read: {getattr(error, 'message', None) or error}"
        return ExampleReport(kind, file, None, problem), None
    return ExampleReport(kind, file, _shortened(body), None), body


def _example_file(model: Model) -> Path | None:
    """The file whose content is the body of a request; models before MLflow 2.16 have none."""
    path = Path(model.file((model.saved_input_example_info or {}).get("serving_input_path") or SERVING_EXAMPLE))
    return path if path.is_file() else None


def _curl(body: str, file: Path | None) -> str:
    data = f"-d {shlex.quote(body)}"
    if file is not None and len(body) > MAX_INLINE:
        data = f"--data-binary {shlex.quote(f'@{file}')}"
    return f"curl -s {ADDRESS}/invocations -H 'Content-Type: application/json' {data}"


def _compact(value: Any) -> str:
    """On one line, and with nothing in it that a terminal would obey."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(character if character.isprintable() else json.dumps(character)[1:-1] for character in text)


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
