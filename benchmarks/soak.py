"""Twenty minutes of everything at once: `python -m benchmarks.soak`. Good requests, bad ones, kills, models loaded anew.

Two models are served. One is loaded anew and has its workers killed all the time; the other is left alone, so that its
workers live as long as the soak and would show a leak. What is looked for: a good request that failed, a process that grows.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import Tree
from benchmarks.run import cpu_model, make_models
from benchmarks.sections import write_section
from benchmarks.servers import HOST, MODEL_PYTHON, ROOT, free_port
from benchmarks.workloads import MODELS, WORKLOADS

KEY = "soak"
CHANGED, LEFT_ALONE = "changed", "left-alone"
KILL_EVERY, RELOAD_EVERY, SAMPLE_EVERY = 15.0, 60.0, 10.0
WARM_UP_SHARE = 0.25
"""Of the soak; memory may still grow in it: five minutes of twenty."""
GROWN_UP = 20.0
"""Seconds a worker must have lived for its memory to count."""
MAY_VARY = 0.05
BAD_CLIENTS = 4


@dataclass
class Findings:
    """What happened so far."""

    good: int = 0
    failed: collections.Counter[str] = field(default_factory=collections.Counter)
    bad: collections.Counter[str] = field(default_factory=collections.Counter)
    kills: int = 0
    reloads: int = 0
    interrupted: int = 0
    """Times that the model was not loaded anew, because the worker that loaded it was killed."""
    memory: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: collections.defaultdict(list))
    """Who → (seconds since the start, MiB)."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    os.chdir(ROOT)
    make_models()
    with tempfile.TemporaryDirectory() as scratch, served(Path(scratch)) as (tree, port):
        findings = asyncio.run(Soak(tree, port, Path(scratch), options.minutes * 60).run(options.concurrency))
        log = (Path(scratch) / "log").read_text()
    text, holds = report(findings, options.minutes, options.concurrency)
    print(text)
    if not holds:
        print(f"\nThe end of the server's log:\n{log[-3000:]}", file=sys.stderr)
    write_section("soak", text)
    return 0 if holds else 1


