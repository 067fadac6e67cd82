"""The nouns of endpoints and what may be done with them. No process, no file, no database is touched here."""
