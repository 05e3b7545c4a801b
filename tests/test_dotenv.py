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


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"PASSWORD='${VALUE}'", f"${VALUE}"),  # nothing is looked up between single quotes
        (f"PASSWORD='$2b$10${VALUE}'", f"$2b$10${VALUE}"),
        (f"API_KEY={VALUE}\t# since March", VALUE),
        (f'API_KEY="{VALUE}"\t# since March', VALUE),
        (f"API_KEY={VALUE}\r", VALUE),
        (f"\ufeffAPI_KEY={VALUE}", VALUE),
        (f"export\tAPI_KEY={VALUE}", VALUE),
        (f"API_KEY=${{OTHER:-{VALUE}}}", VALUE),
        (f'API_KEY="ab\\"{VALUE}"', VALUE),
        (f'PRIVATE_KEY="first line\n{VALUE}\nlast line"', VALUE),
        (f"PRIVATE_KEY='first line\n{VALUE}'", VALUE),
        (f'PRIVATE_KEY="first line\\n{VALUE}\\nlast line"', VALUE),
        (f'A="nobody closes this\nAPI_KEY={VALUE}', VALUE),
        (f'A="it is closed\nAPI_KEY={VALUE}\nB="somewhere else', VALUE),
        (f'API_KEY="{VALUE}\\"', VALUE),
        (f"appSecret={VALUE}", VALUE),
        (f"AWS_SECRET_ACCESS_KEY_2={VALUE}", VALUE),
        (f"PGPASSWORD={VALUE}", VALUE),
    ],
)
def test_a_secret_is_found_in_every_way_of_writing_it(tmp_path: Path, text: str, hidden: str) -> None:
    (tmp_path / ".env").write_bytes(f"{text}\nPORT=3000\n".encode())
    found = dotenv.values(str(tmp_path))
    assert any(hidden in value for value in found)
    assert all(len(value) <= len(text) and "since" not in value and "\n" not in value for value in found)


@pytest.mark.parametrize("text", ["${OTHER}", "$OTHER", '"${OTHER}"', "$(pass show db)", "${OTHER:-}", "", "''"])
def test_a_look_up_is_no_secret(tmp_path: Path, text: str) -> None:
    (tmp_path / ".env").write_text(f"DB_PASSWORD={text}\n")
    assert dotenv.values(str(tmp_path)) == ()


@pytest.mark.parametrize(
    "line",
    [
        "KEYBOARD=english", "AUTHOR=someone", "MONKEY=bananas", "TOKEN_URL=https://example.com/token",
        "AUTH_PROVIDER=keycloak", "JWT_ALGORITHM=HS256-or-better", "SSH_KEY=~/.ssh/deploy_key",
        "TOKENIZER=sentencepiece",
    ],
)  # fmt: skip
def test_a_name_that_only_contains_a_telling_word_makes_no_word_a_secret(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(line + "\n")
    assert dotenv.values(str(tmp_path)) == ()


@pytest.mark.parametrize(
    "line",
    [
        "POSTGRES_PASSWORD=postgres", "DB_PASSWORD=password", "MODEL=claude-sonnet-4-20250514",
        "IMAGE=python:3.12-slim-bookworm", "CACHE_HOST=redis01.prod.example.com:6379", "RELEASE=kioku-12.4.10-beta2",
    ],
)  # fmt: skip
def test_words_that_occur_everywhere_are_not_taken_out_of_everything(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(line + "\n")
    assert dotenv.values(str(tmp_path)) == ()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_as_windows_writes_them_are_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / ".env").write_bytes(f"API_KEY={VALUE}\r\nPORT=3000\r\n".encode(encoding))
    assert dotenv.values(str(tmp_path)) == (VALUE,)


def test_a_huge_file_is_read_in_part_and_a_line_of_it_is_found(tmp_path: Path) -> None:
    with (tmp_path / ".env").open("w") as stream:
        stream.write(f"API_KEY={VALUE}\n")
        stream.writelines(f"# {number}\n" for number in range(1_000_000))
    assert dotenv.values(str(tmp_path)) == (VALUE,)


def test_more_env_files_than_anyone_has_do_not_all_get_read(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f".env.{number:03}").write_text(f"API_KEY={VALUE}{number:03}\n")
    assert 1 <= len(dotenv.values(str(tmp_path))) < 200
