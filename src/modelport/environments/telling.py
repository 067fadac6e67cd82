"""Environments as text: a table of all, everything about one, and what was decided when it was made."""

from collections.abc import Iterator, Sequence
from typing import Any

from modelport.environments.managing import READY, Overview, Room
from modelport.model.inspection.text import one_line, size_text, table


def overviews_as_text(found: Sequence[Overview], together: Room) -> str:
    """A row for each; below it what they need together, which is less than the sum where they share files."""
    rows = [("id", "python", "packages", "size", "made (UTC)", "last used", "models", "status")]
    for each in found:
        rows.append(
            (
                each.id,
                each.python or "-",
                "-" if each.packages is None else str(each.packages),
                size_text(each.room.bytes),
                moment(each.created),
                moment(each.last_used),
                str(len(each.models)),
                each.status,
            )
        )
    return "\n".join([*table(rows, wide=7, indent=""), f"together {room_text(together)}"]) + "\n"


def as_text(details: dict[str, Any]) -> str:
    """Everything about one, of what ``managing.details`` says."""
    room = Room(**details["room"])
    spent = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in details["seconds"].items())
    facts = {
        "environment": details["id"] + ("" if details["status"] == READY else f" ({details['status']})"),
        "python": details["python"],
        "interpreter": details["interpreter"],
        "made from": details["base_interpreter"],
        "made by": details["manager"],
        "made": moment(details["created"]) + (f" ({spent})" if spent else ""),
        "last used": moment(details["last_used"]),
        "in use by": ", ".join(f"process {pid}" for pid in details["in_use_by"]) or None,
        "size": room_text(room),
        "log": details["log"],
    }
    lines = [*table([(name, value) for name, value in facts.items() if value], wide=1, indent="")]
    lines += ["", *decisions(details)]
    if details["uses"]:
        uses = details["uses"]
        lines += ["", "models", *table([(model, moment(uses[model])) for model in uses], wide=0, indent="  ")]
    if details["requirements"]:
        lines += ["", "packages", *(f"  {one_line(line)}" for line in details["requirements"])]
    return "\n".join(lines) + "\n"


def decisions(details: dict[str, Any]) -> Iterator[str]:
    """What was decided, a line each."""
    if not details:
        yield "the model's files name no package: it runs in the interpreter that runs modelport"
        return
    days = sorted({spec["cutoff"] for spec in details["specs"] if spec["cutoff"]})
    count = "as conda has them" if details["packages"] is None else f"{details['packages']} packages"
    as_of = f", as of {' and '.join(days)}" if days else ""
    yield f"environment {details['id']}: Python {details['python']}, {count}{as_of}"
    if details["left_out"]:
        left_out = details["left_out"]
        some = ", ".join(left_out[:3]) + (f" and {len(left_out) - 3} more" if len(left_out) > 3 else "")
        yield f"left out, as only mlflow asks for it: {some}"
    if details["added"]:
        yield f"added, as no file names it: {', '.join(details['added'])}"
    for note in details["notes"]:
        yield one_line(note)


def room_text(room: Room) -> str:
    """``312.0 MB, of which uv's cache shares 300.1 MB``."""
    shared = f", of which {size_text(room.shared)} is shared, as with uv's cache" if room.shared else ""
    return f"{size_text(room.bytes)}{shared}"


def moment(stamp: str | None) -> str:
    """Without seconds."""
    return "never" if stamp is None else stamp[:16].replace("T", " ")
