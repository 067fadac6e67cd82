"""Which format a file has."""

import pytest

from modelport.errors import InvalidInput
from modelport.files.formats import format_of


@pytest.mark.parametrize(
    ("said", "path", "expected"),
    [
        (None, "a.csv", "csv"),
        (None, "A.CSV", "csv"),
        (None, "a.ndjson", "jsonl"),
        (None, "a.pq", "parquet"),
        (None, "a.feather", "arrow"),
        (None, "a.txt", "json"),
        (None, "csv", "json"),
        (None, None, "json"),
        ("csv", "a.parquet", "csv"),
        ("CSV", None, "csv"),
        ("ndjson", None, "jsonl"),
    ],
)
def test_what_is_said_counts_more_than_the_name(said: str | None, path: str | None, expected: str) -> None:
    assert format_of(said, path, "the content type") == expected


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidInput, match="the content type 'xls' is not known") as caught:
        format_of("xls", "a.csv", "the content type")
    assert caught.value.hint is not None and "parquet" in caught.value.hint
