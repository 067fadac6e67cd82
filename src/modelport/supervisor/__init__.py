"""The parent of control, scoring processes and workers: standard library only, and no decision about endpoints."""
