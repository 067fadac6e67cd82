"""Who asks for what, read out of the sentences in which uv says why there is no solution."""

import re
from dataclasses import dataclass

from modelport.model import requirement_lines

_SPECIFIER = r"(?:[<>=!~]=?=?[^\s,]+)(?:,[<>=!~]=?=?[^\s,]+)*"
_NAME = r"[A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?"
_ONE = rf"{_NAME}(?:{_SPECIFIER})?"
_PINNED = rf"{_NAME}{_SPECIFIER}"
_REQUIRED = re.compile(rf"you require ({_ONE})((?:(?:,| and|, and) {_PINNED})*)")
_DEPENDS = re.compile(rf"({_ONE}) depends on (?:one of: )?({_ONE})((?:(?:,| and|, and) {_PINNED})*)")
_NO_VERSION = re.compile(rf"there (?:is|are) no versions? of ({_ONE})")
_ONLY = re.compile(rf"only (?:the following versions of )?({_NAME})(?:{_SPECIFIER})? (?:is|are) available")
_NOT_FOUND = re.compile(rf"({_NAME})(?:{_SPECIFIER})? was not found in (?:the package registry|the provided)")


@dataclass(frozen=True)
class Demand:
    """``asks`` is a requirement; ``who`` the pinned distribution that has it, None: the model's files."""

    asks: str
    who: str | None

    @property
    def name(self) -> str:
        return requirement_lines.name_of(self.asks) or self.asks

    def __str__(self) -> str:
        return f"the model asks for {self.asks}" if self.who is None else f"{self.who} needs {self.asks}"


def sentence(output: str) -> str:
    """uv's output as one line, without the markers that it puts between a name and its versions."""
    return " ".join(re.sub(r"(?<=[\w.\]-])\{[^}]*\}", "", output).split())


def demands(output: str) -> list[Demand]:
    """All that are told, each once, in their order."""
    text = sentence(output)
    found: list[tuple[int, Demand]] = []
    for match in _REQUIRED.finditer(text):
        found += [(match.start(), Demand(asks, None)) for asks in _listed(match[1], match[2])]
    for match in _DEPENDS.finditer(text):
        if match[1] not in ("project", "root"):
            found += [(match.start(), Demand(asks, match[1])) for asks in _listed(match[2], match[3])]
    pins = {demand.name: demand.asks for _, demand in found if demand.who is None and "==" in demand.asks}
    found = [  # uv says mp<=1.0 of the pin mp==1.0, where there is nothing below
        (at, Demand(demand.asks, demand.who and pins.get(requirement_lines.name_of(demand.who) or "", demand.who)))
        for at, demand in found
    ]
    return list(dict.fromkeys(demand for _, demand in sorted(found, key=lambda entry: entry[0])))


def absent_version(output: str) -> Demand | None:
    """The demand for versions that the index has none of."""
    text = sentence(output)
    all_of_them = demands(output)
    missing = _NO_VERSION.search(text)
    if missing is not None:
        exact = missing[1].rstrip(".")
        return next((demand for demand in all_of_them if demand.asks == exact), Demand(exact, None))
    only = _ONLY.search(text)
    if only is None:
        return None
    name = requirement_lines.name_of(only[1])
    about = [demand for demand in all_of_them if demand.name == name and demand.asks != only[1]]
    return about[0] if len(about) == 1 else None


def unknown_name(output: str) -> str | None:
    """The distribution that no index knows."""
    found = _NOT_FOUND.search(sentence(output))
    return None if found is None else found[1]


def conflict(output: str) -> tuple[Demand, Demand] | None:
    """Two demands on the same distribution that no version fulfils; what the model itself asks comes first."""
    by_name: dict[str, list[Demand]] = {}
    for demand in demands(output):
        if not requirement_lines.is_without_version(demand.asks):
            by_name.setdefault(demand.name, []).append(demand)
    pairs = [
        (one, other)
        for about in by_name.values()
        for one in about
        for other in reversed(about)  # what is concluded last says most
        if _exclude_each_other(one.asks, other.asks) and (one.who is None or other.who is not None)
    ]
    return min(pairs, key=lambda pair: (pair[0].who is not None, pair[1].who is None), default=None)


def _exclude_each_other(one: str, other: str) -> bool:
    """Whether no version at the ends of either range, or just above them, lies in both."""
    versions = re.findall(r"[<>=!~]=?=?\s*([\w.+!-]+?)(?:\.\*)?(?=,|$|;)", f"{one},{other}")
    around = [version for end in versions for version in (end, f"{end}.0.1", f"{end}.dev0")]
    return not any(requirement_lines.allows(one, each) and requirement_lines.allows(other, each) for each in around)


def _listed(first: str, others: str) -> list[str]:
    return [asks.rstrip(".") for asks in (first, *re.findall(_PINNED, others))]
