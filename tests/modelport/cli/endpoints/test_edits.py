"""``--set``, ``--add``, ``--remove``."""

import json
from typing import Any

import pytest
import typer

from modelport.cli.endpoints.edits import Edits
from modelport.errors import InvalidInput

DATA = {"tags": {"team": "risk"}, "notes": ["a", "b"], "count": 1, "settings": {"timeout": 5}, "nothing": None}


@pytest.mark.parametrize(
    ("edits", "changed"),
    [
        (Edits(set=["count=2"]), {"count": 2}),
        (Edits(set=["count=2"], force_string=True), {"count": "2"}),
        (Edits(set=["tags.year=2026"]), {"tags": {"team": "risk", "year": 2026}}),
        (Edits(set=["notes[1]=c"]), {"notes": ["a", "c"]}),
        (Edits(set=["notes.0=c"]), {"notes": ["c", "b"]}),
        (Edits(set=['settings={"timeout": 7}']), {"settings": {"timeout": 7}}),
        (Edits(set=["text=a=b"]), {"text": "a=b"}),
        (Edits(set=["new.deep=true"]), {"new": {"deep": True}}),
        (Edits(add=['["tags", "a=1", "b=x"]']), {"tags": {"team": "risk", "a": 1, "b": "x"}}),
        (Edits(add=['["tags", "a=1"]'], force_string=True), {"tags": {"team": "risk", "a": "1"}}),
        (Edits(add=['["notes", "c", "4"]']), {"notes": ["a", "b", "c", 4]}),
        (Edits(add=['["notes", "k=v", "l=w"]']), {"notes": ["a", "b", {"k": "v", "l": "w"}]}),
        (Edits(add=['["nothing", "x"]']), {"nothing": ["x"]}),
        (Edits(add=['["nothing", "x=1"]']), {"nothing": {"x": 1}}),
        (Edits(remove=['["tags.team"]']), {"tags": {}}),
        (Edits(remove=['["notes", "0"]']), {"notes": ["b"]}),
        (Edits(remove=['["notes", "-1"]']), {"notes": ["a"]}),
    ],
)
def test_an_edit_changes_what_it_names(edits: Edits, changed: dict[str, Any]) -> None:
    before = json.dumps(DATA)
    assert edits.applied(DATA) == {**DATA, **changed}
    assert json.dumps(DATA) == before


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        (Edits(set=["count"]), "is no setting"),
        (Edits(set=["count.a=1"]), "has no keys"),
        (Edits(add=['["count", "1"]']), "'count' is no list"),
        (Edits(add=['["tags"]']), "nothing is given to add to 'tags'"),
        (Edits(remove=['["tags.other"]']), "there is no 'tags.other' to remove"),
        (Edits(remove=['["notes", "9"]']), "it has 2 items"),
        (Edits(remove=['["a.b.c"]']), "there is no 'a'"),
    ],
)
def test_an_edit_that_leads_nowhere_is_refused(edits: Edits, said: str) -> None:
    with pytest.raises((InvalidInput, typer.BadParameter)) as raised:
        edits.applied(DATA)
    assert said in raised.value.message
