"""Why an environment could not be had, or a model not be loaded in one: one cause, one way out (docs/environment-errors.md).

The rooms of this package are entered when something has failed, and imported then.
"""
