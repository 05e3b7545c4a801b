"""`kioku config redact-test`: a person sees what would be hidden, line by line, before anything is recorded."""

import json
import os
import string
import subprocess
from pathlib import Path

import pytest

from tests.support import kioku

GITHUB = "gh" + "p_" + "a1B2" * 9
AWS = "AK" + "IA" + string.ascii_uppercase[:16]
KEY = [
    "-----BEGIN RSA " + "PRIVATE KEY-----",
    *("MIIEpAIBAAKCAQEA" * 3 for _ in range(4)),
    "-----END RSA " + "PRIVATE KEY-----",
]


def found(result: "subprocess.CompletedProcess[str]") -> list[tuple[int, list[str]]]:
    assert result.returncode == 0, result.stderr
    return [(line["number"], line["kinds"]) for line in json.loads(result.stdout)["lines"]]


def test_each_line_with_a_secret_is_shown_by_number_and_kind_and_without_the_secret(project: Path) -> None:
    text = ["plain", *KEY, "between", f"token = '{GITHUB}' and {AWS}", "[REDACTED:env] was hidden before"]
    (project / "log.txt").write_text("\n".join(text))
    result = kioku("config", "redact-test", "log.txt", cwd=project)
    shown = [line.split("\t") for line in result.stdout.splitlines()]
    assert shown == [
        ["2", "private-key", "[REDACTED:private-key]"],
        ["9", "github-token, aws-key", "token = '[REDACTED:github-token]' and [REDACTED:aws-key]"],
    ]
    assert "3 secrets in 2 lines would be hidden" in result.stderr
    for secret in (GITHUB, AWS, KEY[1]):
        assert secret not in result.stdout + result.stderr


def test_the_projects_env_file_and_the_persons_allow_list_count(project: Path, home: Path) -> None:
    value = "correct-horse-9-battery"
    (project / ".env").write_text(f"DB_PASSWORD={value}\n")
    (project / "log.txt").write_text(f"it is {value}\nand {AWS}\n")
    assert found(kioku("config", "redact-test", "log.txt", "--json", cwd=project)) == [(1, ["env"]), (2, ["aws-key"])]
    settings = home / ".config" / "kioku" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'[redaction]\nallow = ["{AWS}"]\n')
    assert found(kioku("config", "redact-test", "log.txt", "--json", cwd=project)) == [(1, ["env"])]


def test_standard_input_is_tried_outside_of_any_project_too(home: Path) -> None:
    done = kioku("config", "redact-test", "-", "--json", cwd=home, input=f"a\nb {GITHUB}\n")
    assert found(done) == [(2, ["github-token"])]
    assert not (home / ".context").exists()


def test_text_without_secrets_says_so(project: Path) -> None:
    (project / "a.py").write_text("token = get_token(user)\nPASSWORD = os.environ['PASSWORD']\n\xff\n", "latin-1")
    result = kioku("config", "redact-test", "a.py", cwd=project)
    assert (result.returncode, result.stdout) == (0, "")
    assert "nothing would be hidden" in result.stderr


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "No such file"),
        ("folder", "no regular file"),
        ("pipe", "no regular file"),
        ("large", "larger than 50 MB"),
    ],
)
def test_what_cannot_be_tried_is_named(project: Path, kind: str, said: str) -> None:
    file = project / kind
    if kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "large":
        with file.open("wb") as stream:
            stream.truncate((50 << 20) + 1)
    result = kioku("config", "redact-test", kind, cwd=project)
    assert result.returncode == 2
    assert kind in result.stderr
    assert said in result.stderr
