"""An ``Inspection`` as text of 100 columns, in sections with aligned tables."""

import json
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from modelport.model.inspection.report import (
    Column,
    Dependencies,
    Finding,
    Inspection,
    Param,
    PickleScan,
    SignatureReport,
    Sizes,
)

WIDTH = 100
MAX_ROWS = 60
"""Rows of a table; ``--json`` has all."""
MAX_NAMES = 12
"""Names that a scan shows of each level."""


def as_text(found: Inspection) -> str:
    sections = [
        ("", _about(found)),
        ("signature", _signature(found.signature)),
        ("example", _example(found)),
        ("request", _request(found)),
        ("dependencies", _dependencies(found.dependencies)),
        ("environment variables", _variables(found)),
        ("sizes", _sizes(found.sizes)),
        ("runs code when it is loaded", _code(found.code_on_load)),
    ]
    lines: list[str] = []
    for title, content in sections:
        if content:
            lines += [*([""] if lines else []), *([title] if title else []), *content]
    return "\n".join(lines) + "\n"


def _about(found: Inspection) -> list[str]:
    saved = [_moment(found.created)]
    saved += [f"by MLflow {found.mlflow_version}"] if found.mlflow_version else []
    saved += [f"on Python {found.python_version}"] if found.python_version else []
    facts = {
        "model": found.name,
        "path": found.path,
        "saved": ", ".join(saved),
        "model id": found.model_id,
        "model uuid": found.model_uuid if found.model_uuid != found.model_id else None,
        "run id": found.run_id,
        "flavors": ", ".join(
            flavor.name + "".join(f" ({name} {version})" for name, version in flavor.versions.items())
            for flavor in found.flavors
        ),
        "served by": _served_by(found),
        "streams": "yes, by predict_stream" if found.streams else None,
    }
    return list(table([(name, value) for name, value in facts.items() if value], wide=1, indent=""))


def _moment(created: str | None) -> str:
    return (
        "at an unknown time"
        if created is None
        else created.partition(".")[0].replace("T", " ").removesuffix("Z") + " UTC"
    )


def _served_by(found: Inspection) -> str:
    serving = found.serving
    if serving.loader_module is None:
        return f"cannot be served: {serving.problem}"
    if serving.by == "mlflow":
        text = f"{serving.loader_module} of mlflow"
    elif serving.by == serving.loader_module:
        text = f"the loader module {serving.by}"
    else:
        text = f"Modelport's own {serving.by}, without mlflow"
    return f"{text}; cannot be served here: {serving.problem}" if serving.problem else text


def _signature(signature: SignatureReport | None) -> list[str]:
    if signature is None:
        return ["  none: what the model takes and answers is not known, and nothing is checked"]
    lines = ["  from the type hint of predict: the model checks its inputs itself"] if signature.from_type_hint else []
    lines += _columns("inputs", signature.inputs) + _columns("outputs", signature.outputs)
    return lines + (_params(signature.params) if signature.params else [])


def _columns(title: str, columns: tuple[Column, ...] | None) -> list[str]:
    if columns is None:
        return [f"  {title}: not said"]
    if any(column.shape is not None for column in columns):
        rows = [(column.name, column.type, _shape(column.shape)) for column in columns]
        return [f"  {title}", *table([("name", "dtype", "shape"), *rows], wide=0, indent="    ")]
    cells = [(column.name, column.type, "yes" if column.required else "no") for column in columns]
    return [f"  {title}", *table([("name", "type", "required"), *cells], wide=1, indent="    ")]


def _params(params: tuple[Param, ...]) -> list[str]:
    rows = [
        (param.name, param.type, json.dumps(param.default, ensure_ascii=False), _shape(param.shape)) for param in params
    ]
    return ["  params", *table([("name", "type", "default", "shape"), *rows], wide=2, indent="    ")]


def _shape(shape: tuple[int, ...] | None) -> str:
    return "" if shape is None else f"({', '.join(map(str, shape))})"


def _example(found: Inspection) -> list[str]:
    example = found.example
    if example is None:
        return ["  none"]
    return _wrapped(example.problem or example.text or "", "  ")


