"""Words to compare sessions by, in whatever language a person writes."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioku.sessions.topics import LONGEST, STOP_WORDS, words


def test_words_that_say_nothing_are_left_out() -> None:
    assert words(["Please can you fix the login of the parser?"]) == {"fix", "login", "parser"}
    assert words(["the and of", "123 4", "-- !"]) == frozenset()
    assert words(["I don't think it's the cache"]) == {"think", "cache"}


def test_names_are_divided_where_people_join_words() -> None:
    assert words(["src/login_form.py fails with API-TOKEN"]) == {"src", "login", "form", "py", "fails", "api", "token"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bitte die Größe der Straße prüfen", {"die", "grösse", "strasse", "prüfen"}),
        ("Исправь ошибку входа", {"исправь", "ошибку", "входа"}),
        ("हिन्दी में खोज", {"हिन्दी", "में", "खोज"}),
        ("로그인 오류", {"로그인", "오류"}),
        ("إصلاح تسجيل الدخول", {"إصلاح", "تسجيل", "الدخول"}),
        ("修正登录错误", {"修正", "正登", "登录", "录错", "错误"}),
        ("ログイン修正", {"ログ", "グイ", "イン", "ン修", "修正"}),
        ("猫", {"猫"}),
        ("login修正ok", {"login", "修正"}),
        ("แก้ไข", {"แก", "ก้", "้ไ", "ไข"}),
    ],
)
def test_other_languages_have_words_too(text: str, expected: set[str]) -> None:
    assert words([text]) == expected


def test_one_word_in_two_encodings_or_cases_is_one() -> None:
    assert words([unicodedata.normalize("NFD", "Café"), "ＣＡＦＥ́", "CAFÉ"]) == words(["café"])


def test_what_was_hidden_and_what_is_too_long_for_a_word_is_none() -> None:
    assert words(["[REDACTED:github-token] deploy", "a" * (LONGEST + 1)]) == {"deploy"}


@given(st.lists(st.text()))
def test_any_text_has_words_in_their_folded_form_and_the_order_does_not_matter(texts: list[str]) -> None:
    found = words(texts)
    assert found == words(reversed(texts)) == words([" ".join(texts)])
    assert not found & STOP_WORDS
    assert all(0 < len(word) <= LONGEST for word in found)
