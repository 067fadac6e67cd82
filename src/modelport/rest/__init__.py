"""HTTP over ``ControlPlane``: each route parses, makes one call and formats. ``app.create_app`` puts them together."""
