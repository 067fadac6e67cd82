"""`modelport doctor`: whether the server of endpoints is well."""

import sys
from typing import Any

EPILOG = "Examples: modelport doctor; modelport doctor -o table --query checks"


def doctor() -> Any:
    """Ask the running server for its version, addresses, workers and store, and for what is not well: then it ends with 1."""
    from modelport.cli.endpoints.command import Unwell
    from modelport.cli.endpoints.connection import connect

    with connect() as client:
        status = client.get_status()
    unwell = [check for check in status["checks"] if not check["is_well"]]
    for check in unwell:
        hint = f" ({check['hint']})" if check["hint"] else ""
        sys.stderr.write(f"{check['name']}: {check['message']}{hint}\n")
    return Unwell(status) if unwell else status
