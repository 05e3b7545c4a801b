"""Read-only questions to the store: SQL in, typed rows out, each with its rule in the docstring."""
