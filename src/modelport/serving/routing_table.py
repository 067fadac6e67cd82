"""The routing table: which models there are and which workers serve them. Whoever keeps the workers tells it row by row."""

from dataclasses import asdict, dataclass
from typing import Any

from modelport.workers.process import WorkerAddress


@dataclass(frozen=True)
class Row:
    """One model: its paths begin with ``prefix``; ``workers`` are those that may be given requests now.

    A row of `up` is one set of workers: ``name`` is the set's id, and it has no paths of its own (None), for endpoints choose
    among the rows.
    """

    name: str
    prefix: str | None
    folder: str
    mlmodel: dict[str, Any]
    workers: list[WorkerAddress]
    restarts: int

    def as_dict(self) -> dict[str, Any]:
        """The row as it crosses to another process, in JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Row":
        """The row that ``as_dict`` made the data of."""
        return cls(**{**data, "workers": [WorkerAddress(**worker) for worker in data["workers"]]})
