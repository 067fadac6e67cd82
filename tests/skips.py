"""Every skip needs leave: a pytest plugin that fails the run on a skip which `tests/ALLOWED_SKIPS` does not name."""

import re
from pathlib import Path

import pytest

ALLOWED = [
    re.compile(line)
    for line in (Path(__file__).parent / "ALLOWED_SKIPS").read_text().splitlines()
    if line and not line.startswith("#")
]
_refused: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _look(report.nodeid, report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    _look(report.nodeid, report)


def _look(nodeid: str, report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        text = f"{nodeid}: {reason}"
        if not any(pattern.search(text) for pattern in ALLOWED):
            _refused.append(text)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _refused and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for text in _refused:
        terminalreporter.write_line(f"NOT ALLOWED TO SKIP (tests/ALLOWED_SKIPS): {text}", red=True)
