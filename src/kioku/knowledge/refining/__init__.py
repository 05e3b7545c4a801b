"""Letting a model look at a session: off by default, only redacted text, nothing believed without a quote."""
