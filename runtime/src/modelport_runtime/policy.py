"""How strictly data is held against a signature: two named policies, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """A named set of answers to "this value is not quite of that type"."""

    name: str
    strict: bool


LENIENT = Policy("lenient", strict=False)
"""Accepts whatever MLflow's scoring server accepts (``/invocations``, ``predict``)."""

STRICT = Policy("strict", strict=True)
"""Refuses what does not fit: no truncation, no wrap-around, no text read as a number or truth value (``/score``, batch
endpoints); integer datetimes are milliseconds; empty data gives an empty answer."""

POLICIES = {policy.name: policy for policy in (LENIENT, STRICT)}
