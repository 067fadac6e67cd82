"""The environment variables that a model asks for are read from both places that name them."""

from pathlib import Path
from typing import Any

import pytest

from modelport.model.named_variables import named_variables


@pytest.mark.parametrize(
    ("text", "mlmodel", "expected"),
    [
        (None, {}, {}),
        ("", {"env_vars": None}, {}),
        ("# a comment\n  # another\n\nTOKEN_A\n", {}, {"TOKEN_A": None}),
        ("B=1\n C = two = 2 \nD=\n", {}, {"B": "1", "C": "two = 2", "D": ""}),
        ("A=1\n", {"env_vars": ["B", "A"]}, {"A": "1", "B": None}),
        ("A=1\nA\n", {}, {"A": "1"}),
        ("=1\n", {"env_vars": "A"}, {}),
    ],
)
def test_names_and_values(
    tmp_path: Path, text: str | None, mlmodel: dict[str, Any], expected: dict[str, str | None]
) -> None:
    if text is not None:
        (tmp_path / "environment_variables.txt").write_text(text)
    assert named_variables(tmp_path, mlmodel) == expected
