"""The five workloads: the data of one request, and its body in each protocol. Standard library only: every peer's
environment imports this module."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

MODELS = ".cache/bench/models"
CATEGORIES = {
    "city": ["Lyon", "Porto", "Ghent", "Turin", "Basel", "Malmo"],
    "product": ["basic", "plus", "family", "business"],
    "channel": ["web", "shop", "phone"],
    "tier": ["A", "B", "C", "D", "E"],
}
PIXELS = 3072
ONNX_THREADS = 1
"""Given to every server with the model: onnxruntime's own threads spin, and take the cores the others need."""


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    columns: tuple[str, ...]  # empty: one unnamed tensor
    rows: tuple[tuple[Any, ...], ...]

    @property
    def text_columns(self) -> tuple[str, ...]:
        return tuple(column for column in self.columns if column in CATEGORIES)

    def body(self, protocol: str) -> bytes:
        """One request in `mlflow` (the scoring protocol of `/invocations`) or `v2` (the open inference protocol)."""
        return json.dumps(_v2(self) if protocol == "v2" else _scoring(self), separators=(",", ":")).encode()


def _scoring(workload: Workload) -> dict[str, Any]:
    if not workload.columns:
        return {"inputs": workload.rows}
    return {"dataframe_split": {"columns": workload.columns, "data": workload.rows}}


def _v2(workload: Workload) -> dict[str, Any]:
    """One input per column; a tensor is one flat list, because MLServer joins requests by appending their lists."""
    count = len(workload.rows)
    if not workload.columns:
        flat = [value for row in workload.rows for value in row]
        tensor = {"name": "input-0", "datatype": "FP32", "shape": [count, len(workload.rows[0])], "data": flat}
        return {"inputs": [tensor]}
    inputs = []
    for name, values in zip(workload.columns, zip(*workload.rows, strict=True), strict=True):
        text = name in CATEGORIES
        column = {"name": name, "datatype": "BYTES" if text else "FP64", "shape": [count, 1], "data": values}
        inputs.append({**column, "parameters": {"content_type": "str"}} if text else column)
    return {"inputs": inputs}


def numbers(seed: int, rows: int, columns: int) -> list[tuple[float, ...]]:
    source = random.Random(seed)
    return [tuple(round(source.gauss(0, 1), 6) for _ in range(columns)) for _ in range(rows)]


def customers(seed: int, rows: int) -> list[tuple[Any, ...]]:
    """Four text columns (those of `CATEGORIES`), then four of numbers."""
    source = random.Random(seed)
    texts = [tuple(source.choice(values) for values in CATEGORIES.values()) for _ in range(rows)]
    return [text + number for text, number in zip(texts, numbers(seed, rows, 4), strict=True)]


FEATURES = tuple(f"f{index}" for index in range(13))
CUSTOMER = (*CATEGORIES, "age", "income", "visits", "balance")

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("w1", "LogisticRegression, 13 double columns, 1 row", FEATURES, tuple(numbers(1, 1, 13))),
        Workload("w2", "LogisticRegression, 13 double columns, 100 rows", FEATURES, tuple(numbers(2, 100, 13))),
        Workload(
            "w3",
            "one-hot + scaler + RandomForest (100 trees, n_jobs=1), 4 text and 4 double columns, 1 row",
            CUSTOMER,
            tuple(customers(3, 1)),
        ),
        Workload("w4", "PythonModel that sleeps 10 ms, 4 double columns, 1 row", CUSTOMER[4:], tuple(numbers(4, 1, 4))),
        Workload("w5", "ONNX network 3072-128-64-10, float32 tensor, 1 row", (), tuple(numbers(5, 1, PIXELS))),
    )
}
