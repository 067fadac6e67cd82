"""Listening sockets: opened by the parent of those that accept from them, and closed without a reset."""

import contextlib
import ctypes
import errno
import os
import socket
import struct
import time

from modelport.errors import CannotStart

BACKLOG = 4096
_RETRY = 0.2
"""Seconds between two attempts to get an address that somebody is about to let go of."""

_SO_ATTACH_FILTER = 26
_REFUSE_SYN = (  # classic BPF on the TCP header: drop what opens a connection, pass everything else
    (0x30, 0, 0, 13),  # load the flags' byte
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # pass
)


def open_at(host: str, port: int, hint: str, patience: float = 0.0) -> socket.socket:
    """A listening socket; an address that is in use is tried for so many seconds.

    Raises:
        CannotStart: the address cannot be had; ``hint`` is what to do then.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    until = time.monotonic() + patience
    while True:
        try:
            return socket.create_server((host, port), family=family, backlog=BACKLOG)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= until:
                # Its own text repeats the address; a name that is not known has no number of the system's.
                number = error.errno or 0
                reason = os.strerror(number) if number > 0 else str(error.strerror).partition(" (while")[0]
                raise CannotStart(f"cannot listen on {host}:{port}: {reason}", hint=hint) from None
        time.sleep(_RETRY)


def refuse_new_connections(sock: socket.socket) -> None:
    """Have the kernel ignore further connection attempts on a listening socket, for every process that shares it.

    Closing a listening socket resets the connections the kernel has already completed for it. With this filter
    (SO_ATTACH_FILTER, socket(7)) none are added while those are being accepted, so none are lost; a client whose attempt
    was ignored repeats it after a second, and is refused when the socket is closed by then.
    """
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in _REFUSE_SYN)
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = struct.pack("HL", len(_REFUSE_SYN), ctypes.addressof(buffer))
    with contextlib.suppress(OSError):  # not Linux, or not allowed: then a new connection may see a reset
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)
