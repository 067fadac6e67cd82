"""What can be said of a model without loading it: ``inspecting.inspect`` collects it, ``text.as_text`` shows it."""
