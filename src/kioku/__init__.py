"""Kioku records every coding session of your AI assistants and tells you truthfully what happened in it."""

__version__ = "0.2.0"
