"""Signatures, spelled as in ``mlflow.models.signature``."""

from modelport_runtime.schema import Signature as ModelSignature
from modelport_runtime.signature_inference import infer_signature

__all__ = ["ModelSignature", "infer_signature"]
