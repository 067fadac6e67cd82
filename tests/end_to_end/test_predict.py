"""`modelport predict` as a user runs it: formats, messages, and what is left of a run that did not end well."""

import asyncio
import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.datasets import load_wine

from modelport import models as public
from modelport.errors import ModelportError
from modelport.files.scoring import Summary, score_file
from modelport.files.settings import FileSettings
from modelport.pyfunc import load_model
from modelport.settings import EnvironmentSettings
from tests.end_to_end.server import MODELPORT, environment
from tests.support.saved import ROOT
from tests.support.small_disk import small_disk as mounted

HOME = ROOT / ".cache" / "modelport-home"
LOCAL = EnvironmentSettings(manager="local")


def command(*arguments: Any) -> list[str]:
    return [str(MODELPORT), "predict", *map(str, arguments)]


def run(*arguments: Any, **more: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command(*arguments), capture_output=True, env=environment(), timeout=90, **more)


def score(model: Path, source: Path, output: Path, **more: Any) -> Summary:
    return score_file(FileSettings(str(model), str(source), str(output), environment=LOCAL, home=HOME, **more))


def write(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".json":
        path.write_text(json.dumps({"dataframe_split": json.loads(frame.to_json(orient="split"))}))
    else:
        table = pa.Table.from_pandas(frame)
        new = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
        with new(str(path), table.schema) as writer:
            writer.write_table(table)
    return path


def read(path: Path) -> list[Any]:
    """The predictions in an output."""
    if path.suffix == ".json":
        return list(json.loads(path.read_bytes())["predictions"])
    if path.suffix == ".jsonl":
        return [json.loads(line)["predictions"] for line in path.read_text().splitlines()]
    if path.suffix == ".csv":
        frame = pd.read_csv(path)
    elif path.suffix == ".parquet":
        frame = pd.read_parquet(path)
    else:
        frame = pd.read_feather(path)
    return list(frame["predictions"].tolist())


@pytest.fixture(scope="module")
def wine(models: Path) -> tuple[Path, pd.DataFrame, list[int]]:
    """The model, rows for it, and what it predicts."""
    frame = load_wine(as_frame=True).data
    return models / "wine", frame, load_model(str(models / "wine")).predict(frame).tolist()


# -- what comes out


@pytest.mark.parametrize(
    ("source", "output", "more"),
    [
        ("in.csv", "out.csv", {"chunk_rows": 50, "workers": 2}),
        ("in.csv", "out.json", {"chunk_rows": 1000}),
        ("in.jsonl", "out.jsonl", {"chunk_rows": 100}),
        ("in.parquet", "out.parquet", {"chunk_rows": 60}),
        ("in.feather", "out.arrow", {"chunk_rows": 60}),
        ("in.arrows", "out.json", {"whole": True}),
        ("in.json", "out.csv", {}),
    ],
)
def test_every_format_gives_the_same_predictions_in_the_order_of_the_rows(
    tmp_path: Path, wine: Any, source: str, output: str, more: dict[str, Any]
) -> None:
    model, frame, expected = wine
    done = score(model, write(frame, tmp_path / source), tmp_path / output, **more)
    assert read(tmp_path / output) == expected
    assert (done.rows, done.rejected) == (len(expected), 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source, output])


