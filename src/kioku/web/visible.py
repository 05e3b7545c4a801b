"""Stored text on a page: whatever it is, it stays where it stands."""


def visible(text: object) -> str:
    """Return stored text so that nothing in it hides or turns round what stands beside it."""
    found = str(text)
    if found.isprintable():
        return found
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in found)
