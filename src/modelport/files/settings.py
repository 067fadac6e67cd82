"""What `predict` can be told: one typed object, filled once at the door and passed down."""

from dataclasses import dataclass, field
from pathlib import Path

from modelport.settings import EnvironmentSettings, SafetySettings, modelport_home


@dataclass(frozen=True)
class FileSettings:
    """One file to be scored. Paths of None are standard input and output."""

    model_uri: str
    input_path: str | None = None
    output_path: str | None = None
    content_type: str | None = None
    output_type: str | None = None
    keep_columns: bool = False
    rejects: str | None = None
    workers: int = 1
    environment: EnvironmentSettings = field(default_factory=EnvironmentSettings)
    safety: SafetySettings = field(default_factory=SafetySettings)
    allow_python_mismatch: bool = False
    chunk_rows: int | None = None
    whole: bool = False
    progress: bool = False
    """Show on standard error how far it is."""
    home: Path = field(default_factory=modelport_home)
