"""A file scored: read in chunks, predicted by workers, written in order. The answer appears whole or not at all."""
