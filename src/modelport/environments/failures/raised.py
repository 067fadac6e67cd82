"""The exception with which a model's loading ended, read out of the text of its traceback."""

import re
from dataclasses import dataclass

_HEAD = "Traceback (most recent call last):"
_FINAL = re.compile(r"^(?P<kind>[A-Za-z_][\w.]*)(?:: (?P<text>.*))?$", re.DOTALL)
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line \d+, in (?P<function>.+)$')
_NAMES = re.compile(r"['\"]([A-Za-z_]\w*)|\b([A-Za-z_]\w*)\.[A-Za-z_]")
_PACKAGE = re.compile(r"(?:site-packages/|^(?=[\w/]+\.pyx))(\w+)")
"""The package of a file; compiled code has paths of where it was compiled."""
_READS_PICKLES = re.compile(r"pickle\.load|\bjoblib\b|__setstate__|_pickle|skops|Unpickler")


@dataclass(frozen=True)
class Raised:
    """``frames``: file, function and source line, outermost first."""

    kind: str
    text: str
    frames: tuple[tuple[str, str, str], ...]

    @property
    def line(self) -> str:
        """The exception on one line, shortened."""
        said = re.sub(r" \(/[^)]*\)$", "", " ".join(self.text.split()))  # where a module lies
        return f"{self.kind.rpartition('.')[2]}: {said[:200]}{'…' if len(said) > 200 else ''}"

    @property
    def reading_a_pickle(self) -> bool:
        """Whether it is what a pickle holds that could not be made, not code of the model that failed."""
        return any(_READS_PICKLES.search(line) or _READS_PICKLES.search(function) for _, function, line in self.frames)

    def modules(self) -> list[str]:
        """The first parts of module names that the text mentions, and of those whose code it came through, nearest first."""
        named = [quoted or dotted for quoted, dotted in _NAMES.findall(self.text)]
        named += re.findall(r"site-packages/([A-Za-z_]\w*)", self.text)
        passed = [found[1] for file, _, _ in reversed(self.frames) if (found := _PACKAGE.search(file))]
        return list(dict.fromkeys([*named, *passed]))


def read(traceback: str) -> Raised | None:
    """The last exception of the text: what it was raised from or while handling stands before it."""
    last = traceback.rpartition(_HEAD)[2]
    frames: list[tuple[str, str, str]] = []
    lines = last.splitlines()
    for number, line in enumerate(lines):
        frame = _FRAME.match(line)
        if frame is not None:
            source = lines[number + 1].strip() if number + 1 < len(lines) else ""
            frames.append((frame["file"], frame["function"], source))
        elif line and not line[0].isspace():
            found = _FINAL.match("\n".join(lines[number:]).strip())
            return None if found is None else Raised(found["kind"], found["text"] or "", tuple(frames))
    return None
