"""Requirements files as pip reads them (https://pip.pypa.io/en/stable/reference/requirements-file-format/), normalised."""

import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from modelport.errors import ModelNotLoadable, ModelportError

if TYPE_CHECKING:  # 20 ms, for who reads requirements
    from packaging.requirements import Requirement

_COMMENT = re.compile(r"(^|\s)#.*$")
_OPTION = re.compile(r"\s--(hash|config-settings|global-option)\b.*$")
_HASHES = re.compile(r"--hash[= ](\S+)")
_INCLUDE = re.compile(r"(?P<flag>-r|--requirement|-c|--constraint)[ =]*(?P<file>\S.*)")
_INDEXES = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links")
_FLAGS = ("--no-index", "--no-binary", "--only-binary", "--pre")
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz")


@dataclass(frozen=True)
class LocalFile:
    """A wheel or source archive in the model."""

    name: str
    sha256: str
    path: Path = field(compare=False)


@dataclass(frozen=True)
class RequirementLines:
    """What requirements files and those they include say. ``options`` without credentials, which stand in ``credentials``."""

    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    local_files: tuple[LocalFile, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[ModelportError, ...] = ()
    """What cannot be understood or found; the lines themselves stand among the others."""
    credentials: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)


def lines_of(text: str) -> list[str]:
    """The lines that say something: continued ones joined, comments gone."""
    lines = (_COMMENT.sub("", line).strip() for line in text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines())
    return [line for line in lines if line]


