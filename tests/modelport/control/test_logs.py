"""The last lines of a log, whatever its size, and also of the one before it."""

from pathlib import Path

import pytest

from modelport.control import logs
from tests.modelport.store.samples import deployment

LINES = [f"line {number}\n" for number in range(20_000)]


@pytest.mark.parametrize(
    ("old", "new", "count", "wanted"),
    [
        (None, None, 5, []),
        (None, [], 5, []),
        (None, LINES, 3, LINES[-3:]),
        (None, LINES, 15_000, LINES[-15_000:]),
        (LINES[:5], LINES[5:8], 2, LINES[6:8]),
        (LINES[:5], LINES[5:8], 4, LINES[4:8]),
        (LINES[:5], LINES[5:8], 100, LINES[:8]),
        (None, ["a\n", "without an end"], 1, ["without an end"]),
        (None, ["\xe4\n", "\udc80\n"], 2, ["\xe4\n", "\ufffd\n"]),
        (LINES[:5], LINES[5:8], 0, []),
    ],
)
def test_the_last_lines(
    tmp_path: Path, old: list[str] | None, new: list[str] | None, count: int, wanted: list[str]
) -> None:
    file = tmp_path / "server.log"
    for path, lines in ((file, new), (tmp_path / "server.log.1", old)):
        if lines is not None:
            path.write_bytes("".join(lines).encode("utf-8", "surrogateescape"))
    assert logs.last_lines(file, count) == "".join(wanted)


def test_a_log_is_its_owners_and_that_of_a_later_deployment_another(tmp_path: Path) -> None:
    first = deployment()
    later = first.model_copy(update={"id": "other-id"})
    file = logs.opened(logs.path(tmp_path, first, "inference-server"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert logs.path(tmp_path, later, "inference-server") != file != logs.path(tmp_path, first, "storage-initializer")


def test_what_is_told_is_added_and_no_room_for_it_harms_nobody(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "server.log"
    logs.told(file, "first\n")
    logs.told(file, "second\n")
    assert logs.last_lines(file, 2) == "first\nsecond\n"
    (tmp_path / "file").touch()
    logs.told(tmp_path / "file" / "server.log", "nowhere\n")
