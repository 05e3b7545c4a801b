"""Which discoveries say the same, and which are not to be taken for each other."""

import pytest

from kioku.knowledge.extraction.alike import says_the_same

SAME = [
    ("We use Redis for caching.", "We use Redis for caching"),
    ("Always run the tests before pushing.", "always run tests before you push"),
    ("The parser lives in the core module.", "Parser lives in the core module."),
    ("Never log the token in the auth module.", "Never log tokens in the auth module."),
]
DIFFERENT = [
    ("Use pnpm instead of npm in this repository.", "Use npm instead of pnpm in this repository."),
    ("Indent with tabs, not spaces, in every file.", "Indent with spaces, not tabs, in every file."),
    ("Sessions time out after 30 minutes of silence.", "Sessions time out after 15 minutes of silence."),
    ("Use Redis for caching all of the search results.", "Use Memcached for caching all of the search results."),
    ("Always run the tests before pushing.", "Never run the tests before pushing."),
    ("The server listens on port 8080 by default.", "The server listens on port 8081 by default."),
    ("Prefer composition over inheritance in models.", "Prefer inheritance over composition in models."),
    ("The retry limit of uploads is 3 attempts.", "The retry limit of uploads is 5 attempts."),
    ("Migrations run before the workers start.", "Migrations run before the workers stop."),
    ("We decided to keep Postgres for storing events.", "We decided to keep SQLite for storing events."),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_differs_in_form_alone_is_the_same(one: str, other: str) -> None:
    assert says_the_same(one, other)
    assert says_the_same(other, one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_says_something_else_in_nearly_the_same_words_is_not(one: str, other: str) -> None:
    assert not says_the_same(one, other)
    assert not says_the_same(other, one)
