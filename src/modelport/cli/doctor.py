"""`modelport doctor`: how the server of endpoints is."""

from typing import Any

EPILOG = "Examples: modelport doctor; modelport doctor --query processes -o table"


def doctor() -> Any:
    """Ask the running server for its version, addresses, processes, store and disk."""
    from modelport.cli.endpoints.connection import connect

    with connect() as client:
        return client.get_status()
