"""What commands print: errors as one readable block on standard error, log lines with a time."""

import logging
import sys
import time

from modelport_runtime.errors import ModelportError


def print_error(error: ModelportError) -> None:
    """What was asked, what was found, what to do."""
    lines = [f"error: {error.message} [{error.code}]"]
    lines += [f"  {detail}" for detail in error.details]
    if error.hint:
        lines.append(f"hint: {error.hint}")
    sys.stderr.write("\n".join(lines) + "\n")


def set_up_log() -> None:
    """Our own log lines go to standard error, in the form of the access log."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    log = logging.getLogger("modelport")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
