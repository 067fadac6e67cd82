"""Revisions of the schema: one file each in ``versions``, which is never changed once it was released."""
