"""One line for each answered request, as text or JSON, written by a thread so that a slow reader never holds up an answer."""

import copy
import os
import sys
import threading
import time

import orjson

FLUSH_INTERVAL = 0.05
"""Seconds that lines are gathered before they are written together."""
MAX_LINES = 100_000
"""Lines held for a reader that does not read; beyond them lines are dropped and counted."""


class AccessLog:
    """``style`` is ``text``, ``json`` or ``off``. Lines go to ``descriptor``; ``about`` stands in each of them."""

    def __init__(self, style: str, descriptor: int | None = None) -> None:
        self._style = style
        self._writer = _Writer(sys.stdout.fileno() if descriptor is None else descriptor, starts=style != "off")
        self._about: dict[str, str] = {}
        self._about_text = ""
        self._second = 0
        self._second_text = ""

    def about(self, **names: str) -> "AccessLog":
        """The same log, whose lines say what they are about: ``endpoint``, ``deployment``."""
        log = copy.copy(self)
        log._about = names
        log._about_text = "".join(f" {key}={value}" for key, value in names.items())
        return log

    def add(
        self,
        client: str,
        method: bytes,
        path: bytes,
        status: int,
        id: bytes,
        seconds: float,
        rows: int,
        phases: list[int] | None,
        error: str | None = None,
    ) -> None:
        """Log one answer; phases in microseconds: queue, decode, predict, encode."""
        if self._style == "off":
            return
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        stamp = f"{self._second_text}.{int((now - second) * 1000):03d}Z"
        if self._style == "json":
            entry = {
                "time": stamp,
                "client": client,
                "method": method.decode("latin-1"),
                "path": path.decode("latin-1"),
                "status": status,
                "request_id": id.decode("latin-1"),
                "milliseconds": round(seconds * 1000, 3),
                "rows": rows,
                **self._about,
            }
            if phases is not None:
                names = ("queue_us", "decode_us", "predict_us", "encode_us")
                entry.update(zip(names, phases, strict=True))
            if error is not None:
                entry["error_code"] = error
            line = orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)
        else:
            text = f"{stamp} {client} {method.decode('latin-1')} {_printable(path)} {status} {seconds * 1000:.2f}ms"
            if phases is not None:
                queue, decode, predict, encode = phases
                text += f" rows={rows} queue={queue} decode={decode} predict={predict} encode={encode}us"
            if error is not None:
                text += f" {error}"
            line = f"{text}{self._about_text} id={id.decode('latin-1')}\n".encode()
        self._writer.add(line)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class _Writer:
    """The thread that writes, and what it has not written yet."""

    def __init__(self, descriptor: int, starts: bool) -> None:
        self._descriptor = descriptor
        self._lines: list[bytes] = []
        self._dropped = 0
        self._filled = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        if starts:
            self._thread = threading.Thread(target=self._write, name="access-log", daemon=True)
            self._thread.start()

    def add(self, line: bytes) -> None:
        if len(self._lines) >= MAX_LINES:
            self._dropped += 1
            return
        self._lines.append(line)
        if len(self._lines) == 1:
            self._filled.set()

    def close(self) -> None:
        self._closing = True
        self._filled.set()
        if self._thread is not None:
            self._thread.join(timeout=2)

    def _write(self) -> None:
        while True:
            self._filled.wait()
            if not self._closing:
                time.sleep(FLUSH_INTERVAL)
            closing = self._closing
            self._filled.clear()
            lines, self._lines = self._lines, []
            if self._dropped:
                lines.append(b"%d lines of the access log were dropped: its reader is too slow\n" % self._dropped)
                self._dropped = 0
            data = b"".join(lines)
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:
                pass  # the reader is gone; serving goes on
            if closing:
                return


def _printable(path: bytes) -> str:
    text = path.decode("latin-1")
    return text if text.isprintable() and " " not in text else repr(text)
