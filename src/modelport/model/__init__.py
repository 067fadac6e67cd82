"""The model on disk: where it lies (``location``) and what its MLmodel file says (``mlmodel``). Loads nothing."""
