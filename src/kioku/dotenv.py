"""The values of a project's `.env` files: secrets that no pattern knows.

A value counts as secret when its name says so, or when it looks like nothing a person would write elsewhere: no words,
numbers, path or plain address. A stock password such as `postgres` is none: it would be hidden in half of the code.
Standard library only, and little of it: the hook reads this with every event.
"""

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN_ENDINGS = (".example", ".sample", ".template", ".dist", ".defaults")
_MOST_FILES = 20
_LARGEST = 65_536
_SHORTEST_NAMED = 6
_SHORTEST = 12
_LONGEST_WORD = 14

# Words of a name that say that the value is a secret: as a word of its own, or as a word's end ("PGPASSWORD").
_SECRET_WORDS = frozenset("KEY AUTH DSN PRIVATE SALT PEPPER PASS PWD CREDS CREDENTIAL SAS JWT".split())
_SECRET_ENDINGS = (
    "SECRET", "TOKEN", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "APIKEY", "ACCESSKEY", "PRIVATEKEY",
    "AUTHKEY", "ENCRYPTIONKEY", "SIGNINGKEY", "MASTERKEY",
)  # fmt: skip
# Last words of a name that say that the value only tells something about a secret: `TOKEN_URL`, `AUTH_PROVIDER`.
_ABOUT = frozenset(
    "URL URI HOST HOSTNAME PORT PATH FILE FILENAME DIR NAME ID TYPE PROVIDER ISSUER AUDIENCE ALGORITHM ALG METHOD MODE"
    " BACKEND DRIVER STRATEGY DOMAIN REALM SCOPE SCOPES USER USERNAME EMAIL REGION VERSION PREFIX HEADER TTL TIMEOUT"
    " EXPIRY EXPIRES EXPIRATION LENGTH SIZE ROUNDS ENABLED REQUIRED".split()
)
_STOCK = frozenset(
    "public private required optional enabled disabled default development production localhost database password"
    " passwd secret example changeme postgres postgresql mysql mariadb mongodb redis rabbitmq elastic minioadmin"
    " admin administrator undefined bearer github gitlab google".split()
)
_QUOTES = ("'", '"', "`")
_JOINTS = str.maketrans(dict.fromkeys("-_/:@\\~+", "."))


def values(root: str) -> tuple[str, ...]:
    """Return the values in `.env` and `.env.*` of a folder that are worth hiding, the longest first."""
    found: dict[str, None] = {}
    for name in _names(root):
        for variable, value in assignments(_read(os.path.join(root, name))):
            if is_secret(variable, value):
                found[value] = None
    return tuple(sorted(found, key=len, reverse=True))


def parse(line: str) -> tuple[str, str]:
    """Return the name and the value that a line sets, both empty for a line that sets none."""
    return next(assignments(line), ("", ""))


def assignments(text: str) -> "Iterator[tuple[str, str]]":
    """Yield the names and values that a text sets; of a value in several lines, each line that is no text.

    A quotation mark that a later line closes may also be one that nobody meant: the lines between count by themselves
    too.
    """
    opened = open_quote = ""
    within: list[str] = []
    for line in text.removeprefix("\ufeff").replace("\r", "\n").split("\n"):
        if open_quote:
            part, closing, _ = line.partition(open_quote)
            within.append(part.strip())
            if closing:
                yield from ((opened, part) for part in within if " " not in part)
                open_quote = ""
        name, equals, told = line.partition("=")
        words = name.split()
        if not equals or not words or words[0].startswith("#"):
            continue
        if (quote := told.lstrip()[:1]) in _QUOTES:
            told = told.lstrip()[1:]
            end = _end(told, quote)
            if end < 0 and not open_quote:
                opened, open_quote, within = words[-1], quote, []
            told = told[:end] if end >= 0 else told.rstrip()
            if quote != "'":
                told = told.replace(f"\\{quote}", quote).replace("\\\\", "\\")
        else:
            told = told.replace("\t", " ").partition(" #")[0].strip()
        yield words[-1], told if quote == "'" else _default(told)
        if quote == '"' and "\\n" in told:
            yield from ((words[-1], part) for part in told.split("\\n") if " " not in part)


def _end(text: str, quote: str) -> int:
    """Return where a quotation mark ends a value, one after a backslash only if no other does; -1 for nowhere."""
    end = text.find(quote)
    while end > 0 and text[end - 1] == "\\":
        end = text.find(quote, end + 1)
    return end if end >= 0 else text.find(quote)


def _default(value: str) -> str:
    """Return a value, of a look-up (`$NAME`, `${NAME:-default}`, `$(command)`) only the default."""
    if value[:1] != "$" or not (value[1:2].isalpha() or value[1:2] in ("_", "{", "(")):
        return value
    _, dash, default = value.partition("-") if value[1] == "{" else ("", "", "")
    return default.rstrip("}") if dash else ""


def is_secret(name: str, value: str) -> bool:
    """Tell whether a value is worth hiding wherever it occurs."""
    if value.startswith(("${", "$(")) or len(set(value)) < 4:
        return False
    if "://" in value:
        return "@" in value.partition("://")[2]  # an address is secret for its credentials only
    if _is_telling(name):
        is_path = value.startswith(("/", "./", "../", "~/")) and _is_plain(value)
        return len(value) >= _SHORTEST_NAMED and value.lower() not in _STOCK and not is_path
    letters = sum(c.isalpha() for c in value)
    digits = sum(c.isdigit() for c in value)
    is_long = len(value) >= _SHORTEST and " " not in value and letters >= 4 and digits >= 2
    return is_long and "/" not in value[:2] and "\\" not in value and not _is_plain(value)


def _is_telling(name: str) -> bool:
    """Tell whether a name says that its value is a secret."""
    spaced = "".join(
        f"_{c}" if c.isupper() and before.islower() else c for before, c in zip(f" {name}", name, strict=False)
    )
    words = spaced.upper().replace("-", "_").replace(".", "_").split("_")
    words = [word.rstrip("0123456789") for word in words]
    return words[-1] not in _ABOUT and any(
        word in _SECRET_WORDS
        or word.removesuffix("S") in _SECRET_WORDS
        or word.removesuffix("S").endswith(_SECRET_ENDINGS)
        for word in words
    )


def _is_plain(value: str) -> bool:
    """Tell whether a value is made of words and numbers, as versions, hosts, images and models are."""
    return all(_is_word(part) for part in value.translate(_JOINTS).split("."))


def _is_word(part: str) -> bool:
    word = part.rstrip("0123456789")
    if not word:
        return True
    is_one_case = word[1:] == word[1:].lower() or (word.isupper() and len(word) <= 5)
    return word.isalpha() and is_one_case and len(word) <= _LONGEST_WORD and len(part) - len(word) <= 3


def _names(root: str) -> list[str]:
    try:
        with os.scandir(root) as entries:
            found = [entry.name for entry in entries if entry.name.startswith(".env")]
    except OSError:
        return []
    wanted = [name for name in found if name in (".env", ".envrc") or name.startswith(".env.")]
    return sorted(name for name in wanted if not name.endswith(_PLAIN_ENDINGS))[:_MOST_FILES]


def _read(path: str) -> str:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        data = os.read(descriptor, _LARGEST)
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
