"""Our own log lines: to standard error, in the form of the access log."""

import logging
import sys
import time


def set_up_log() -> None:
    """From now on what is logged is seen."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    log = logging.getLogger("modelport")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
