"""A file scored: read in chunks, predicted by the workers that serving has, written in order, whole or not at all."""
