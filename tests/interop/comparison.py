"""When two answers are the same: the status, the JSON of a success, the error code of a failure."""

import json
from typing import Any

from tests.interop.answers import Answer


def difference(theirs: Answer, ours: Answer) -> str | None:
    """What a client would notice; None: nothing. NaN and infinities, which JSON does not have, equal our null."""
    if ours.status is None:
        return "no answer"
    if theirs.status != ours.status:
        return "another status"
    if 200 <= ours.status < 300:
        if theirs.media_type != ours.media_type:
            return "another media type"
        return None if parsed(theirs.text) == parsed(ours.text) else "another body"
    code = error_code(theirs)
    return None if code is None or code == error_code(ours) else "another error code"


def mismatch(expected: dict[str, Any], ours: Answer) -> str | None:
    """How our answer differs from a stated one (``status`` and ``body`` or ``error_code``); None: it does not."""
    if expected["status"] != ours.status:
        return "another status"
    if "body" in expected and expected["body"] != strictly_parsed(ours.text):
        return "another body"
    if "error_code" in expected and expected["error_code"] != error_code(ours):
        return "another error code"
    return None


def parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=lambda name: None)
    except ValueError:
        return text


def strictly_parsed(text: str) -> Any:
    """As JSON has it: without NaN and infinities."""
    try:
        return json.loads(text, parse_constant=lambda name: f"{name} is not JSON")
    except ValueError:
        return text


def error_code(answer: Answer) -> str | None:
    body = parsed(answer.text)
    return body.get("error_code") if isinstance(body, dict) else None