@pytest.mark.divergence("predict-formats")
def test_the_command_of_the_source_works_as_it_stands_there(tmp_path: Path, wine: Any) -> None:
    model, frame, expected = wine
    write(frame.head(5), tmp_path / "input.csv")
    done = run("-m", model, "-i", "input.csv", "-o", "output.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert read(tmp_path / "output.csv") == expected[:5]
    assert done.stderr.startswith(b"5 rows in ")
    assert done.stderr.endswith(b"-> output.csv\n")


def test_standard_input_is_json_and_answered_as_by_the_server(wine: Any) -> None:
    model, frame, expected = wine
    body = json.dumps({"dataframe_split": json.loads(frame.head(3).to_json(orient="split"))})
    done = run("-m", model, input=body.encode())
    assert done.stdout == b'{"predictions":[0,0,0]}', done.stderr
    csv = frame.head(3).to_csv(index=False)
    assert run("-m", model, "-t", "csv", "--output-type", "jsonl", input=csv.encode()).stdout.splitlines() == [
        b'{"predictions":%d}' % value for value in expected[:3]
    ]


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("in.csv", "out.csv"),
        ("in.jsonl", "out.jsonl"),
        ("in.parquet", "out.parquet"),
        ("in.csv", "out.parquet"),
        ("in.parquet", "out.csv"),
    ],
)
def test_columns_of_the_input_are_kept_before_the_predictions(
    tmp_path: Path, wine: Any, source: str, output: str
) -> None:
    model, frame, expected = wine
    frame = frame.assign(note=[f'a "{row}", b' for row in range(len(frame))])
    score(model, write(frame, tmp_path / source), tmp_path / output, keep_columns=True, chunk_rows=70)
    path = tmp_path / output
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".csv": pd.read_csv,
        ".parquet": pd.read_parquet,
        ".jsonl": lambda path: pd.read_json(path, lines=True),
    }
    found = readers[path.suffix](path)
    assert list(found.columns) == [*frame.columns, "predictions"]
    assert found["predictions"].tolist() == expected
    assert found["note"].tolist() == frame["note"].tolist()
    np.testing.assert_allclose(found[frame.columns[:13]].to_numpy(), frame[frame.columns[:13]].to_numpy(), rtol=1e-15)
    if (source, output) == ("in.csv", "out.csv"):
        assert path.read_text().splitlines()[7] == (tmp_path / source).read_text().splitlines()[7] + f",{expected[6]}"


def test_a_kept_column_of_the_predictions_name_is_refused(tmp_path: Path, wine: Any) -> None:
    model, frame, _ = wine
    source = write(frame.assign(predictions=1), tmp_path / "in.csv")
    with pytest.raises(ModelportError, match="two columns of the name 'predictions'"):
        score(model, source, tmp_path / "out.csv", keep_columns=True)
    assert not (tmp_path / "out.csv").exists()


# -- rows that do not fit


@pytest.mark.parametrize(("name", "place"), [("in.csv", "line 72"), ("in.jsonl", "line 71"), ("in.parquet", "row 70")])
def test_a_value_that_does_not_fit_is_named_with_its_place(tmp_path: Path, wine: Any, name: str, place: str) -> None:
    model, frame, _ = wine
    ash = frame["ash"].astype(str if name == "in.parquet" else object)
    ash[70] = "much"
    source = write(frame.assign(ash=ash), tmp_path / name)
    (tmp_path / "out.csv").write_text("of yesterday")
    with pytest.raises(ModelportError) as caught:
        score(model, source, tmp_path / "out.csv", chunk_rows=50)
    assert f"{place}, column 'ash': expected double, found 'much'" in caught.value.message
    assert caught.value.details[0]["file"] == str(source)
    assert (tmp_path / "out.csv").read_text() == "of yesterday"


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl"])
def test_rows_that_do_not_fit_are_set_aside(tmp_path: Path, wine: Any, name: str) -> None:
    model, frame, expected = wine
    lines = write(frame, tmp_path / name).read_text().splitlines()
    first = 1 if name == "in.csv" else 0
    bad = {3, 77, 78, 150} | set(range(100, 130))
    for row in bad:
        lines[first + row] = "1,2" if row == 3 and first else "x" + lines[first + row]
    if name == "in.csv":
        lines[first + 160] += ",1,2"
        bad |= {160}
    (tmp_path / name).write_text("\n".join(lines))
    rejects = tmp_path / "rejects.jsonl"
    done = score(model, tmp_path / name, tmp_path / "out.csv", rejects=str(rejects), chunk_rows=90)
    told = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [entry["line"] - 1 - first for entry in told] == sorted(bad)
    assert [entry["input"] for entry in told] == [lines[first + row] for row in sorted(bad)]
    assert all(entry["code"] == "BAD_REQUEST" and entry["message"] for entry in told)
    assert read(tmp_path / "out.csv") == [value for row, value in enumerate(expected) if row not in bad]
    assert (done.rows, done.rejected) == (len(expected) - len(bad), len(bad))


