"""Checks of everything that can go wrong, each with why it matters and how to mend it."""
