"""The data plane: HTTP in, pool, HTTP out."""
