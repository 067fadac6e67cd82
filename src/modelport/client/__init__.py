"""``Client``: every operation over HTTP, and what only a client can do: upload, wait, ask for predictions."""

from modelport.client.client import Client
from modelport.client.errors import NotReachable, ProvisioningFailed
from modelport.client.files import apply_settings, read_spec

__all__ = ["Client", "NotReachable", "ProvisioningFailed", "apply_settings", "read_spec"]
