"""Registering Kioku with editors and agents: which files, which entries, and a person's text left as it is."""