def test_a_row_at_which_the_model_fails_is_found_and_set_aside(tmp_path: Path, wine: Any) -> None:
    model, frame, expected = wine
    source = write(frame.assign(ash=frame["ash"].mask(frame.index == 100)), tmp_path / "in.csv")
    with pytest.raises(ModelportError, match="lines 2 to 179: the model raised ValueError"):
        score(model, source, tmp_path / "out.csv")
    score(model, source, tmp_path / "out.csv", rejects=str(tmp_path / "rejects"))
    (told,) = [json.loads(line) for line in (tmp_path / "rejects").read_text().splitlines()]
    assert told["line"] == 102
    assert "Input X contains NaN" in told["message"]
    assert read(tmp_path / "out.csv") == expected[:100] + expected[101:]


def test_a_missing_column_stops_the_run_whatever_may_be_set_aside(tmp_path: Path, wine: Any) -> None:
    model, frame, _ = wine
    source = write(frame.drop(columns="ash"), tmp_path / "in.csv")
    with pytest.raises(ModelportError, match="ash"):
        score(model, source, tmp_path / "out.csv", rejects=str(tmp_path / "rejects"))
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_an_input_of_which_nothing_fits_stops_the_run(tmp_path: Path, wine: Any) -> None:
    model, frame, _ = wine
    source = write(frame.assign(ash="much"), tmp_path / "in.csv")
    with pytest.raises(ModelportError, match="no row of the first"):
        score(model, source, tmp_path / "out.csv", rejects=str(tmp_path / "rejects"))
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


# -- models that misbehave


