"""`modelport predict` beside the raw loop and `mlflow models predict`, whole commands: `python -m benchmarks.files`.

Each round runs every command once, in random order; the data is made once and kept under `.cache/bench/files`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from dataclasses import astuple, dataclass
from pathlib import Path

from benchmarks.processes import Tree
from benchmarks.run import cpu_model, make_models
from benchmarks.sections import RESULTS, write_section
from benchmarks.servers import MODEL_PYTHON, ROOT
from benchmarks.workloads import CATEGORIES, CUSTOMER, FEATURES, MODELS

FOLDER = Path(".cache/bench/files")
SAMPLES = FOLDER / "samples.json"
MODELPORT = Path(sys.executable).with_name("modelport")
BATCH = 100_000
LOOK, SHARE = 0.05, 100
"""Seconds between two looks at the memory, at least; and as long as so many looks take: on cores that are all busy the looks
themselves would be measured."""


@dataclass(frozen=True)
class Command:
    """A whole command; ``beside``: the one that its time is compared with."""

    name: str
    argv: list[str]
    rows: int
    beside: str | None = None


@dataclass(frozen=True)
class Sample:
    wall: float
    cpu: float
    pss_mib: float


def main() -> int:
    options = parse()
    os.chdir(ROOT)
    make_models()
    commands = all_commands(options.rows, options.forest_rows, options.without_mlflow)
    kept = json.loads(SAMPLES.read_text()) if options.only and SAMPLES.exists() else {}
    measured = [command for command in commands if options.only in command.name]
    samples = {command.name: [Sample(*sample) for sample in kept.get(command.name, [])] for command in commands}
    samples.update({command.name: [] for command in measured})
    for index in range(options.rounds):
        for command in random.sample(measured, len(measured)):
            sample = measure(command)
            samples[command.name].append(sample)
            print(
                f"{index + 1} {command.name:<48} {sample.wall:6.2f} s {sample.cpu:6.2f} CPU s {sample.pss_mib:6.0f} MiB"
            )
    SAMPLES.write_text(json.dumps({name: [astuple(sample) for sample in found] for name, found in samples.items()}))
    text = report([command for command in commands if samples[command.name]], samples, options.rounds)
    print(text)
    write_section("files", text, options.out)
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--forest-rows", type=int, default=3_000_000, help="of the forest's file, for two workers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only", default="", help="measure the commands with this in their name; of the others, show the last run"
    )
    parser.add_argument("--without-mlflow", action="store_true", help="its memory grows with the file")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    options.out = options.out.resolve()
    return options


def all_commands(rows: int, forest_rows: int, without_mlflow: bool) -> list[Command]:
    commands = []
    for ending in ("csv", "parquet"):
        for count in (10, rows):
            source = numbers_file(count, ending)
            raw = f"raw loop, {count:,} rows, {ending}"
            target = str(FOLDER / f"out.{ending}")
            argv = [str(MODEL_PYTHON), "-m", "benchmarks.files_raw", f"{MODELS}/w1", str(source), target]
            commands.append(Command(raw, argv, count))
            commands.append(ours(f"modelport, {count:,} rows, {ending}", "w1", source, target, count, raw))
    for count in (rows // 3, rows * 10 // 3):  # of five million rows: 0.2 GB and 2 GB
        source = numbers_file(count, "csv")
        commands.append(ours(f"modelport, {count:,} rows, csv", "w1", source, "out.csv", count, None))
    forest, one = customers_file(forest_rows), f"modelport, forest, {forest_rows:,} rows, 1 worker"
    commands.append(ours(one, "w3", forest, "forest.csv", forest_rows, None))
    commands.append(ours(one.replace("1 worker", "2 workers"), "w3", forest, "forest.csv", forest_rows, one, "-w", "2"))
    if not without_mlflow:
        source, target = numbers_file(rows, "csv"), str(FOLDER / "mlflow.json")
        argv = [str(MODEL_PYTHON.with_name("mlflow")), "models", "predict", "-m", f"{MODELS}/w1", "-t", "csv"]
        argv += ["--env-manager", "local", "-i", str(source), "-o", target]
        commands.append(Command(f"mlflow, {rows:,} rows, csv to json", argv, rows, f"raw loop, {rows:,} rows, csv"))
    return commands


def ours(name: str, model: str, source: Path, target: str, rows: int, beside: str | None, *more: str) -> Command:
    output = target if "/" in target else str(FOLDER / target)
    argv = [str(MODELPORT), "predict", "-m", f"{MODELS}/{model}", "-i", str(source), "-o", output]
    return Command(name, [*argv, "--python", str(MODEL_PYTHON), *more], rows, beside)


def measure(command: Command) -> Sample:
    """Run it, look at its memory meanwhile, take its times (its children's too) from the system."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "log").open("wb") as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            command.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        tree, peak = Tree(process), 0.0
        try:
            while True:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    break
                look = time.perf_counter()
                peak = max(peak, tree.pss_mib())
                time.sleep(max(LOOK, SHARE * (time.perf_counter() - look)))
            wall = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if process.returncode is None:
                tree.stop()
    if process.returncode:
        sys.exit(f"{command.name} failed:\n{(FOLDER / 'log').read_text()[-2000:]}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, peak)


def report(commands: list[Command], samples: dict[str, list[Sample]], rounds: int) -> str:
    lines = [
        "## Scoring files",
        "",
        f"Written by `python -m benchmarks.files` on {time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores ({cpu_model()}),",
        f"medians of {rounds} rounds. Whole commands, imports and the model's loading included. PSS: the highest of the whole",
        "process tree.",
        "",
        *targets(commands, samples),
        "",
        "| command | s (range) | rows/s | CPU s | peak PSS MiB | beside |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    walls = {name: statistics.median(sample.wall for sample in found) for name, found in samples.items()}
    for command in commands:
        found = samples[command.name]
        wall, times = walls[command.name], [sample.wall for sample in found]
        ratio = f"{wall / walls[command.beside]:.2f} x {command.beside}" if command.beside else ""
        cpu, pss = statistics.median(one.cpu for one in found), statistics.median(one.pss_mib for one in found)
        lines.append(
            f"| {command.name} | {wall:.2f} ({min(times):.2f}-{max(times):.2f}) | {command.rows / wall:,.0f} "
            f"| {cpu:.2f} | {pss:.0f} | {ratio} |"
        )
    return "\n".join(lines)


def targets(commands: list[Command], samples: dict[str, list[Sample]]) -> list[str]:
    """The table of what is asked of `predict`, and whether it holds."""
    walls = {name: statistics.median(sample.wall for sample in found) for name, found in samples.items()}
    peaks = {name: statistics.median(sample.pss_mib for sample in found) for name, found in samples.items()}
    lines = ["| target | measured | limit | holds |", "|---|--:|--:|---|"]

    def add(target: str, measured: float, limit: float, unit: str, at_least: bool = False) -> None:
        holds = measured >= limit if at_least else measured <= limit
        sign, word = "≥" if at_least else "≤", "yes" if holds else "**no**"
        lines.append(f"| {target} | {measured:.3g} {unit} | {sign} {limit:.3g} {unit} | {word} |")

    for command in commands:
        beside = command.beside
        if not command.name.startswith("modelport") or beside is None:
            continue
        if "workers" in command.name:
            add(f"{command.name}: rows/s, times one worker", walls[beside] / walls[command.name], 1.5, "x", True)
        elif command.rows > 10:
            add(f"{command.name}: time, times the raw loop", walls[command.name] / walls[beside], 1.15, "x")
            add(f"{command.name}: peak PSS", peaks[command.name], 500, "MiB")
        elif command.name.endswith("csv"):
            add(f"{command.name}: time, times the raw loop", walls[command.name] / walls[beside], 1.2, "x")
    small, large = (
        peaks[command.name]
        for command in commands
        if command.beside is None and "modelport, " in command.name and "forest" not in command.name
    )
    add("a file of ten times the size: peak PSS, times the smaller one's", large / small, 1.1, "x")
    return lines


# -- the data


def numbers_file(rows: int, ending: str) -> Path:
    """W1's 13 columns of numbers with six digits."""
    path = FOLDER / f"numbers-{rows}.{ending}"
    source = random.Random(rows)
    values = [round(source.gauss(0, 1), 6) for _ in range(1 << 16)]

    def column(count: int) -> list[float]:
        start = source.randrange(len(values))
        return (values[start:] + values * (count // len(values) + 1))[:count]

    return made(path, rows, lambda count: {name: column(count) for name in FEATURES})


def customers_file(rows: int) -> Path:
    """W3's four columns of text and four of numbers."""
    source = random.Random(rows)

    def columns(count: int) -> dict[str, list[object]]:
        found: dict[str, list[object]] = {}
        found |= {name: [source.choice(values) for _ in range(count)] for name, values in CATEGORIES.items()}
        return found | {name: [source.gauss(0, 1) for _ in range(count)] for name in CUSTOMER[4:]}

    return made(FOLDER / f"customers-{rows}.csv", rows, columns)


def made(path: Path, rows: int, columns) -> Path:  # type: ignore[no-untyped-def]
    """The file, written in batches unless it is there."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"draft-{path.name}")
    first = pa.table(columns(min(rows, BATCH)))
    new = pa.csv.CSVWriter if path.suffix == ".csv" else pa.parquet.ParquetWriter
    with new(str(draft), first.schema) as writer:
        writer.write_table(first)
        for start in range(BATCH, rows, BATCH):
            writer.write_table(pa.table(columns(min(BATCH, rows - start))))
    draft.rename(path)
    return path


if __name__ == "__main__":
    raise SystemExit(main())
