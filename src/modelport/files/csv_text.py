"""Where the rows of CSV text end, as pandas sees it: a quote counts at the start of a field only. Nothing is parsed here."""

import re

# A closing quote has no other quote behind it, so that there is one way to match a field, and failing takes no longer
# than matching. Possessive repetition would say it too, and is broken in Python 3.11.0 to 3.11.4.
_FIELD = rb'(?:"[^"]*(?:""[^"]*)*"(?!")[^,\r\n]*|(?!")[^,\r\n]*)'
_FIELDS = rb"%b(?:,%b)*" % (_FIELD, _FIELD)
_WHOLE_ROW = re.compile(rb"%b(?:\n|\r\n|\r(?!\n|\Z))" % _FIELDS)
_ROWS_AND_REST = re.compile(rb"%b|(?s:.+)" % _WHOLE_ROW.pattern)
_ROWS = re.compile(rb"%b(?:\n|\r\n?|(?<=[^\r\n])\Z)|[^\n]*\n|[^\n]+" % _FIELDS)
"""What is no row (a quote that is not closed) is taken line by line: the worker says what is wrong with it."""
_LINE_END = re.compile(rb"\n|\r\n?")
_NEITHER_QUOTES_NOR_ENDS = bytes(set(range(256)) - set(b'",\r\n'))


def last_end(text: bytes) -> int:
    """Where the last row that is whole ends."""
    if _every_end_ends(text):
        return text.rfind(b"\n") + 1 or text.rfind(b"\r", 0, len(text) - 1) + 1
    last = _ROWS_AND_REST.findall(text)[-1]
    return len(text) if _WHOLE_ROW.fullmatch(last) else len(text) - len(last)


def _every_end_ends(text: bytes) -> bool:
    """Whether no quotes can keep the end of a line from ending a row: False also where only a closer look would tell.

    They cannot where each field has an even number of quotes: one that is opened is then closed in the same field. Ten times
    as fast as the expressions above.
    """
    return b'"' not in text.translate(None, _NEITHER_QUOTES_NOR_ENDS).replace(b'""', b"")


def rows_of(text: bytes) -> list[tuple[int, bytes]]:
    """The rows that are not blank, without their ends; before each the line of the text, from 0 on, in which it begins."""
    if b'"' not in text:
        return [(number, row) for number, row in enumerate(text.splitlines()) if row.strip()]
    rows, line = [], 0
    for row in _ROWS.findall(text):
        if row.strip():
            rows.append((line, row.rstrip(b"\r\n")))
        line += line_count(row)
    return rows


def line_count(text: bytes) -> int:
    """How many lines end in the text."""
    return text.count(b"\n") if b"\r" not in text else len(_LINE_END.findall(text))


def row_end(text: bytes, position: int) -> int:
    """Where the row that begins at a position ends, with its line's end."""
    match = _ROWS.match(text, position)
    return len(text) if match is None else match.end()


def first_row_end(text: bytes) -> int:
    """Where the first row that is not blank ends, with its line's end."""
    position = 0
    while position < len(text):
        start, position = position, row_end(text, position)
        if text[start:position].strip():
            break
    return position
