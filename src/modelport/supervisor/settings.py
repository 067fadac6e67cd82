"""What the supervisor is told once, at its start, in a file."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SCORING = (sys.executable, "-m", "modelport.serving.process")


@dataclass(frozen=True)
class Settings:
    """Each command gets three more arguments, descriptors: its end of a socket pair, the listening socket, the metrics."""

    run: str
    """The folder of sockets, of the lock and of the last table; nobody else's."""
    control: tuple[str, ...]
    """The command of the control process."""
    control_host: str
    control_port: int
    scoring_host: str
    scoring_port: int
    scoring_processes: int
    scoring_settings: dict[str, Any]
    """Handed through to the scoring processes as it is."""
    longest_start: float
    """Seconds until workers that were not ready before have failed to start."""
    lock: int | None = None
    """The descriptor of the run folder's lock, where whoever became the supervisor took it before."""
    scheme: str = "http"
    """What both addresses speak, for the log."""
    scoring: tuple[str, ...] = SCORING
    """The command of a scoring process."""

    def write(self, path: Path) -> None:
        """Keep the settings in a file that is its owner's alone."""
        path.touch(0o600)
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Settings":
        """The settings that ``write`` kept."""
        data = json.loads(path.read_text())
        return cls(**{**data, "control": tuple(data["control"]), "scoring": tuple(data["scoring"])})
