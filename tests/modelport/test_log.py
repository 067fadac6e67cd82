"""Our own log lines."""

import logging
import re
from collections.abc import Iterator

import pytest

from modelport.log import set_up_log


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    log = logging.getLogger("modelport")
    before, level = list(log.handlers), log.level
    log.handlers.clear()
    yield log
    log.handlers[:] = before
    log.setLevel(level)


def test_log_lines_have_a_time_in_utc_and_a_level(log: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_log()
    log.getChild("workers").warning("worker %d died", 7)
    log.debug("not shown")
    line = capsys.readouterr().err
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING worker 7 died\n", line)
