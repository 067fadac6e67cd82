"""What a preflight has found, as plain values and as text."""

import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from modelport.model.inspection.text import WIDTH, one_line

OK, NOTE, WARNING, FAILED = "ok", "note", "warning", "failed"
_SIGNS = {OK: "✓", NOTE: "·", WARNING: "!", FAILED: "✗"}
_MARGIN = 15


@dataclass(frozen=True)
class Finding:
    """``about`` is a word (``environment``, ``signature``); ``status`` one of the constants of this module: a note is good to
    know, a warning may surprise, what failed would fail in production."""

    about: str
    status: str
    says: str
    hint: str | None = None
    code: str | None = None
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """Of one model; ``python`` is the interpreter it would run in, None where it could not be had."""

    model_uri: str
    python: str | None
    findings: tuple[Finding, ...]
    seconds: float

    def count(self, status: str) -> int:
        return sum(finding.status == status for finding in self.findings)

    @property
    def failed(self) -> bool:
        return self.count(FAILED) > 0

    @property
    def has_warnings(self) -> bool:
        return self.count(WARNING) > 0

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "failed": self.failed}


def as_text(report: Report) -> str:
    lines = [line for finding in report.findings for line in _finding(finding)]
    counts = [(report.count(FAILED), "failed"), (report.count(WARNING), "to be warned of")]
    summary = ", ".join(f"{count} {what}" for count, what in counts if count) or "all is well"
    return "\n".join([*lines, f"{one_line(report.model_uri)}: {summary} ({report.seconds:.1f} s)"]) + "\n"


def _finding(finding: Finding) -> Iterator[str]:
    head = f"{_SIGNS[finding.status]} {finding.about}".ljust(_MARGIN)
    blank = " " * _MARGIN
    yield from textwrap.wrap(one_line(finding.says), WIDTH, initial_indent=head, subsequent_indent=blank)
    for detail in finding.details:
        yield blank + one_line(detail)
    if finding.hint:
        yield from textwrap.wrap(
            one_line(finding.hint), WIDTH, initial_indent=f"{blank}hint: ", subsequent_indent=blank
        )
