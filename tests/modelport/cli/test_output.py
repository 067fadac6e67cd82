"""What commands print: one readable block for an error, log lines with a time."""

import logging
import re
from collections.abc import Iterator

import pytest

from modelport import cli
from modelport.cli.output import print_error, set_up_log
from modelport.errors import InvalidInput, WorkerFailed


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    log = logging.getLogger("modelport")
    before, level = list(log.handlers), log.level
    yield log
    log.handlers[:] = before
    log.setLevel(level)


def test_an_error_is_one_block_without_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(WorkerFailed("no licence", hint="buy one", details=[{"file": "a"}], traceback="Traceback (most recent"))
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: no licence [MODEL_NOT_LOADABLE]\n  {'file': 'a'}\nhint: buy one\n"


def test_an_error_without_a_hint_has_no_line_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(InvalidInput("no"))
    assert capsys.readouterr().err == "error: no [BAD_REQUEST]\n"


def test_log_lines_have_a_time_in_utc_and_a_level(log: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_log()
    log.getChild("workers").warning("worker %d died", 7)
    log.debug("not shown")
    line = capsys.readouterr().err
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING worker 7 died\n", line)


def test_an_error_of_a_command_ends_it_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise InvalidInput("cannot do this", hint="do that")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "error: cannot do this [BAD_REQUEST]\nhint: do that\n"