@contextlib.contextmanager
def served(scratch: Path) -> Iterator[tuple[Tree, int]]:
    """A server of both models: two workers for each, two scoring processes, a key, its access log written to nowhere."""
    models = []
    for name in (CHANGED, LEFT_ALONE):
        shutil.copytree(Path(MODELS) / "w1", scratch / name)
        models += ["-m", f"{name}={scratch / name}"]
    port = free_port()
    argv = [str(ROOT / ".venv/bin/modelport"), "serve", *models, "-h", HOST, "-p", str(port), "-w", "2"]
    argv += ["--processes", "2", "--python", str(MODEL_PYTHON)]
    environment = {**os.environ, "MODELPORT_API_KEY": KEY, "MODELPORT_HOME": str(ROOT / ".cache/bench/modelport")}
    with (scratch / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=log, env=environment, start_new_session=True)
    tree = Tree(process)
    try:
        until = time.monotonic() + 60
        while not is_ready(port):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit((scratch / "log").read_text())
            time.sleep(0.1)
        yield tree, port
    finally:
        tree.stop()


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/ping", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Soak:
    """One run. ``seconds`` long, then everybody comes to an end."""

    def __init__(self, tree: Tree, port: int, scratch: Path, seconds: float) -> None:
        self.tree = tree
        self.port = port
        self.scratch = scratch
        self.seconds = seconds
        self.findings = Findings()
        self.began = time.monotonic()

    @property
    def over(self) -> bool:
        return time.monotonic() - self.began > self.seconds

    async def run(self, concurrency: int) -> Findings:
        names = [CHANGED, LEFT_ALONE]
        good = (self.ask_well(names[number % 2]) for number in range(concurrency))
        bad = (self.ask_badly(random.Random(number)) for number in range(BAD_CLIENTS))
        await asyncio.gather(*good, *bad, self.kill(), self.reload(), self.watch(), self.show())
        return self.findings

    async def every(self, pause: float) -> bool:
        """Wait; False when it is over meanwhile."""
        until = time.monotonic() + pause
        while time.monotonic() < until and not self.over:
            await asyncio.sleep(min(0.5, pause))
        return not self.over

    # -- clients -------------------------------------------------------------------------------------------------------

    async def ask_well(self, model: str) -> None:
        """One connection, one request after the other; every answer must be the right one."""
        body = WORKLOADS["w1"].body("mlflow")
        request = post(f"/models/{model}/invocations", body)
        expected: bytes | None = None
        while not self.over:
            try:
                reader, writer = await asyncio.open_connection(HOST, self.port)
                while not self.over:
                    writer.write(request)
                    status, answer = await read_answer(reader)
                    if status == 200 and expected is None:
                        expected = answer
                    if status == 200 and answer == expected:
                        self.findings.good += 1
                    else:
                        self.findings.failed[f"{status}: {answer[:200]!r}"] += 1
                writer.close()
            except (OSError, asyncio.IncompleteReadError) as error:
                self.findings.failed[repr(error)] += 1
                await asyncio.sleep(0.1)

    async def ask_badly(self, chance: random.Random) -> None:
        """Connections that misbehave: an answer must be the client's fault, and may be none where the client went away."""
        while not self.over:
            name, request = chance.choice(list(BAD))
            model = chance.choice([CHANGED, LEFT_ALONE])
            try:
                reader, writer = await asyncio.open_connection(HOST, self.port)
                writer.write(request(model))
                if name == "gone in the middle":
                    await asyncio.sleep(0.01)
                else:
                    status, _ = await asyncio.wait_for(read_answer(reader), 60)
                    self.findings.bad[f"{status}"] += 1
                    if not 400 <= status < 500:
                        self.findings.failed[f"{name} was answered with {status}"] += 1
                writer.close()
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                self.findings.bad[type(error).__name__] += 1
            await asyncio.sleep(0.05)

    # -- the operator --------------------------------------------------------------------------------------------------

    async def kill(self) -> None:
        """SIGKILL to a worker of the changed model, now and then."""
        while await self.every(KILL_EVERY):
            pids = [pid for role, pid in await asyncio.to_thread(self.processes) if role == f"worker of {CHANGED}"]
            if pids:
                os.kill(random.choice(pids), signal.SIGKILL)
                self.findings.kills += 1

    async def reload(self) -> None:
        while await self.every(RELOAD_EVERY):
            (self.scratch / CHANGED / "MLmodel").touch()
            reader, writer = await asyncio.open_connection(HOST, self.port)
            writer.write(post("/-/reload", b""))
            status, answer = await read_answer(reader)
            writer.close()
            states = {model["name"]: model["state"] for model in json.loads(answer).get("models", [])}
            if (status, states) == (200, {CHANGED: "reloaded", LEFT_ALONE: "unchanged"}):
                self.findings.reloads += 1
            elif status == 409 and b"killed by SIGKILL" in answer:
                self.findings.interrupted += 1
            else:
                self.findings.failed[f"reload: {status} {answer[:300]!r}"] += 1

    # -- memory --------------------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        while await self.every(SAMPLE_EVERY):
            now = time.monotonic() - self.began
            found: dict[str, list[float]] = collections.defaultdict(list)
            for role, pid in await asyncio.to_thread(self.processes):
                if role.startswith("worker") and age(pid) < GROWN_UP:
                    continue
                if memory := private_mib(pid):
                    found[role].append(memory)
            for role, sizes in found.items():
                self.findings.memory[role].append((now, statistics.mean(sizes)))

    def processes(self) -> list[tuple[str, int]]:
        """What each process of the server is."""
        found = []
        for pid in self.tree.pids():
            command = read(f"/proc/{pid}/cmdline").split("\0")
            if pid == self.tree.process.pid:
                found.append(("parent", pid))
            elif "modelport.serving.process" in command:
                found.append((f"scoring process {pid}", pid))
            elif "-I" in command:
                name = command[-2]
                found.append((f"worker of {CHANGED}" if name == CHANGED else f"worker {pid} of {name}", pid))
        return found

    async def show(self) -> None:
        """Progress, once a minute."""
        while await self.every(60.0):
            minutes = (time.monotonic() - self.began) / 60
            counts = f"{self.findings.good:,} good, {self.findings.failed.total()} failed"
            print(f"{minutes:5.1f} min  {counts}, {self.findings.bad.total():,} bad", flush=True)


def post(path: str, body: bytes, headers: str = "content-type: application/json\r\n", key: str = KEY) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n{headers}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    size = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    return int(head.split(b" ")[1]), await reader.readexactly(size)


def _bad_body(body: bytes, content_type: str = "application/json") -> Callable[[str], bytes]:
    return lambda model: post(f"/models/{model}/invocations", body, f"content-type: {content_type}\r\n")


