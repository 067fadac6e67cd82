"""Open Inference Protocol (v2): request bytes → data, prediction → response bytes; JSON, and the binary tensor extension.

A tensor says its datatype; the signature says what it becomes: after ``casting`` the same rows are the same data here as
in any other form. ``enforcement`` comes after this, as everywhere.
"""

from modelport_runtime.payload.open_inference.request import InferRequest, read
from modelport_runtime.payload.open_inference.response import write

__all__ = ["InferRequest", "read", "write"]
