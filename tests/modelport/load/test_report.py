"""How a measured level reads."""

import pytest

from modelport.load.bench import form_of, shortened
from modelport.load.level import Measured


@pytest.mark.parametrize(("share", "latency"), [(0.5, 51), (0.9, 91), (0.99, 100), (1.0, 100)])
def test_a_percentile_is_a_latency_that_was_seen(share: float, latency: int) -> None:
    measured = Measured(1, 2.0, [float(number) for number in range(1, 101)], {"500": 2}, None, 0.1, None)
    assert measured.percentile(share) == latency
    assert (measured.rate, measured.failed, measured.mean) == (50, 2, 50.5)


def test_a_level_without_answers_has_no_latency() -> None:
    measured = Measured(1, 0.0, [], {}, None, 0.1, None)
    assert (measured.percentile(0.5), measured.mean, measured.rate) == (None, None, 0.0)


@pytest.mark.parametrize(
    ("body", "content_type", "form"),
    [
        (b'{"dataframe_records": []}', "application/json", "dataframe_records"),
        (b'{"params": {}, "inputs": []}', "application/json; charset=utf-8", "inputs"),
        (b'{"input_data": []}', "application/json", "application/json"),
        (b"[1]", "application/json", "application/json"),
        (b"no JSON", "application/json", "application/json"),
        (b"a,b", "Text/CSV; charset=utf-8", "text/csv"),
    ],
)
def test_the_form_of_a_body_is_its_key_or_its_kind(body: bytes, content_type: str, form: str) -> None:
    assert form_of(body, content_type) == form


def test_a_long_answer_is_shown_in_short_on_one_line() -> None:
    assert shortened("a\n b") == "a b"
    assert len(shortened("x" * 1000)) == 200
