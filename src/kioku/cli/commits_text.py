"""The commits of a session, for people."""

from kioku import times
from kioku.cli.output import print_table
from kioku.reports.commits import Commit


def show(found: list[Commit]) -> None:
    """Print them, each with the active time that went into it."""
    print("\nCommits")
    rows = [
        (commit.short, times.local_text(commit.at), times.duration_text(commit.active_ms), commit.subject)
        for commit in found
    ]
    print_table(("commit", "made", "active", "subject"), rows, right=("active",))
