"""The preflight of a model: everything that would fail or surprise where it is served, found before it is."""
