"""What commands print: errors as one readable block on standard error."""

import sys

from modelport_runtime.errors import ModelportError


def print_error(error: ModelportError) -> None:
    """What was asked, what was found, what to do."""
    lines = [f"error: {error.message} [{error.code}]"]
    lines += [f"  {detail.get('message', detail)}" for detail in error.details]
    if error.hint:
        lines.append(f"hint: {error.hint}")
    sys.stderr.write("\n".join(lines) + "\n")
