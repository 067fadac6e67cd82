"""Which format a file has: what was said, else what its name ends in, else JSON, as with MLflow."""

from modelport.errors import InvalidInput

INPUTS = ("json", "csv", "jsonl", "parquet", "arrow")
_ENDINGS = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
}
_SPELLINGS = {"ndjson": "jsonl", "feather": "arrow"}


def format_of(said: str | None, path: str | None, what: str) -> str:
    """The format of the file at ``path`` (None: a stream); ``what`` names the option for messages.

    Raises:
        InvalidInput: a format that nobody can read or write.
    """
    if said is None:
        lowered = (path or "").lower()
        return next((name for ending, name in _ENDINGS.items() if lowered.endswith(ending)), "json")
    name = said.lower()
    found = _SPELLINGS.get(name, name)
    if found not in INPUTS:
        raise InvalidInput(f"{what} {said!r} is not known", hint=f"One of {', '.join(INPUTS)}.")
    return found
