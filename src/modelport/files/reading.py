"""The chunks of an input, whatever its format. Knows no worker."""

from collections.abc import Iterator
from typing import Any

from modelport.files.chunk import Chunk
from modelport.files.json_chunks import JsonChunk, read_lines
from modelport.files.settings import FileSettings
from modelport.files.source import Source

TEXT_CHUNK, TABLE_CHUNK = 4 << 20, 8 << 20
"""Bytes of a chunk: enough that a call costs nothing beside its rows, little enough that a dozen of them fit anywhere."""
LEAST_CHUNK = 256 << 10
"""Where a small file is shared by several workers."""


def chunks_of(
    source: Source, format: str, settings: FileSettings, folder: str, mlmodel: dict[str, Any]
) -> Iterator[Chunk]:
    """At least one. ``folder`` and ``mlmodel`` are the model's, whose signature says how rows are read.

    Raises:
        InvalidInput: the input cannot be read.
    """
    from modelport_runtime.model import Model  # while the model is being loaded, as all that follows

    signature = Model.from_mlmodel(folder, mlmodel).signature
    schema = None if signature is None else signature.inputs
    from_type_hint = signature is not None and signature.is_from_type_hint
    if format == "json":
        yield JsonChunk(source.read_all())
        return
    size = None if settings.whole else _chunk_size(source, format, settings.workers)
    rows = settings.chunk_rows
    if format == "jsonl":
        yield from read_lines(source, size, rows, "inputs" if from_type_hint else "dataframe_records")
    elif format == "csv":
        from modelport.files import csv_chunks

        yield from csv_chunks.read(source, size, rows, schema, quick=not from_type_hint)
    else:
        from modelport.files import tables

        yield from tables.read(source, format, size, rows, schema, settings.keep_columns)


def _chunk_size(source: Source, format: str, workers: int) -> int:
    """Small enough that every worker gets several."""
    usual = TEXT_CHUNK if format in ("csv", "jsonl") else TABLE_CHUNK
    if workers == 1 or source.size is None:
        return usual
    return min(usual, max(LEAST_CHUNK, source.size // (4 * workers)))
