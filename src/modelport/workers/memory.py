"""How much memory a process has."""

import os


def resident_memory(pid: int) -> int:
    """Bytes of resident memory of a process, 0 when it is gone or this is no Linux."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