def parsed(line: str) -> "Requirement | None":
    """A line as a requirement; None for what is no name with versions, such as a path or an option of pip."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(_OPTION.sub("", line))
    except InvalidRequirement:
        return None


def normal(line: str) -> str | None:
    """The one spelling of all requirements that mean the same; None for what is no requirement."""
    from packaging.utils import canonicalize_name

    found = parsed(line)
    if found is None:
        return None
    found.name = canonicalize_name(found.name)
    hashes = "".join(f" --hash={value}" for value in sorted(_HASHES.findall(line)))
    return f"{found}{hashes}"


def name_of(line: str) -> str | None:
    """The normal name of the distribution that a requirement asks for."""
    from packaging.utils import canonicalize_name

    found = parsed(line)
    return None if found is None else canonicalize_name(found.name)


def is_without_version(line: str) -> bool:
    found = parsed(line)
    return found is not None and not found.specifier and found.url is None


def allows(line: str, version: str) -> bool:
    """Whether this version satisfies the requirement; one that names a URL says nothing about it."""
    from packaging.version import InvalidVersion

    found = parsed(line)
    try:
        return found is None or found.url is not None or found.specifier.contains(version, prereleases=True)
    except InvalidVersion:
        return True


def with_version(line: str, version: str) -> str:
    """A requirement that named no version, with one."""
    from packaging.specifiers import SpecifierSet

    found = parsed(line)
    assert found is not None
    found.specifier = SpecifierSet(f"=={version}")
    return str(found)


def read(folder: Path, name: str) -> RequirementLines:
    """The file ``name`` of the model in ``folder``, and all that it includes."""
    reader = _Reader(folder)
    reader.file(name, "requirements")
    return reader.result()


def of_lines(folder: Path, lines: Iterable[str], source: str) -> RequirementLines:
    """The same of lines that stand in another file of the model, ``source``."""
    reader = _Reader(folder)
    for line in lines:
        reader.line(line.strip(), source, "requirements")
    return reader.result()


class _Reader:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[str, dict[str, None]] = {"requirements": {}, "constraints": {}}
        self._options: dict[str, None] = {}
        self._files: dict[str, LocalFile] = {}
        self._notes: list[str] = []
        self._problems: list[ModelportError] = []
        self._credentials: dict[str, tuple[str, str]] = {}
        self._read: set[tuple[Path, str]] = set()

    def result(self) -> RequirementLines:
        return RequirementLines(
            tuple(sorted(self._found["requirements"])),
            tuple(sorted(self._found["constraints"])),
            tuple(self._options),
            tuple(sorted(self._files.values(), key=lambda file: file.name)),
            tuple(self._notes),
            tuple(self._problems),
            self._credentials,
        )

    def file(self, name: str, kind: str) -> None:
        path = (self._folder / name).resolve()
        if (path, kind) in self._read:
            return
        self._read.add((path, kind))
        if not path.is_relative_to(self._folder.resolve()):
            self._problems.append(ModelNotLoadable(f"{name} leads out of the model in {self._folder}"))
            return
        try:
            text = path.read_text(encoding="utf-8-sig", errors="replace")
        except OSError as error:
            problem = f"{name} of the model in {self._folder} cannot be read: {error.strerror}"
            self._problems.append(ModelNotLoadable(problem))
            return
        for line in lines_of(text):
            self.line(line, name, kind)

    def line(self, line: str, source: str, kind: str) -> None:
        include = _INCLUDE.fullmatch(line)
        if include is not None:
            beside = str(Path(source).parent / include["file"].strip("'\""))
            self.file(beside, "constraints" if include["flag"] in ("-c", "--constraint") else kind)
        elif line.startswith("-") and not line.startswith(("-e", "--editable")):
            self._option(line, source)
        else:
            self._found[kind][self._requirement(re.sub(r"^(-e|--editable)[ =]+", "", line), source)] = None

    def _requirement(self, line: str, source: str) -> str:
        path = self._local(line, source)
        if path is not None:
            return path
        found = normal(line)
        if found is not None:
            return self._without_credentials(found) if "@" in found else found
        if "://" in line:  # a repository or an archive whose name only its content tells
            return self._without_credentials(line)
        problem = ModelNotLoadable(
            f"{source} of the model in {self._folder} has a line that is no requirement: {line!r}",
            hint="A line names a distribution and its versions (numpy==1.26.4), a file of the model, or a URL.",
        )
        self._problems.append(problem)
        return line

    def _local(self, line: str, source: str) -> str | None:
        """A file of the model as ``name @ file``."""
        bare, _, marker = _OPTION.sub("", line).partition(";")
        named, _, given = bare.rpartition(" @ ")
        given = unquote(urlsplit(given).path) if given.startswith("file:") else given.strip()
        is_archive = given.split("[")[0].endswith(_ARCHIVES) and "://" not in given
        if not is_archive and not given.startswith((".", "/")):
            return None
        given, bracket, extras = given.partition("[")
        candidates = (self._folder / given, (self._folder / source).parent / given)
        path = next((path for path in candidates if path.exists()), None)
        if path is None or not path.is_file():
            problem = ModelNotLoadable(
                f"{source} of the model in {self._folder} asks for the file {given}, which is not there",
                hint="Save the model with the file in it, or with a requirement that an index can answer.",
            )
            self._problems.append(problem)
            return line
        file = LocalFile(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), path.resolve())
        self._files[file.name] = file
        name = named.strip() or _distribution(path.name)
        return f"{name}{bracket}{extras} @ {path.name}" + (f" ;{marker}" if marker else "")

    def _option(self, line: str, source: str) -> None:
        flag, *rest = shlex.split(line.replace("=", " ", 1))
        if flag in _INDEXES and rest:
            option = "--index-url" if flag == "-i" else "--find-links" if flag == "-f" else flag
            url = rest[0] if "://" in rest[0] else str((self._folder / source).parent / rest[0])
            self._options[f"{option} {self._without_credentials(url)}"] = None
        elif flag in _FLAGS:
            self._options[" ".join([flag, *rest])] = None
        else:
            self._notes.append(f"{flag} in {source} is left to who builds the environment")

    def _without_credentials(self, text: str) -> str:
        start, separator, address = text.rpartition(" @ ")
        scheme, _, address = address.rpartition("+") if re.match(r"\w+\+\w+://", address) else ("", "", address)
        parts = urlsplit(address)
        if parts.username is None or "${" in parts.netloc:  # a variable is a reference, which may be kept
            return text
        bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        if scheme.startswith("git") and parts.password is None:
            return text  # git@host: who asks, and no secret
        self._credentials[bare] = (unquote(parts.username), unquote(parts.password or ""))
        return f"{start}{separator}{scheme}{'+' if scheme else ''}{bare}"


def _distribution(file: str) -> str:
    """The distribution in a wheel (PEP 427) or a source archive (PEP 625), by the file's name."""
    stem = next(file.removesuffix(ending) for ending in _ARCHIVES if file.endswith(ending))
    return stem.split("-")[0] if file.endswith(".whl") else stem.rpartition("-")[0] or stem
