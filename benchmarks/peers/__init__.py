"""The little code some peers ask their users to write before they can serve a model."""
