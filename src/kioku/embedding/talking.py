"""What the helper and the worker say to each other: a line of JSON for each question, and one for each answer."""

from typing import Final

import msgspec

LONGEST: Final = 8 << 20  # bytes of an answer


class Question(msgspec.Struct):
    """Texts of which the vectors are wanted."""

    id: int
    texts: list[str]


class Answer(msgspec.Struct, omit_defaults=True):
    """The vectors, as bytes of signed numbers; an empty one for a text of which the model makes nothing.

    The first answer, of id 0, comes unasked: who the model is, or with `failed` why there is none.
    """

    id: int
    vectors: list[bytes] = []
    fingerprint: str = ""
    dimensions: int = 0
    failed: str = ""
