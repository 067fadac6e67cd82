"""Request bytes to data and predictions to bytes: what MLflow's scoring protocol says in JSON and CSV."""
