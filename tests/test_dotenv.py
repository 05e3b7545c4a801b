"""Which values of a project's `.env` files are hidden wherever they occur, and which are ordinary words."""

import os
from pathlib import Path

import pytest

from kioku import dotenv

VALUE = "q7Xw" + "29LkZp0"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("A=b", ("A", "b")),
        ("  export A = b ", ("A", "b")),
        ("A='b # c'", ("A", "b # c")),
        ('A="b" # c', ("A", "b")),
        ("A=b # c", ("A", "b")),
        ("A=b#c", ("A", "b#c")),
        ('A="open', ("A", "open")),
        ("A=", ("A", "")),
        ("# A=b", ("", "")),
        ("no assignment", ("", "")),
        ("", ("", "")),
    ],
)
def test_a_line_is_read_as_shells_and_frameworks_read_it(line: str, expected: tuple[str, str]) -> None:
    assert dotenv.parse(line) == expected


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("DB_PASSWORD", "correct-horse", True),
        ("API_TOKEN", "abcdef", True),
        ("SESSION_SALT", VALUE, True),
        ("ANYTHING", "f3" * 4 + "kq9z0m", True),
        ("DATABASE_URL", "postgres://app:hunter2@db/x", True),
        ("DATABASE_URL", "postgres://db.internal:5432/x", False),
        ("API_KEY", "short", False),
        ("SECRET_NAME", "${OTHER}", False),
        ("APP_KEY", "required", False),
        ("PASSWORD", "aaaaaaaa", False),
        ("NODE_ENV", "production", False),
        ("PORT", "3000", False),
        ("GREETING", "good morning to all 12345", False),
        ("CACHE", "/var/cache/app1234", False),
        ("VERSION", "20260302100000", False),
    ],
)
def test_a_value_is_secret_by_its_name_or_when_nobody_would_write_it_elsewhere(
    name: str, value: str, is_secret: bool
) -> None:
    assert dotenv.is_secret(name, value) is is_secret


def test_every_env_file_counts_but_the_examples(tmp_path: Path) -> None:
    files = (".env", ".env.local", ".env.production", ".envrc", ".env.example", ".env.sample", ".environment", "my.env")
    for number, name in enumerate(files):
        (tmp_path / name).write_text(f"TOKEN={VALUE}{number}\n")
    assert set(dotenv.values(str(tmp_path))) == {f"{VALUE}{number}" for number in range(4)}


def test_longer_values_come_first_so_that_none_is_hidden_in_part(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"A_KEY={VALUE}\nB_KEY={VALUE}{VALUE}\n")
    assert dotenv.values(str(tmp_path)) == (VALUE * 2, VALUE)


@pytest.mark.parametrize("kind", ["folder", "fifo", "link", "huge", "binary", "nothing"])
def test_what_is_no_settings_file_is_passed_over_at_once(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "project" / ".env"
    file.parent.mkdir()
    if kind == "folder":
        file.mkdir()
    elif kind == "fifo":
        os.mkfifo(file)
    elif kind == "link":
        (tmp_path / "elsewhere").write_text(f"TOKEN={VALUE}\n")
        file.symlink_to(tmp_path / "elsewhere")
    elif kind == "huge":
        with file.open("wb") as stream:
            stream.truncate(10 << 30)
    elif kind == "binary":
        file.write_bytes(bytes(range(256)))
    assert dotenv.values(str(file.parent)) == ()
