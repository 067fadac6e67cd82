"""Why an environment could not be had, or a model not be loaded in one: one cause, one way out (docs/environment-errors.md)."""

from modelport.environments.failures.cause import room_on
from modelport.environments.failures.loading import explaining, of_loading
from modelport.environments.failures.packages import of_installing, of_resolving

__all__ = ["explaining", "of_installing", "of_loading", "of_resolving", "room_on"]
