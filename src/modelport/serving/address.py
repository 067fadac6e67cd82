"""What scoring processes know of the address they answer at, whoever they answer for."""

import ssl
from dataclasses import dataclass, field

from modelport.errors import CannotStart


@dataclass(frozen=True)
class AddressSettings:
    """Sizes in bytes."""

    max_body: int
    max_buffered: int
    access_log: str
    tracebacks: bool
    ssl_certfile: str | None
    ssl_keyfile: str | None
    server_timing: bool
    public_url: str = field(default="", kw_only=True)
    """What documents put before their paths, where clients come by another address than ours."""


def tls_context(settings: AddressSettings) -> ssl.SSLContext | None:
    """What `--ssl-certfile` and `--ssl-keyfile` ask for. Raises CannotStart where they cannot be used."""
    if settings.ssl_certfile is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
    except OSError as error:
        message = f"cannot use the certificate '{settings.ssl_certfile}' with its key: {error}"
        raise CannotStart(
            message, hint="--ssl-certfile and --ssl-keyfile are PEM files that belong together."
        ) from None
    return context
