"""`RESULTS.md` has sections that different programs write; each replaces its own."""

from __future__ import annotations

from pathlib import Path

from benchmarks.servers import ROOT

RESULTS = ROOT / "benchmarks/RESULTS.md"


def write_section(name: str, text: str, path: Path = RESULTS) -> None:
    """Put ``text`` in the place of the section of that name, or at the end of the file."""
    first, last = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before = path.read_text() if path.exists() else ""
    section = f"{first}{text.strip()}\n{last}"
    if first in before:
        start, end = before.index(first), before.index(last) + len(last)
        path.write_text(before[:start] + section + before[end:])
    else:
        path.write_text(f"{before.rstrip()}\n\n{section}".lstrip())
