"""Data and parameters held against a signature, vectorised."""
