"""What a command answers, as az prints it: json, jsonc, yaml, table, tsv; before that what ``--query`` picks of it."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import typer

_COLOURS = {"key": "34;1", "text": "33", "word": "36"}
_TOKEN = re.compile(
    r'(?P<key>"(?:\\.|[^"\\])*")(?=\s*:)|(?P<text>"(?:\\.|[^"\\])*")|(?P<word>-?\d[\d.eE+-]*|true|false|null)'
)
_NOT_IN_TABLES = frozenset({"id", "type", "etag"})
"""What az leaves out of a table that nobody chose the columns of."""


def plain(value: Any) -> Any:
    """The value as JSON has it, objects of the domain by the names that their files use."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    dump: Callable[..., Any] | None = getattr(value, "model_dump", None)
    return value if dump is None else dump(mode="json", by_alias=True)


def queried(value: Any, query: str) -> Any:
    """What the JMESPath expression picks."""
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        return jmespath.search(query, value)
    except JMESPathError as error:
        raise typer.BadParameter(" ".join(str(error).split()), param_hint="--query") from None


def formatted(value: Any, form: str, chosen: bool = False) -> str:
    """The text to print; ``chosen``: by a query, whose order of columns and rows is kept."""
    return FORMATS[form](value, chosen)


def _json(value: Any, chosen: bool) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _jsonc(value: Any, chosen: bool) -> str:
    text = _json(value, chosen)
    if not sys.stdout.isatty():
        return text
    return _TOKEN.sub(lambda found: f"\x1b[{_COLOURS[found.lastgroup or 'text']}m{found[0]}\x1b[0m", text)


def _yaml(value: Any, chosen: bool) -> str:
    import yaml

    text: str = yaml.safe_dump(value, default_flow_style=False, allow_unicode=True, sort_keys=False)
    return text.removesuffix("...\n")


def _tsv(value: Any, chosen: bool) -> str:
    rows = value if isinstance(value, list) else [value]
    return "".join("\t".join(_tsv_cells(row, chosen)) + "\n" for row in rows)


def _tsv_cells(row: Any, chosen: bool) -> Iterator[str]:
    if isinstance(row, dict):
        row = [row[key] for key in (row if chosen else sorted(row))]
    elif not isinstance(row, list):
        yield str(row).lower() if isinstance(row, bool) else str(row)
        return
    for cell in row:  # of a list its length, of an object nothing: as scripts that cut columns expect it
        yield str(len(cell)) if isinstance(cell, list) else "" if isinstance(cell, dict) else str(cell)


def _table(value: Any, chosen: bool) -> str:
    rows = [dict(_table_cells(row, chosen)) for row in (value if isinstance(value, list) else [value])]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if not columns:
        return ""
    width = {column: max(len(column), *(len(row.get(column, "")) for row in rows)) for column in columns}
    lines = [columns, ["-" * width[column] for column in columns]]
    lines += [[row.get(column, "") for column in columns] for row in rows]
    return "".join(
        "  ".join(cell.ljust(width[column]) for cell, column in zip(line, columns, strict=True)).rstrip() + "\n"
        for line in lines
    )


def _table_cells(row: Any, chosen: bool) -> Iterator[tuple[str, str]]:
    if isinstance(row, dict):
        for key in row if chosen else sorted(row):
            cell = row[key]
            if key not in _NOT_IN_TABLES and cell is not None and not isinstance(cell, (list, dict)):
                yield key[:1].upper() + key[1:], str(cell)
    elif isinstance(row, list):
        for number, cell in enumerate(row, 1):
            yield f"Column{number}", "" if cell is None else str(cell)
    else:
        yield "Result", str(row)


FORMATS: dict[str, Callable[[Any, bool], str]] = {
    "json": _json,
    "jsonc": _jsonc,
    "table": _table,
    "tsv": _tsv,
    "yaml": _yaml,
    "none": lambda value, chosen: "",
}
