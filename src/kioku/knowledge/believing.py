"""What a stored discovery counts as, by whose store it is in, and which is told first."""

from kioku.store.discoveries import ACCEPTED, PROPOSED, Row


def believed(row: Row, *, registered: bool) -> Row:
    """Return a row as it counts: in a store that the person has not adopted, the repository's, and proposed at most."""
    import msgspec

    if registered:
        return row
    state = PROPOSED if row.state == ACCEPTED else row.state
    return msgspec.structs.replace(row, provenance="repository", state=state)


def surest_first(row: Row) -> tuple[bool, float, int, str]:
    """Order discoveries: what is accepted, then the surest, then the latest."""
    return row.state != ACCEPTED, -(row.confidence or 0), -row.created_at, row.id