def test_rows_that_kill_the_model_are_named(tmp_path: Path, models: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("x,y\n1,2\n2,3\n666,1\n3,4\n")
    with pytest.raises(ModelportError, match=r"lines 4 to 5: .*died") as caught:
        score(models / "crashing", source, tmp_path / "out.csv", chunk_rows=2)
    assert caught.value.code == "WORKER_DIED"
    assert not (tmp_path / "out.csv").exists()


def test_a_model_that_cannot_be_loaded_says_why(tmp_path: Path, models: Path) -> None:
    (tmp_path / "in.csv").write_text("seconds\n1\n")
    done = run("-m", models / "broken", "-i", tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    assert done.returncode == 1
    assert b"the licence file is missing" in done.stderr
    assert b"modelport/cli" not in done.stderr
    assert not (tmp_path / "out.csv").exists()


# -- whole or not at all


def slow(tmp_path: Path, models: Path, *more: Any, **options: Any) -> subprocess.Popen[bytes]:
    """A run of a minute, which has begun to predict."""
    (tmp_path / "in.csv").write_text("seconds\n" + "0.2\n" * 300)
    arguments = ("-m", models / "sleeper", "-i", tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--chunk-rows", 1)
    process = subprocess.Popen(command(*arguments, *more), stderr=subprocess.PIPE, env=environment(), **options)
    assert process.stderr is not None
    assert b"several calls" in process.stderr.readline()  # the second chunk was answered
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_leaves_nothing(tmp_path: Path, models: Path, number: signal.Signals, code: int) -> None:
    with slow(tmp_path, models, "--rejects", tmp_path / "rejects") as process:
        process.send_signal(number)
        _, told = process.communicate(timeout=15)
    assert (process.returncode, told) == (code, b"stopped: nothing was written\n")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_a_killed_run_leaves_nothing(tmp_path: Path, models: Path) -> None:
    (tmp_path / "out.csv").write_text("of yesterday")
    with slow(tmp_path, models) as process:
        process.kill()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]
    assert (tmp_path / "out.csv").read_text() == "of yesterday"


def test_an_input_that_changes_meanwhile_is_an_error(tmp_path: Path, models: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("seconds\n" + "0.2\n" * 10)
    arguments = ("-m", models / "sleeper", "-i", source, "-o", tmp_path / "out.csv", "--chunk-rows", 1)
    with subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stderr is not None
        process.stderr.readline()
        with source.open("a") as file:
            file.write("0\n")
        _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    assert b"was changed while it was read" in told
    assert not (tmp_path / "out.csv").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    with mounted(tmp_path / "small", "64k") as folder:
        yield folder


def test_a_full_disk_leaves_nothing(tmp_path: Path, small_disk: Path, wine: Any) -> None:
    model, frame, _ = wine
    source = write(pd.concat([frame] * 400), tmp_path / "in.csv")
    done = run("-m", model, "-i", source, "-o", small_disk / "out.csv", "--keep-columns")
    assert done.returncode == 1
    assert b"out.csv cannot be written: No space left on device [IO_ERROR]" in done.stderr
    assert list(small_disk.iterdir()) == []
    assert shutil.disk_usage(small_disk).used == 0


def test_a_limit_on_file_sizes_leaves_nothing(tmp_path: Path, wine: Any) -> None:
    model, frame, _ = wine
    source = write(pd.concat([frame] * 40), tmp_path / "in.csv")

    def little_space() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    # The runtime is laid out already, so that the output is all that has to be written.
    done = run("-m", model, "-i", source, "-o", tmp_path / "out.csv", preexec_fn=little_space)
    assert done.returncode == 1
    assert b"out.csv cannot be written: File too large [IO_ERROR]" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("in.parquet", b"PAR1 is how it begins", "in.parquet (as a Parquet file) cannot be read"),
        ("in.arrow", b"ARROW1\0\0 is how it begins", "in.arrow (as a Arrow file or stream) cannot be read"),
        ("in.json", b"{", "in.json: "),
        ("in.csv", b"", "in.csv: The body is empty"),
        ("in.jsonl", b'{"a": 1}\n{"a": \n', "in.jsonl, line 2: this is no JSON"),
        ("in.jsonl", b'{"a": 1},{"a": 1}\n', "in.jsonl, line 1: this is no JSON"),
    ],
)
def test_an_input_that_cannot_be_read_leaves_nothing(
    tmp_path: Path, wine: Any, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelportError) as caught:
        score(wine[0], tmp_path / name, tmp_path / "out.csv")
    assert said in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_output_may_not_be_the_input(tmp_path: Path, wine: Any) -> None:
    model, frame, _ = wine
    source = write(frame, tmp_path / "in.csv")
    (tmp_path / "link.csv").symlink_to(source)
    with pytest.raises(ModelportError, match="is the input itself"):
        score(model, source, tmp_path / "link.csv")


# -- the other doors


def test_the_function_does_the_same(tmp_path: Path, wine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELPORT_HOME", str(HOME))
    model, frame, expected = wine
    public.predict(str(model), input_data=frame.head(4), output_path=str(tmp_path / "out.json"))
    assert read(tmp_path / "out.json") == expected[:4]
    with pytest.raises(ModelportError, match="'docker' is no environment manager"):
        public.predict(str(model), input_data=frame.head(4), env_manager="docker")


def test_a_worker_that_dies_is_replaced_and_its_rows_are_predicted(tmp_path: Path, wine: Any) -> None:
    model, frame, expected = wine
    source = write(pd.concat([frame] * 10), tmp_path / "in.csv")
    arguments = ("-m", model, "-i", source, "-o", tmp_path / "out.csv", "--chunk-rows", 1, "--keep-columns")
    with subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, env=environment()) as process:
        worker = _worker_of(process.pid)
        os.kill(worker, signal.SIGKILL)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert b"died: killed by SIGKILL" in told
    assert read(tmp_path / "out.csv") == expected * 10


def _worker_of(parent: int) -> int:
    """A worker of that process, some of whose answers were written."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for entry in Path(f"/proc/{parent}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if "(deleted)" in os.readlink(entry) and entry.stat().st_size:
                    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])
        time.sleep(0.02)
    raise AssertionError("nothing was written")


def test_a_notebook_with_a_running_loop_may_predict(tmp_path: Path, wine: Any) -> None:
    model, frame, expected = wine
    source = write(frame.head(3), tmp_path / "in.csv")

    async def cell() -> None:
        score(model, source, tmp_path / "out.csv")

    asyncio.run(cell())
    assert read(tmp_path / "out.csv") == expected[:3]
