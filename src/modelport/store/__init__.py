"""What control remembers: rows in SQLite or PostgreSQL, the content of models in a folder. Nobody else knows SQL."""
