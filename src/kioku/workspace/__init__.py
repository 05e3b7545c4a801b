"""What the tools may see and run in a project: its files, its text, its git history, its imports.

Nothing in here knows of sessions, the store or the protocol. The repository is taken to be hostile.
"""
