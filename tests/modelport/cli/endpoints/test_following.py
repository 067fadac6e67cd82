"""What is new in a log of which only the last lines can be had."""

import pytest

from modelport.cli.endpoints.following import added


@pytest.mark.parametrize(
    ("before", "now", "new"),
    [
        ("", "", ""),
        ("", "a\n", "a\n"),
        ("a\n", "a\n", ""),
        ("a\nb\n", "a\nb\nc\n", "c\n"),
        ("a\nb", "a\nbc\n", "c\n"),
        ("a\nb\nc\n", "b\nc\nd\n", "d\n"),
        ("x\nx\nx\n", "x\nx\nx\n", ""),
        ("x\nx\ny\n", "x\ny\nx\n", "x\n"),
        ("a\n", "p\nq\n", "p\nq\n"),
    ],
)
def test_only_what_was_not_shown_is_new(before: str, now: str, new: str) -> None:
    assert added(before, now) == new
