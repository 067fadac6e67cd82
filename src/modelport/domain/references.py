"""References to what is registered: ``azureml:NAME:VERSION`` and its other spellings."""

import re
from dataclasses import dataclass

from modelport.errors import InvalidInput

_SHORT = re.compile(r"azureml:(?P<name>[A-Za-z0-9_][\w.-]*)(?::(?P<version>[^:@/\s]+)|@(?P<label>[^:@/\s]+))?")
_LONG = re.compile(
    r"(?:azureml:/|azureml://)?/?(?:.*/)?(?:models|environments)/(?P<name>[^/\s]+)/(?:versions/(?P<version>[^/\s]+)|labels/(?P<label>[^/\s]+))"
)
LATEST = "latest"


@dataclass(frozen=True)
class Reference:
    """Of a model or environment; neither version nor label: the latest."""

    name: str
    version: str | None = None
    label: str | None = None


def parse(text: str, what: str) -> Reference:
    """What ``text`` refers to; ``what`` is where it stands, for messages.

    Raises:
        InvalidInput: it is no reference.
    """
    found = _SHORT.fullmatch(text) or (_LONG.fullmatch(text) if text.startswith(("azureml:", "/")) else None)
    if found is None:
        raise InvalidInput(f"{what}: {text!r} is no reference", hint="azureml:NAME:VERSION or azureml:NAME@latest")
    if found["label"] not in (None, LATEST):
        raise InvalidInput(f"{what}: there is no label {found['label']!r}", hint=f"There is {LATEST}.")
    return Reference(found["name"], found["version"], found["label"])


def of_version(name: str, version: str) -> str:
    """The reference to exactly this one."""
    return f"azureml:{name}:{version}"
