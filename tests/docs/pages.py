"""The fenced blocks of a document: found, run in one shell, and held against what the document shows."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.server import environment
from tests.support.saved import ROOT

TIMEOUT = 90
README = ROOT / "README.md"
SERVING = ROOT / "docs" / "serving.md"
PAYLOADS = ROOT / "docs" / "payloads.md"
DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
QUICKSTART = ROOT / "docs" / "endpoints-quickstart.md"
UP_PAGES = [
    ROOT / "docs" / f"{name}.md"
    for name in ("endpoints", "rollout", "from-azure-ml", "endpoints-security", "operations", "rest-api")
]
"""Their blocks ask a running `modelport up`; that of the quickstart starts one."""

_FENCE = re.compile(
    r"(?:<!-- not run by tests/docs: (?P<reason>.*?) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```\n", re.DOTALL
)
_EXPECTED = re.compile(r"\n```(?P<kind>text|json)\n(?P<text>.*?)```\n", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block; ``expected`` is the one after it, which shows what it prints."""

    kind: str
    text: str
    reason: str | None
    expected: str | None
    expected_kind: str | None


def blocks(document: Path) -> list[Block]:
    return blocks_of(document.read_text())


def blocks_of(content: str) -> list[Block]:
    found = []
    for match in _FENCE.finditer(content):
        output = _EXPECTED.match(content, match.end())
        text, kind = (output["text"], output["kind"]) if output else (None, None)
        found.append(Block(match["kind"], match["text"], match["reason"], text, kind))
    return found


def runnable(document: Path, *kinds: str) -> list[Block]:
    return [block for block in blocks(document) if block.kind in kinds and block.reason is None]


def run_in_one_shell(
    texts: list[str], folder: Path, variables: Mapping[str, str], timeout: float = TIMEOUT
) -> list[str]:
    """What each block printed. What was put in the background is stopped at the end.

    Each block has a file of its own for its output, which its servers go on writing to.
    """
    outputs = [folder / f"output-{number}" for number in range(len(texts))]
    steps = [f"exec > {output} 2>&1\n{text}" for output, text in zip(outputs, texts, strict=True)]
    (folder / "commands.sh").write_text("set -euo pipefail\n" + "".join(steps))
    shell = subprocess.Popen(
        ["bash", "commands.sh"], cwd=folder, env={**environment(), **variables}, start_new_session=True
    )
    try:
        code = shell.wait(timeout=timeout)
    finally:
        _stop_group(shell.pid)
    printed = [output.read_text() for output in outputs if output.exists()]
    assert code == 0, f"exit code {code} in this block:\n{texts[len(printed) - 1]}\nIt printed:\n{printed[-1]}"
    return printed


def _stop_group(group: int) -> None:
    """Ask all that are left to end, wait a little, and see to it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)


def compare(block: Block, printed: str) -> None:
    if block.expected is None:
        return
    if block.expected_kind == "json":
        assert json.loads(printed) == json.loads(block.expected), block.text
    else:
        pattern = ".*".join(re.escape(part) for part in block.expected.strip().split("…"))
        assert re.fullmatch(pattern, printed.strip(), re.DOTALL), (
            f"{block.text}\nprinted:\n{printed}\nthe document shows:\n{block.expected}"
        )


def table_rows(document: Path) -> list[list[str]]:
    lines = [line for line in document.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
