"""`/docs`: Swagger UI on `/openapi.json`, from files of this package. Nothing is fetched from anywhere else."""

import functools
import importlib.resources

CONTENT_SECURITY_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
"""Swagger UI styles its elements in place, and has its icons in the style sheet; no script is inline."""

_FILES = {
    "/docs": ("docs.html", b"text/html; charset=utf-8"),
    "/docs/docs.js": ("docs.js", b"text/javascript; charset=utf-8"),
    "/docs/swagger-ui-bundle.js": ("swagger-ui-bundle.js", b"text/javascript; charset=utf-8"),
    "/docs/swagger-ui.css": ("swagger-ui.css", b"text/css; charset=utf-8"),
}


def page(path: str, prefix: str = "") -> tuple[bytes, bytes] | None:
    """Content type and body of the page at `/docs`, or of a file it needs; None where there is none of that path.

    ``prefix`` is what stands before these paths for a browser.
    """
    file = _FILES.get(path)
    return None if file is None else (file[1], _content(file[0]).replace(b"%PREFIX%", prefix.encode()))


@functools.cache
def _content(name: str) -> bytes:
    return importlib.resources.files("modelport.serving").joinpath("static", name).read_bytes()
