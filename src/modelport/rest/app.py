"""``create_app``: the FastAPI application, put together."""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

import modelport_runtime
from modelport.errors import ModelportError
from modelport.rest import contents, environments, errors, models, online_deployments, online_endpoints, seeing, users
from modelport.rest.guard import Guard, PlaneOf

PREFIX = "/api/v1"
_DESCRIPTION = """\
Models, endpoints and their deployments. Every request but `GET /ping` needs `Authorization: Bearer KEY`.
What takes long goes on in the background: the answer is 202, and `provisioning_state` tells what becomes of it.
"""
_TAGS = [
    {"name": "contents", "description": "Folders and files as they are uploaded, kept by their hash."},
    {"name": "models", "description": "Registered models: a name, versions that never change."},
    {"name": "environments", "description": "Registered environments."},
    {"name": "online endpoints", "description": "Addresses with credentials, and shares of the requests."},
    {"name": "online deployments", "description": "Models that answer under an endpoint."},
    {"name": "users", "description": "Who has a key, and what it is good for."},
    {"name": "seeing", "description": "What was, and how the server is."},
]


def create_app(plane_of: PlaneOf, public_url: str | None = None) -> FastAPI:
    """``plane_of`` tells whose plane a bearer key opens; it is asked before anything else, in a thread. ``public_url`` is
    where clients find it, if not where they find its document.
    """
    app = FastAPI(
        title="Modelport",
        version=modelport_runtime.__version__,
        description=_DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        openapi_tags=_TAGS,
        servers=[{"url": public_url}] if public_url else None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        responses={"default": {"model": errors.ErrorBody, "description": "Refused, or failed."}},
    )
    for resource in (contents, models, environments, online_endpoints, online_deployments, users, seeing):
        app.include_router(resource.router, prefix=PREFIX)
    app.include_router(seeing.outside)
    app.add_middleware(Guard, plane_of=plane_of)
    app.add_exception_handler(ModelportError, errors.modelport_error)
    app.add_exception_handler(RequestValidationError, errors.validation_error)
    app.add_exception_handler(HTTPException, errors.http_exception)
    return app
