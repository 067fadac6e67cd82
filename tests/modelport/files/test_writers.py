"""Answers of workers → files: several chunks joined, and what cannot be joined."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelport.errors import InvalidInput
from modelport.files.chunk import Chunk
from modelport.files.json_chunks import read_lines
from modelport.files.source import Source
from modelport.files.writers import writer_for
from modelport_runtime.payload.column_blocks import from_prediction
from modelport_runtime.payload.encoding import encode_predictions


def chunk(folder: Path, records: list[dict[str, Any]]) -> Chunk:
    (folder / "in.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    with contextlib.closing(Source(str(folder / "in.jsonl"))) as source:
        (found,) = read_lines(source, None, None, "dataframe_records")
    return found


def written(folder: Path, format: str, predictions: list[Any], keep: bool = False) -> bytes:
    """A file of these predictions, a chunk each; kept columns: ``x`` counts from 0 on."""
    file = io.BytesIO()
    writer = writer_for(format, file, keep)
    encode = encode_predictions if writer.answer == "json" else from_prediction
    for prediction in predictions:
        records = [{"x": row} for row in range(len(prediction))] if keep else []
        writer.write(encode(prediction), chunk(folder, records))
    writer.finish()
    return file.getvalue()


@pytest.mark.parametrize("predictions", [[[1, 2]], [[1], [2]], [[1], [], [2]], [[], [1, 2]]])
def test_lists_become_one_list_as_the_server_writes_it(tmp_path: Path, predictions: list[Any]) -> None:
    assert written(tmp_path, "json", predictions) == b'{"predictions":[1,2]}'


def test_an_answer_that_is_no_list_stands_alone(tmp_path: Path) -> None:
    assert written(tmp_path, "json", [{"mean": 1.5}]) == b'{"predictions":{"mean":1.5}}'
    for predictions in ([{"mean": 1.5}, [1]], [[1], {"mean": 1.5}]):
        with pytest.raises(InvalidInput, match="cannot be joined") as caught:
            written(tmp_path, "json", predictions)
        assert caught.value.hint is not None and "--whole" in caught.value.hint


def test_every_format_has_the_columns_of_a_frame(tmp_path: Path) -> None:
    frames = [pd.DataFrame({"label": ["a", "b,c"], "p": [0.5, None]}), pd.DataFrame({"label": ["d"], "p": [1.0]})]
    assert written(tmp_path, "csv", frames) == b'label,p\n"a",0.5\n"b,c",nan\nd,1\n'
    assert written(tmp_path, "jsonl", frames).splitlines() == [
        b'{"label":"a","p":0.5}',
        b'{"label":"b,c","p":null}',
        b'{"label":"d","p":1.0}',
    ]
    (tmp_path / "out").write_bytes(written(tmp_path, "parquet", frames))
    assert pq.read_table(tmp_path / "out")["label"].to_pylist() == ["a", "b,c", "d"]
    assert pa.ipc.open_file(written(tmp_path, "arrow", frames)).read_all()["label"].to_pylist() == ["a", "b,c", "d"]


def test_json_lines_hold_nested_values_as_they_are(tmp_path: Path) -> None:
    found = written(tmp_path, "jsonl", [[{"a": [1, None], "b": {"c": "é"}}], [{"a": 5}]])
    assert [json.loads(line) for line in found.splitlines()] == [{"a": [1, None], "b": {"c": "é"}}, {"a": 5}]


def test_the_first_chunk_fixes_the_types_of_parquet(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(written(tmp_path, "parquet", [[1.5, 2.0], [3]]))
    assert pq.read_table(tmp_path / "out")["predictions"].to_pylist() == [1.5, 2.0, 3.0]
    with pytest.raises(InvalidInput, match=r"predictions: int64; then predictions: double") as caught:
        written(tmp_path, "parquet", [[1], [1.5]])
    assert caught.value.hint is not None and "jsonl" in caught.value.hint


def test_other_columns_in_the_middle_end_a_csv(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="the columns of the predictions change in the middle: a; then b"):
        written(tmp_path, "csv", [[{"a": 1}], [{"b": 1}]])


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet", "arrow"])
def test_kept_columns_need_a_prediction_for_each_row(tmp_path: Path, format: str) -> None:
    writer = writer_for(format, io.BytesIO(), keep=True)
    with pytest.raises(InvalidInput, match="the model answers 1 rows to 2"):
        writer.write(from_prediction([1]), chunk(tmp_path, [{"x": 1}, {"x": 2}]))


def test_kept_records_stay_as_they_are(tmp_path: Path) -> None:
    assert written(tmp_path, "jsonl", [["a", "b"], ["c"]], keep=True).splitlines() == [
        b'{"x":0,"predictions":"a"}',
        b'{"x":1,"predictions":"b"}',
        b'{"x":0,"predictions":"c"}',
    ]
    assert written(tmp_path, "csv", [["a", "b"]], keep=True) == b"x,predictions\n0,a\n1,b\n"


def test_json_keeps_no_columns() -> None:
    with pytest.raises(InvalidInput, match="predictions only"):
        writer_for("json", io.BytesIO(), keep=True)
