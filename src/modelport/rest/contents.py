"""Routes of content: what a model's path on the client's side becomes here."""

import io
from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from modelport.errors import ModelportError
from modelport.rest.asking import Plane
from modelport.rest.request_reader import RequestReader

router = APIRouter(prefix="/contents", tags=["contents"])
MAX_UPLOADS = 8
"""At once: each has a thread, and those of all other requests must not be waited for."""
BUFFER = 1 << 20
_uploads = anyio.CapacityLimiter(MAX_UPLOADS)


class Uploaded(BaseModel):
    """Where content lies now, as `path` of a model or environment."""

    path: str


@router.post(
    "",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/x-tar": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload_content(request: Request, plane: Plane) -> Uploaded:
    """Keep what a tar archive holds: one folder or file. The same content twice is kept once."""

    def keep() -> str:
        reader = RequestReader(request.receive)
        try:
            return plane.upload_content(io.BufferedReader(reader, BUFFER))
        except ModelportError:
            reader.drain()
            raise

    return Uploaded(path=await anyio.to_thread.run_sync(keep, limiter=_uploads))


@router.head("/{digest}/{name}", responses={404: {"description": "It was not."}})
def has_content(
    digest: Annotated[str, Path(description="The hash of its tree.")],
    name: Annotated[str, Path(description="The name that the folder or file had.")],
    plane: Plane,
) -> Response:
    """Whether this content was uploaded before."""
    return Response(status_code=200 if plane.has_content(f"content://{digest}/{name}") else 404)
