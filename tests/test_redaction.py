"""The one door for text: secrets are made here at run time, so that this file holds none."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioku.redaction import Redacted, redact
from kioku.redaction_rules import RULES

LETTERS = string.ascii_letters + string.digits


def token(length: int, alphabet: str = LETTERS) -> str:
    return (
        (alphabet * (length // len(alphabet) + 1))[7 : length + 7]
        if length + 7 <= len(alphabet)
        else (alphabet * 9)[:length]
    )


SECRETS = {
    "private-key": "-----BEGIN " + "RSA PRIVATE KEY-----\n" + token(200) + "\n-----END " + "RSA PRIVATE KEY-----",
    "url-credentials": token(16),
    "authorization": token(30),
    "anthropic-key": "sk-" + "ant-" + token(40),
    "openai-key": "sk-" + "proj-" + token(40),
    "github-token": "gh" + "p_" + token(36),
    "gitlab-token": "gl" + "pat-" + token(20),
    "slack-token": "xo" + "xb-" + token(24),
    "aws-key": "AK" + "IA" + token(16, string.ascii_uppercase + string.digits),
    "google-key": "AI" + "za" + token(35),
    "stripe-key": "sk_" + "live_" + token(24),
    "npm-token": "np" + "m_" + token(36),
    "huggingface-token": "h" + "f_" + token(34),
    "jwt": "ey" + "J" + token(20) + ".ey" + "J" + token(20) + "." + token(30),
    "named-secret": token(24),
}
AROUND = {
    "url-credentials": "git clone https://user:{}@example.com/x.git",
    "authorization": "curl -H 'Authorization: Bearer {}' https://example.com",
    "named-secret": "DATABASE_PASSWORD={}",
}


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("frame", ["{}", "prose about {} and more", "path/{}/file.txt", "'{}'", "x\n{}\ny"])
def test_a_secret_of_each_kind_is_replaced(kind: str, frame: str) -> None:
    text = frame.format(AROUND.get(kind, "{}").format(SECRETS[kind]))
    result = redact(text)
    assert SECRETS[kind] not in result
    assert "[REDACTED:" in result


@pytest.mark.parametrize(
    "text",
    [
        "def token(self) -> str: return self._token", "password = getpass()", "src/auth/tokens/password_reset.py",
        "api_key: str | None = None", "for key in secrets: print(key)", "https://example.com/a/b?page=2",
        "git@github.com:user/repo.git", "key=value", "the secret is in the sauce", "sk-learn is a library",
    ],
)  # fmt: skip
def test_ordinary_code_and_prose_survive_unharmed(text: str) -> None:
    assert redact(text) == text


@given(st.text())
def test_any_text_is_taken_and_taking_it_twice_changes_nothing(text: str) -> None:
    once = redact(text)
    assert type(once) is Redacted
    assert redact(str(once)) == once
    once.encode("utf-8")


def test_lone_surrogates_do_not_get_through() -> None:
    assert redact("a\ud800b") == "a?b"


def test_every_rules_pattern_can_only_match_where_one_of_its_literals_occurs() -> None:
    for kind, secret in SECRETS.items():
        sample = AROUND.get(kind, "{}").format(secret)
        rules = [rule for rule in RULES if rule.kind == kind]
        found = [literal in (sample.lower() if rule.folded else sample) for rule in rules for literal in rule.literals]
        assert any(found), kind
