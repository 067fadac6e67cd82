"""A model's requirements, changed as ``mlflow.models.update_model_requirements`` does it."""


def update_model_requirements(model_uri: str, operation: str, requirement_list: list[str]) -> None:
    """Add to a model's requirements, or remove some: ``operation`` is "add" or "remove".

    One that is added takes the place of others for the same distribution; to remove, names are enough. Comments and order
    stay, and each file changes whole or not at all.

    Raises:
        NotFound: there is no model.
        InvalidInput: a requirement is none.
    """
    from modelport.model.updating_requirements import update  # 20 ms, for who changes them

    update(str(model_uri), operation, requirement_list)