def _request(found: Inspection) -> list[str]:
    if found.request.curl is None:
        return _wrapped(found.request.hint or "", "  ")
    own = found.request.made_from == "example"
    made = "with the model's own example" if own else "made up from the signature: put values of your own in"
    server = f"modelport serve -m {shlex.quote(found.uri)}"
    return [f"  {made}", "", one_line(server), found.request.curl]


def _dependencies(found: Dependencies) -> list[str]:
    lines = [f"  wanted by {found.source or 'no file of the model'}, beside {found.python}"]
    rows = []
    if found.python_wanted is not None:
        rows.append((f"python {found.python_wanted}", found.python_version, _python_status(found)))
    rows += [(package.requirement, package.installed or "-", package.status) for package in found.packages]
    return lines + list(table([("wanted", "installed", "status"), *rows], wide=0, indent="  ")) if rows else lines


def _python_status(found: Dependencies) -> str:
    """Only another minor version is another Python, as far as models go."""
    wanted, present = (str(version).split(".")[:2] for version in (found.python_wanted, found.python_version))
    return "ok" if wanted == present else "differs"


def _variables(found: Inspection) -> list[str]:
    return list(table([(item.name, "set" if item.is_set else "not set") for item in found.variables], 0, "  "))


def _sizes(sizes: Sizes) -> list[str]:
    lines = [f"  {size_text(sizes.bytes)} in {sizes.files} {'file' if sizes.files == 1 else 'files'}"]
    if sizes.model_size_bytes is not None:
        lines[0] += f"; model_size_bytes: {sizes.model_size_bytes}"
    rows = [(file.path, size_text(file.bytes)) for file in sizes.largest]
    return lines + list(table(rows, wide=0, indent="  "))


def size_text(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _code(findings: tuple[Finding, ...]) -> list[str]:
    if not findings:
        return ["  nothing was found that does"]
    lines = []
    for finding in findings:
        lines += _wrapped(f"{finding.kind}: {finding.path} {finding.says}", "  ", "    ")
        if finding.scan is not None:
            for line in _scan(finding.scan):
                lines += _wrapped(line, "    ", "      ")
    return lines


def _scan(scan: PickleScan) -> Iterator[str]:
    levels = [("dangerous", scan.dangerous), ("suspicious", scan.suspicious)]
    yield f"picklescan: {', '.join(f'{len(names)} {level}' for level, names in levels)} imports" + (
        f" ({scan.problem})" if scan.problem else ""
    )
    for level, names in levels:
        if names:
            more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
            yield f"{level}: {', '.join(names[:MAX_NAMES])}{more}"


def _wrapped(text: str, indent: str, hanging: str | None = None) -> list[str]:
    """A text that may hold very long words; it is kept to one paragraph."""
    return textwrap.wrap(
        one_line(text), WIDTH, initial_indent=indent, subsequent_indent=indent if hanging is None else hanging
    )


def one_line(value: Any) -> str:
    """What a model's author may have written: no line break or control character of it reaches the terminal."""
    return "".join(character if character.isprintable() else " " for character in str(value))


def table(rows: Sequence[tuple[Any, ...]], wide: int, indent: str) -> Iterator[str]:
    """Rows in columns of equal width; the column ``wide`` is wrapped where a line would be too long."""
    shown = [tuple(map(one_line, row)) for row in rows[: MAX_ROWS + 1]]
    if not shown:
        return
    widths = [max(len(row[at]) for row in shown) for at in range(len(shown[0]))]
    others = len(indent) + sum(widths) - widths[wide] + 2 * (len(widths) - 1)
    widths[wide] = min(widths[wide], max(20, WIDTH - others))
    for row in shown:
        pieces = textwrap.wrap(row[wide], widths[wide]) or [""]
        for number, piece in enumerate(pieces):
            cells = [piece if at == wide else (cell if number == 0 else "") for at, cell in enumerate(row)]
            line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
            yield (indent + line).rstrip()
    if len(rows) > len(shown):
        yield f"{indent}… and {len(rows) - len(shown)} more"
