"""A report as text for people, and as data for programs."""

from typing import Any

from modelport.load.advice import Level
from modelport.load.bench import Report, shortened
from modelport.load.client import Reply

BAR = 40
"""Characters of the longest bar."""
_COLUMNS = ("connections", "answers/s", "rows/s", "p50 ms", "p90 ms", "p99 ms", "max ms", "errors")
_SERVER = ("connections", "waiting ms", "decode ms", "predict ms", "encode ms", "joined", "busy")


def first_answer(reply: Reply) -> str:
    """The answer to the request that was sent first, in short."""
    return f"first answer: {reply.status} {shortened(reply.body.decode('utf-8', 'replace'))}"


def text(report: Report) -> str:
    """Everything that was measured, and what to make of it."""
    levels = report.levels
    of = f" of the model {report.model.name}" if report.model is not None else ""
    sent = f"sent: {report.body_size:,} bytes each ({report.body_from}){of}"
    parts = [sent, _table(_COLUMNS, [_client_row(level) for level in levels])]
    seen = [level for level in levels if level.server is not None]
    if seen:
        parts.append("in the server, means of a request:\n" + _table(_SERVER, [_server_row(level) for level in seen]))
    parts += [picture for picture in (_picture(levels),) if picture]
    parts += [problem for level in levels for problem in _problems(level)]
    if report.advice:
        parts.append("\n".join(f"- {piece.text}" for piece in report.advice))
    elif seen and not report.interrupted:
        parts.append("- Nothing stands out: no rule of docs/benchmarking.md asks for a change.")
    if not seen:
        parts.append("This server shows no metrics of Modelport's: what it does inside is not known here.")
    if report.interrupted:
        parts.append("ended early: the last level is short")
    return "\n\n".join(parts) + "\n"


def _client_row(level: Level) -> list[str]:
    measured, server = level.measured, level.server
    rows = server.rows / measured.seconds if server is not None and measured.seconds else None
    return [
        str(measured.concurrency),
        f"{measured.rate:,.0f}" if measured.rate >= 100 else f"{measured.rate:.3g}",
        "-" if rows is None else f"{rows:,.0f}",
        *(_ms(measured.percentile(share)) for share in (0.5, 0.9, 0.99, 1.0)),
        str(measured.failed),
    ]


def _server_row(level: Level) -> list[str]:
    server = level.server
    assert server is not None
    times = (server.waiting, server.decode, server.predict, server.encode)
    return [
        str(level.measured.concurrency),
        *(_ms(seconds) for seconds in times),
        f"{server.joined:.1f}",
        f"{server.busy:.0%}",
    ]


def _picture(levels: list[Level]) -> str:
    """A bar for the median of each level, and a line on to its 99th percentile."""
    shown = [
        (level.measured.concurrency, level.measured.percentile(0.5), level.measured.percentile(0.99))
        for level in levels
    ]
    longest = max((slow for _, _, slow in shown if slow is not None), default=0.0)
    lines = []
    for concurrency, middle, slow in shown:
        if middle is not None and slow is not None and longest:
            full = max(1, round(BAR * middle / longest))
            lines.append(f"{concurrency:>11}  {'#' * full}{'-' * (round(BAR * slow / longest) - full)}| {_ms(slow)} ms")
    return "p50 (#) and p99 (-|):\n" + "\n".join(lines) if len(lines) > 1 else ""


def _problems(level: Level) -> list[str]:
    measured = level.measured
    if not measured.failed:
        return []
    kinds = ", ".join(f"{kind}: {count}" for kind, count in measured.errors.items())
    sample = f"\n  the first said: {measured.sample}" if measured.sample else ""
    return [f"errors at {measured.concurrency}: {kinds}{sample}"]


def _table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in (head, *rows)
    )


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    milliseconds = seconds * 1000
    return f"{milliseconds:,.0f}" if milliseconds >= 1000 else f"{milliseconds:.3g}"


def data(report: Report) -> dict[str, Any]:
    """The report as JSON has it. Times in milliseconds."""
    return {
        "url": str(report.plan.target),
        "model": report.model.name if report.model is not None else None,
        "flavor": report.model.flavor if report.model is not None else None,
        "body": {"bytes": report.body_size, "from": report.body_from, "content_type": report.plan.content_type},
        "interrupted": report.interrupted,
        "levels": [_level_data(level) for level in report.levels],
        "advice": [{"topic": piece.topic, "text": piece.text} for piece in report.advice],
    }


def _level_data(level: Level) -> dict[str, Any]:
    measured, server = level.measured, level.server
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {
        "concurrency": measured.concurrency,
        "seconds": round(measured.seconds, 3),
        "answers": measured.answers,
        "answers_per_second": round(measured.rate, 2),
        "latency_ms": {name: _rounded(measured.percentile(share)) for name, share in shares.items()},
        "errors": measured.errors,
        "error_sample": measured.sample,
        "client_cpu": round(measured.client_cpu, 3),
        "idle_cores": None if measured.idle is None else round(measured.idle, 3),
        "server": None
        if server is None
        else {
            "requests": server.requests,
            "rows": server.rows,
            "workers": server.workers,
            "predict_calls": server.calls,
            "busy": round(server.busy, 3),
            "waiting_ms": _rounded(server.waiting),
            "decode_ms": _rounded(server.decode),
            "predict_ms": _rounded(server.predict),
            "encode_ms": _rounded(server.encode),
        },
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 4)
