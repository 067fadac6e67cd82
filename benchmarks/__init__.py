"""Modelport beside its peers: `python -m benchmarks.run`. Nothing here is part of the product."""
