"""The keys of `inspect --json` are those that its page tells."""

import re
from dataclasses import fields

from modelport.model.inspection import report
from modelport.model.requirements import Dependency
from tests.support.saved import ROOT

PAGE = (ROOT / "docs" / "inspecting.md").read_text()
PARTS = (
    *(report.Flavor, report.Serving, report.Column, report.Param, report.SignatureReport, report.ExampleReport),
    *(report.RequestReport, report.Dependencies, Dependency, report.Variable, report.FileSize, report.Sizes),
    *(report.PickleScan, report.Finding),
)


def test_every_key_is_documented() -> None:
    _, table = PAGE.split("## Keys of `--json`")
    rows = [row for row in table.splitlines() if row.startswith("| `")]
    keys = [key for row in rows for key in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert keys == [field.name for field in fields(report.Inspection)]
    told = set(re.findall(r"`(\w+)`", table))
    assert [field.name for part in PARTS for field in fields(part) if field.name not in told] == []


def test_every_kind_and_status_is_documented() -> None:
    for text in ("ok", "differs", "missing", "not needed", "not checked", "pickle", "code path", "trusted types"):
        assert f"`{text}`" in PAGE
