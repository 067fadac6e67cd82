"""What is seen of a wait: nothing for two seconds, nothing where nobody looks."""

import logging
import sys

import pytest

from modelport.cli.endpoints.command import log
from modelport.cli.endpoints.progress import progress


def _shown(capsys: pytest.CaptureFixture[str]) -> str:
    with progress("deployment 'blue'") as tell:
        tell("Creating", 0.5)
        early = capsys.readouterr().err
        tell("Creating", 2.4)
        tell("Updating", 7.1)
    assert early == ""
    return capsys.readouterr().err


def test_a_terminal_shows_state_and_seconds_and_then_nothing_more(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    shown = _shown(capsys)
    assert "deployment 'blue': Creating, 2 s" in shown
    assert "deployment 'blue': Updating, 7 s" in shown
    assert shown.endswith("\r\x1b[K")


def test_a_file_gets_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    assert _shown(capsys) == ""


def test_only_errors_means_no_progress(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        assert _shown(capsys) == ""
    finally:
        log.setLevel(before)
