"""What a stored discovery counts as, by whose store it is in."""

from kioku.store.discoveries import ACCEPTED, PROPOSED, Row


def believed(row: Row, *, registered: bool) -> Row:
    """Return a row as it counts: in a store that the person has not adopted, the repository's, and proposed at most."""
    import msgspec

    if registered:
        return row
    state = PROPOSED if row.state == ACCEPTED else row.state
    return msgspec.structs.replace(row, provenance="repository", state=state)
