"""Redacting names of which many rows share a few."""

from collections.abc import Iterable

from kioku.redaction import Redacted, redact


class Redactor:
    """Redacts names, each once: hundreds of thousands of lines share a few."""

    def __init__(self) -> None:
        self._known: dict[str, Redacted] = {}

    def __call__(self, text: str) -> Redacted:
        """Return a text without secrets."""
        known = self._known.get(text)
        if known is None:
            if len(self._known) > 10_000:
                self._known.clear()
            known = self._known[text] = redact(text)
        return known

    def maybe(self, text: str | None) -> Redacted | None:
        """Return a text without secrets, if there is one."""
        return None if text is None else self(text)

    def all(self, texts: Iterable[str]) -> list[str]:
        """Return texts without secrets."""
        return [self(text) for text in texts]
