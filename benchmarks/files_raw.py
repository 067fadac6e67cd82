"""The floor of `benchmarks.files`: pyarrow's chunks through scikit-learn's own predict, in one process, imports included.

python -m benchmarks.files_raw MODEL_FOLDER INPUT OUTPUT
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from typing import Any

import pandas  # noqa: F401  a part of what the whole command costs
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

CHUNK_ROWS = 100_000
CSV_BLOCK = 12 << 20
"""Bytes of about as many rows."""


def main() -> None:
    folder, source, target = sys.argv[1:]
    with open(os.path.join(folder, "model.pkl"), "rb") as file:
        predict: Callable[[Any], Any] = pickle.load(file).predict
    schema = pa.schema([("predictions", pa.int64())])
    if source.endswith(".csv"):
        batches = pa.csv.open_csv(source, pa.csv.ReadOptions(block_size=CSV_BLOCK))
        writer = pa.csv.CSVWriter(target, schema)
    else:
        batches = pa.parquet.ParquetFile(source).iter_batches(CHUNK_ROWS)
        writer = pa.parquet.ParquetWriter(target, schema)
    with writer:
        for batch in batches:
            writer.write_table(pa.table({"predictions": predict(batch.to_pandas())}, schema))


if __name__ == "__main__":
    main()
