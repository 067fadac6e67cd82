"""Packages are made here: a model, the wheels of its environment and what vouches for them, in one file."""
