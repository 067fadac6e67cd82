"""A command line as az reads it, made into one as typer reads it: prefixes of options, several values after one option."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import typer

GROUPS = frozenset({"--add", "--remove"})
"""Path and values after one of these belong together: one value for typer, as JSON."""
SETTINGS = frozenset({"--set"})
"""``path=value``, or ``path value``."""
LISTS = frozenset({"--tags", "--traffic", "--mirror-traffic", "--grant"})
"""``key=value`` after ``key=value``, also within one word: az's scripts quote all of it."""
_SEVERAL = GROUPS | SETTINGS | LISTS


@dataclass(frozen=True)
class Option:
    """What has to be known of an option to tell its value from the next option: its chief name, and whether it has one."""

    name: str
    takes_value: bool


def arranged(words: list[str], options: Mapping[str, Option]) -> list[str]:
    """The words with each option's whole name, and one value after each.

    Raises:
        typer.BadParameter: a beginning fits several options, or a value is missing.
    """
    return list(_arranged(words, options))


def _arranged(words: list[str], options: Mapping[str, Option]) -> Iterator[str]:
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            yield from words[at - 1 :]
            return
        spelled, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        option = options.get(_whole(spelled, options))
        if option is None:
            yield word
        elif option.name in _SEVERAL:
            given = [value] if equals else []
            while at < len(words) and not _is_option(words[at]):
                given.append(words[at])
                at += 1
            yield from (f"{option.name}={each}" for each in _values(option.name, given))
        else:
            yield _whole(spelled, options) + equals + value
            if option.takes_value and not equals and at < len(words):
                yield words[at]
                at += 1


def _whole(spelled: str, options: Mapping[str, Option]) -> str:
    """The only option that begins so; what is no beginning stays as it is, for typer to refuse."""
    if spelled in options or not spelled.startswith("--") or len(spelled) < 3:
        return spelled
    fitting = {name: option for name, option in options.items() if name.startswith(spelled)}
    if len({option.name for option in fitting.values()}) > 1:
        raise typer.BadParameter(f"'{spelled}' can be {' or '.join(sorted(fitting))}: write more of it")
    return next(iter(fitting), spelled)


def _is_option(word: str) -> bool:
    """A negative number is a value."""
    return len(word) > 1 and word.startswith("-") and not re.fullmatch(r"-[\d.].*", word)


def _values(name: str, given: list[str]) -> list[str]:
    if not given:
        raise typer.BadParameter("a value is missing", param_hint=name)
    if name in GROUPS:
        return [json.dumps(given, ensure_ascii=False)]
    if name in LISTS:
        return [word for text in given for word in re.split(r"[,\s]+", text) if word] if name != "--tags" else given
    return list(_settings(given))


def _settings(given: list[str]) -> Iterator[str]:
    words = iter(given)
    for word in words:
        if "=" in word:
            yield word
        else:
            value = next(words, None)
            if value is None:
                raise typer.BadParameter(f"'{word}' has no value: PATH=VALUE is wanted", param_hint="--set")
            yield f"{word}={value}"
