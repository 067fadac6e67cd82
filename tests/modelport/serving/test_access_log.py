"""One line for each answer, text or JSON, and nobody is held up by a reader that does not read."""

import fcntl
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from modelport.serving import access_log
from modelport.serving.access_log import AccessLog

ANSWER: dict[str, Any] = {
    "client": "10.0.0.1",
    "method": b"POST",
    "path": b"/invocations",
    "status": 200,
    "id": b"abc-1",
    "seconds": 0.0123,
    "rows": 5,
    "phases": [10, 20, 30, 40],
}


def written(folder: Path, style: str, *answers: dict[str, Any]) -> list[str]:
    path = folder / "log"
    with path.open("wb") as file:
        log = AccessLog(style, file.fileno())
        for answer in answers:
            log.add(**answer)
        log.close()
    return path.read_text().splitlines()


def test_a_line_of_text_tells_all_of_an_answer(tmp_path: Path) -> None:
    (line,) = written(tmp_path, "text", ANSWER)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z 10\.0\.0\.1 POST /invocations 200 12\.30ms "
        r"rows=5 queue=10 decode=20 predict=30 encode=40us id=abc-1",
        line,
    )


def test_a_line_of_json_tells_the_same_by_name(tmp_path: Path) -> None:
    (line,) = written(tmp_path, "json", {**ANSWER, "status": 400, "error": "BAD_REQUEST"})
    entry = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.pop("time"))
    assert entry == {
        "client": "10.0.0.1",
        "method": "POST",
        "path": "/invocations",
        "status": 400,
        "request_id": "abc-1",
        "milliseconds": 12.3,
        "rows": 5,
        "queue_us": 10,
        "decode_us": 20,
        "predict_us": 30,
        "encode_us": 40,
        "error_code": "BAD_REQUEST",
    }


@pytest.mark.parametrize("style", ["text", "json"])
def test_lines_say_what_they_are_about(tmp_path: Path, style: str) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        log = AccessLog(style, file.fileno())
        log.about(endpoint="churn", deployment="blue").add(**ANSWER)
        log.about(endpoint="churn", deployment="green").add(**ANSWER)
        log.add(**ANSWER)
        log.close()
    about = path.read_text().splitlines()
    if style == "json":
        assert [(json.loads(line).get("endpoint"), json.loads(line).get("deployment")) for line in about] == [
            ("churn", "blue"),
            ("churn", "green"),
            (None, None),
        ]
    else:
        assert [line.partition("encode=40us ")[2] for line in about] == [
            "endpoint=churn deployment=blue id=abc-1",
            "endpoint=churn deployment=green id=abc-1",
            "id=abc-1",
        ]


def test_an_answer_without_a_prediction_has_no_phases_and_names_its_error(tmp_path: Path) -> None:
    (line,) = written(tmp_path, "text", {**ANSWER, "status": 404, "phases": None, "error": "NOT_FOUND"})
    assert line.endswith("POST /invocations 404 12.30ms NOT_FOUND id=abc-1")


@pytest.mark.parametrize("path", [b"/a b", b"/a\x1b[2Jb", b"/a\r\nforged line", "/ä".encode()])
@pytest.mark.parametrize("style", ["text", "json"])
def test_what_a_client_sends_cannot_forge_or_garble_a_line(tmp_path: Path, style: str, path: bytes) -> None:
    (line,) = written(tmp_path, style, {**ANSWER, "path": path})
    assert line.isprintable()
    if style == "json":
        assert json.loads(line)["path"] == path.decode("latin-1")
    else:
        assert line.endswith("id=abc-1")


def test_all_lines_are_written_in_order(tmp_path: Path) -> None:
    lines = written(tmp_path, "json", *({**ANSWER, "id": b"%d" % number} for number in range(5000)))
    assert [json.loads(line)["request_id"] for line in lines] == [str(number) for number in range(5000)]


def test_lines_appear_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        log = AccessLog("text", file.fileno())
        for number in range(1, 4):
            log.add(**ANSWER)
            until = time.monotonic() + 5
            while len(path.read_text().splitlines()) < number:
                assert time.monotonic() < until
                time.sleep(0.01)
        log.close()


def test_off_writes_nothing_and_needs_no_thread(tmp_path: Path) -> None:
    assert written(tmp_path, "off", ANSWER) == []


def test_a_reader_that_does_not_read_costs_lines_but_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "MAX_LINES", 1000)
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    log = AccessLog("text", write)
    for _ in range(100):  # more than the pipe holds: the writing thread waits in here
        log.add(**ANSWER)
    time.sleep(0.3)
    began = time.monotonic()
    for _ in range(3000):
        log.add(**ANSWER)
    assert time.monotonic() - began < 2
    os.set_blocking(read, False)
    text = b""
    until = time.monotonic() + 10
    while b"2000 lines of the access log were dropped" not in text:
        assert time.monotonic() < until, text[-300:]
        try:
            text += os.read(read, 1 << 16)
        except BlockingIOError:
            time.sleep(0.01)
    log.close()
    os.close(write)
    os.close(read)


def test_a_reader_that_is_gone_stops_nothing() -> None:
    read, write = os.pipe()
    os.close(read)
    log = AccessLog("text", write)
    for _ in range(3):
        log.add(**ANSWER)
        time.sleep(0.06)
    log.close()
    os.close(write)
