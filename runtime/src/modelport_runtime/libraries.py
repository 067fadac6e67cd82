"""The libraries that this process has imported: what a value is made of is known without importing anything."""

import sys
from typing import Any


def loaded(name: str) -> Any:
    """The library, if it is imported whole, else None.

    While a thread is still importing it, it lacks its classes, and no value made by it can be here yet.
    """
    module = sys.modules.get(name)
    return None if getattr(getattr(module, "__spec__", None), "_initializing", False) else module