BAD: list[tuple[str, Callable[[str], bytes]]] = [
    ("no JSON", _bad_body(b'{"dataframe_split": {"columns": [')),
    ("no data", _bad_body(b"{}")),
    ("a column is missing", _bad_body(b'{"dataframe_records": [{"alcohol": 1.0}]}')),
    ("text for a number", _bad_body(b'{"inputs": {"alcohol": ["much"]}}')),
    ("nested a thousand deep", _bad_body(b'{"inputs": ' + b"[" * 1000 + b"]" * 1000 + b"}")),
    ("a megabyte of nothing", _bad_body(b" " * (1 << 20))),
    ("no CSV", _bad_body(b'a,b\n"1', "text/csv")),
    ("no Parquet", _bad_body(b"PAR1" + bytes(100) + b"PAR1", "application/vnd.apache.parquet")),
    ("no Arrow", _bad_body(b"\xff\xff\xff\xff\x10\0\0\0" + bytes(100), "application/vnd.apache.arrow.stream")),
    ("an unknown type", _bad_body(b"x", "image/png")),
    ("no such path", lambda model: post(f"/models/{model}/nothing", b"{}")),
    ("no such model", lambda model: post("/models/none/invocations", b"{}")),
    ("a wrong key", lambda model: post(f"/models/{model}/invocations", b"{}", key="guessed")),
    ("a tensor that is not there", lambda model: post(f"/v2/models/{model}/infer", b'{"inputs": [{"name": "x"}]}')),
    ("Azure's without data", lambda model: post(f"/models/{model}/score", b'{"data": 1}')),
    ("too large a head", lambda model: post("/", b"", f"x-large: {'x' * 70_000}\r\n")),
    ("no HTTP", lambda model: b"HELO modelport\r\n\r\n"),
    ("gone in the middle", lambda model: post(f"/models/{model}/invocations", b"x" * 1000)[:-500]),
]


def age(pid: int) -> float:
    """Seconds since the process was started."""
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    uptime = float(read("/proc/uptime").split()[0])
    return uptime - int(fields[19]) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def private_mib(pid: int) -> float:
    """Memory that is this process's own: what it shares with others changes as they come and go."""
    lines = read(f"/proc/{pid}/smaps_rollup").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def read(path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        return ""


# -- the report


def report(findings: Findings, minutes: float, concurrency: int) -> tuple[str, bool]:
    """The section of `RESULTS.md`, and whether all that was looked for holds."""
    seconds = minutes * 60
    rows, grown = [], 0.0
    for role, samples in sorted(findings.memory.items()):
        later = [size for moment, size in samples if moment >= seconds * WARM_UP_SHARE]
        if len(later) < 3:
            continue
        # The middle of each tenth: a single sample may meet a request of a megabyte.
        parts = [
            statistics.median(later[start : start + 1 + len(later) // 10])
            for start in range(0, len(later), 1 + len(later) // 10)
        ]
        change = max(parts) / parts[0] - 1
        grown = max(grown, change)
        name = role.rstrip("0123456789") if role.startswith("scoring") else role
        rows.append(
            f"| {name.strip()} | {parts[0]:.1f} | {parts[-1]:.1f} | {max(parts):.1f} | {change:+.1%} | {bars(samples)} |"
        )
    holds = not findings.failed and grown <= MAY_VARY and findings.kills > 0 and findings.reloads > 0
    bad = ", ".join(f"{count:,} x {kind}" for kind, count in findings.bad.most_common())
    failed = "".join(f"\n- {count} x {kind}" for kind, count in findings.failed.most_common(20))
    lines = [
        "## Soak",
        "",
        f"Written by `python -m benchmarks.soak`: {minutes:g} minutes on {os.cpu_count()} cores ({cpu_model()}), "
        f"{concurrency} connections that ask well, {BAD_CLIENTS} that do not;",
        "two models in one `serve` (2 workers each, 2 scoring processes); one of them is loaded anew every "
        f"{RELOAD_EVERY:g} s and has a worker killed every {KILL_EVERY:g} s.",
        "",
        f"- good requests answered rightly: {findings.good:,} ({findings.good / seconds:,.0f} a second)",
        f"- good requests that failed: {findings.failed.total()}{failed}",
        f"- bad requests: {bad}",
        f"- workers killed: {findings.kills}; models loaded anew: {findings.reloads}; served as before, "
        f"because a kill hit the worker that was loading: {findings.interrupted}",
        f"- largest growth of a process after the first {minutes * WARM_UP_SHARE:g} minutes: {grown:+.1%} "
        f"(allowed: {MAY_VARY:.0%})",
        "",
        f"Private memory in MiB, of the changed model's workers the mean of those older than {GROWN_UP:g} s:",
        "",
        "| process | then | at the end | highest | growth | from start to end |",
        "|---|--:|--:|--:|--:|---|",
        *rows,
    ]
    return "\n".join(lines), holds


def bars(samples: list[tuple[float, float]], count: int = 24) -> str:
    """A picture of the memory, from nothing to its highest."""
    highest = max(size for _, size in samples)
    chosen = samples[:: max(1, len(samples) // count)]
    return "`" + "".join("▁▂▃▄▅▆▇█"[min(7, int(size / highest * 8))] for _, size in chosen) + "`"


if __name__ == "__main__":
    sys.exit(main())
