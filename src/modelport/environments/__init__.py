"""The environments of models: read from the model's files, resolved, built once, shared by all that ask for the same."""
