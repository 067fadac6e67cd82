"""Valid requests, bent: their values, their shape, their bytes, their headers. Everything follows from one ``Random``."""

import copy
import json
import re
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.fuzz.bodies import MOMENTS, WORDS, Draft


def _raw(text: str) -> str:
    """A text of the document that is written as it is, without quotes."""
    return f"@raw:{text}@"


_RAW = re.compile(r'"@raw:(.*?)@"')


def _unquoted(found: "re.Match[str]") -> str:
    return str(json.loads(f'"{found[1]}"'))


_TWICE = "@twice@"
"""What makes another key of one that is there, until it is written."""

_NUMBERS = (
    0,
    1,
    -1,
    2,
    255,
    256,
    2**31,
    -(2**31) - 1,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    2**64,
    10**30,
    10**400,
)
_NUMBERS += (0.5, -2.5, 1e-400, 1e16, 1e300, _raw("-0"), _raw("-0.0"), _raw("1E+2"), _raw("1.0"), _raw("3e0"))
_NO_NUMBERS = tuple(
    map(_raw, ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e99999", "01", "+1", ".5", "0x10", "1_000"))
)
_TEXTS = (
    *WORDS,
    "\ud800",
    "x\udc00",
    "\ufeff",
    "\u202e",
    "\u0661\u0662",
    "1",
    "-1.5",
    "Infinity",
    "1e400",
    "false",
    "None",
    "=1+1",
)
_TEXTS += ("0", "index", "[1, 2]", '{"role": "user"}', "{", "%s%n", "\x1b[0m", "\x7f", "ß" * 50)
_MOMENTS = (
    *MOMENTS,
    "now",
    "today",
    "NaT",
    "0000-01-01",
    "0001-01-01",
    "9999-12-31T23:59:59",
    "1677-09-21",
    "2262-04-12",
    "2024-13-01",
)
_MOMENTS += (
    "2024-02-30",
    "2024-03-01T24:00:00",
    "2024-03-01T23:59:60",
    "2024-03-01T09:30:00+99:00",
    "2024-03-01T09:30:00-00:30",
)
_MOMENTS += (
    "2024-03-01T09:30:00[Europe/Prague]",
    "01/02/2024",
    "20240301",
    "2024-W09-5",
    "2024-061",
    "10:30",
    "+292277026596-12-04",
)
_MOMENTS += (
    "2024-03-01T09:30:00 UTC",
    "2024-03-01T09:30:00.1234567891",
    "-2024-03-01",
    "1e18",
    "1709287200000",
    "P1D",
    "nan",
)
_BASE64 = (
    "!!!",
    "aGVsbG8",
    "aGVs\nbG8=",
    "a",
    "====",
    "_-_-",
    "aGVsbG8=aGVsbG8=",
    "YQ==YQ==",
    " YQ==",
    "YQ",
    "žlu=",
    "A" * 4096,
)
_CONTENT_TYPES = (
    None,
    "",
    "text/csv",
    "application/csv",
    "application/json",
    "application/vnd.apache.parquet",
    "application/vnd.apache.arrow.stream",
    "application/octet-stream",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "APPLICATION/JSON",
    "application/json;charset=utf-8",
    'application/json; charset="UTF-8"',
    "application/json; charset=latin-1",
    "application/json; charset=utf-16",
    "text/csv; charset=cp1250",
    "application/json; ; =",
    "application/problem+json",
    "application/\xff",
    "*/*",
    "json" * 500,
)
_INSERTED = (
    b"\0",
    b"\x01",
    b"\x1f",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\\",
)
_INSERTED += (
    b"\\u0000",
    b"\\ud83d",
    b"\r",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b",",
    b",,",
    b'"',
    b"[",
    b"]",
    b"{",
    b"}",
    b":",
    b"-",
    b"e9",
    b"#",
    b"//",
)


@dataclass
class Request:
    """What is sent: a body in chunks (None: whole, with its length), and headers."""

    dialect: str
    form: str
    body: bytes
    content_type: str | None
    headers: dict[str, str]
    chunk: int | None


def mutated(random: Random, draft: Draft) -> Request:
    """The draft with something between nothing and a lot of damage; about half of it a server can bear."""
    kind = random.random()
    if kind < 0.08:
        body = _written(random, draft, {})  # as it is
    elif kind < 0.82:
        body = _bent(random, draft)
    else:
        body = _damaged(random, _written(random, draft, {}))
    content_type = random.choice(_CONTENT_TYPES) if random.random() < 0.03 else draft.content_type
    headers = dict(draft.headers)
    if random.random() < 0.01:
        headers["content-encoding"] = random.choice(("identity", "gzip", "deflate", "br", ""))
    chunk = random.choice((1, 2, 7, 64, 1000)) if random.random() < 0.12 else None
    return Request(draft.dialect, draft.form, body, content_type, _with_size(random, draft, body, headers), chunk)


def _with_size(random: Random, draft: Draft, body: bytes, headers: dict[str, str]) -> dict[str, str]:
    """How much of the body is JSON: right for a body that is not damaged, and wrong now and then."""
    if draft.form != "binary" and random.random() > 0.01:
        return headers
    size: Any = len(body) - len(draft.tail)
    if random.random() < 0.06:
        size = random.choice(
            (
                0,
                -1,
                1,
                size - 1,
                size + 1,
                len(body),
                len(body) + 1,
                "",
                "x",
                "9" * 30,
                "0" * 5000,
                "1e2",
                f" {size} ",
                "\xb2",
            )
        )
    return {**headers, "inference-header-content-length": str(size)}


# -- documents ---------------------------------------------------------------------------------------------------------


def _bent(random: Random, draft: Draft) -> bytes:
    if draft.raw is not None:
        text = draft.content_type == "text/csv"
        return _bent_csv(random, draft.raw.decode()) if text else _damaged(random, draft.raw)
    draft.document = copy.deepcopy(draft.document)
    times = random.choice((1, 1, 1, 1, 1, 1, 2, 2, 3, 6))
    style: dict[str, Any] = {}
    for _ in range(times):
        if random.random() < 0.55:
            _bend_softly(random, draft, style)
        else:
            _bend(random, draft)
    return _written(random, draft, style)


def _written(random: Random, draft: Draft, style: dict[str, Any]) -> bytes:
    if draft.raw is not None:
        return draft.raw
    text = json.dumps(draft.document, **style).replace(_TWICE, "")
    return _RAW.sub(_unquoted, text).encode("utf-8", "surrogatepass") + draft.tail


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every place for a value, as (container, key): ``container[key]``."""
    found: list[tuple[Any, Any]] = []
    stack = [document]
    while stack:
        container = stack.pop()
        keys = range(len(container)) if isinstance(container, list) else list(container)
        for key in keys:
            found.append((container, key))
            if isinstance(container[key], (dict, list)) and container[key]:
                stack.append(container[key])
    return found


def _place(random: Random, draft: Draft) -> tuple[Any, Any]:
    if not isinstance(draft.document, (dict, list)) or not draft.document:
        draft.document = {"inputs": draft.document}
    return random.choice(_places(draft.document))


def _bend_softly(random: Random, draft: Draft, style: dict[str, Any]) -> None:
    """Another value of the same kind, another order, other white space, more keys: what mostly still fits."""
    container, key = _place(random, draft)
    kind = random.randrange(6)
    found = container[key]
    if kind == 0:
        style.update(
            random.choice(
                ({"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}, {"separators": (" , ", "\n:\t")})
            )
        )
    elif kind == 1 and isinstance(container, dict):
        items = list(container.items())
        random.shuffle(items)
        container.clear()
        container.update(items)
    elif kind == 2 and isinstance(container, dict):
        container[random.choice(_TEXTS) + random.choice(("", "_extra"))] = random.choice((None, 1, "x", [], {}, [1]))
    elif kind == 3 and isinstance(container, list):
        container.reverse()
    elif isinstance(found, bool):
        container[key] = not found
    elif isinstance(found, int):
        container[key] = random.choice(
            (found + 1, -found, float(found) if abs(found) < 2**60 else 0, 0, _raw("0e1"), random.randrange(10))
        )
    elif isinstance(found, float):
        container[key] = random.choice((found / 3, -found, round(found), _raw("-0.0"), 1e-320, 10**20, 10**40))
    elif isinstance(found, str) and found[:4].isdigit() and found[4:5] == "-":
        container[key] = random.choice(MOMENTS)
    elif isinstance(found, str):
        container[key] = random.choice((found, random.choice(WORDS)))


def _bend(random: Random, draft: Draft) -> None:
    """One change that a signature may refuse."""
    container, key = _place(random, draft)
    found = container[key]
    kind = random.randrange(16)
    if kind < 5:
        container[key] = _other_value(random, found)
    elif kind == 5:
        del container[key]
    elif kind == 6 and isinstance(container, dict):
        container[key + _TWICE] = random.choice((found, None, _other_value(random, found)))
    elif kind == 6:
        container.insert(key, copy.deepcopy(found))
    elif kind == 7 and isinstance(container, dict):
        container[random.choice((key + " ", key.upper(), key[:-1], "", "0", random.choice(_TEXTS)))] = container.pop(
            key
        )
    elif kind == 8 and isinstance(found, list) and found:
        found.pop(random.randrange(len(found)))
    elif kind == 9 and isinstance(found, list):
        found.append(random.choice((None, 1, "x", [], copy.deepcopy(found[:1]))))
    elif kind == 10:
        container[key] = random.choice(([], {}, [[]], [{}], {"": []}, [None]))
    elif kind == 11:
        container[key] = [found]
    elif kind == 12 and isinstance(found, list) and found:
        container[key] = found[0]
    elif kind == 13:
        container[key] = {random.choice(("", "data", "k", "columns")): found}
    elif kind == 14 and random.random() < 0.2:
        container[key] = _nested(random)
    elif kind == 15 and random.random() < 0.1:
        draft.document = random.choice(
            (found, [draft.document], None, [], {}, "text", 1, [draft.document, draft.document])
        )
    else:
        container[key] = None


def _other_value(random: Random, found: Any) -> Any:
    """A value to stand for another one; odd texts mostly where a text was."""
    if isinstance(found, str) and random.random() < 0.7:
        pool: tuple[Any, ...] = (
            _MOMENTS if found[:4].isdigit() and found[4:5] == "-" else random.choice((_TEXTS, _BASE64, _MOMENTS))
        )
        return random.choice(pool)
    if isinstance(found, (int, float)) and random.random() < 0.5:
        return random.choice(random.choice((_NUMBERS, _NUMBERS, _NO_NUMBERS)))
    if random.random() < 0.01:
        return random.choice(("x" * 100_000, "é" * 70_000, "\x00" * 1000, _raw("1" + "0" * 5000)))
    others = (None, True, False, [], {}, [1], ["x"], {"a": 1}, 0, 1.5, "x", "")
    return random.choice(random.choice((others, others, _NUMBERS, _NO_NUMBERS, _TEXTS, _MOMENTS, _BASE64)))


def _nested(random: Random) -> Any:
    depth = random.choice((5, 30, 70, 200, 1100, 5000, 100_000))
    opening, inner, closing = random.choice(
        (("[", "", "]"), ("[", "1", "]"), ('{"a":', "null", "}"), ('[{"a":', "[]", "}]"), ("[", "", ""))
    )
    return _raw(opening * depth + inner + closing * depth)


# -- CSV ---------------------------------------------------------------------------------------------------------------


def _bent_csv(random: Random, text: str) -> bytes:
    """Other cells, lines and columns."""
    lines = text.split("\n")
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        at = random.randrange(len(lines))
        cells = lines[at].split(",")
        place = random.randrange(len(cells))
        kind = random.randrange(14)
        if kind < 4:
            pool = random.choice((_NUMBERS, _NO_NUMBERS, _TEXTS, _MOMENTS, _BASE64))
            cell = random.choice(pool)
            cells[place] = _RAW.sub(_unquoted, f'"{cell}"') if isinstance(cell, str) else str(cell)
        elif kind == 4:
            cells[place] = ""
        elif kind == 5:
            cells.pop(place)
        elif kind == 6:
            cells.append(random.choice(("", "x", "1", '"')))
        elif kind == 7:
            random.shuffle(cells)
        elif kind == 8:
            cells[place] = f" {cells[place]} "
        lines[at] = ",".join(cells)
        if kind == 9:
            lines.insert(at, lines[at])
        elif kind == 10:
            lines.insert(at, random.choice(("", " ", ",", "#", '"')))
        elif kind == 11 and len(lines) > 1:
            lines.pop(at)
        elif kind == 12:
            lines = [line + "\r" for line in lines]
        elif kind == 13:
            lines = [line.replace(",", random.choice((";", "\t", ", "))) for line in lines]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


# -- bytes -------------------------------------------------------------------------------------------------------------


def _damaged(random: Random, body: bytes) -> bytes:
    """Flipped, cut, repeated and inserted bytes."""
    found = bytearray(body)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        at = random.randrange(len(found) + 1)
        kind = random.randrange(10)
        if kind < 4 and at < len(found):
            found[at] ^= 1 << random.randrange(8)
        elif kind == 4 and at < len(found):
            found[at] = random.randrange(256)
        elif kind == 5:
            found[at:at] = random.choice(_INSERTED)
        elif kind == 6:
            del found[at:]
        elif kind == 7:
            del found[at : at + random.randint(1, 8)]
        elif kind == 8:
            found[at:at] = found[at : at + random.randint(1, 64)]
        else:
            found[0:0] = random.choice((b"\xef\xbb\xbf", b" ", b"\n", b"\0", b"\xff\xfe", b"\xfe\xff"))
    return bytes(found)
