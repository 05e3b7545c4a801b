"""The one door through which text enters anything that Kioku keeps.

The store's writers, logs and exports accept only `Redacted` text, and `redact` is the only way to get some: secrets
are replaced by `[REDACTED:kind]` first. Each rule names literals; its pattern is compiled and tried only when one of
them occurs, so ordinary text costs a few substring searches.
"""

from collections import namedtuple
from collections.abc import Callable

from kioku.redaction_rules import KEYS, RULES, Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Redacted(str):
    """Text from which the known kinds of secrets have been removed.

    `redact` makes it; elsewhere only what `redact` made before is declared so: what comes back out of the store.
    """

    __slots__ = ()


class UnredactedError(AssertionError):
    """A writer was given text that did not come through `redact`: a defect of ours."""


# What is hidden wherever it occurs (`values`), and what never is (`allow`): texts that must match exactly. With
# `keeps_lines` a mark is followed by the line ends that it stands for. No class of `typing`'s, whose import costs the
# hook more than its whole work.
Secrets = namedtuple("Secrets", ("values", "allow", "keeps_lines"), defaults=((), (), False))  # noqa: PYI024


# What this process knows of the projects it works for. It may only grow more careful than one project asks for: text of
# one can quote another's secrets, and too much hidden is the lesser evil.
_secrets = Secrets()


def use(secrets: Secrets) -> None:
    """Make a project's own secrets, and the texts that the person allows, known to `redact` in this process."""
    global _secrets
    _secrets = secrets


# --- what only looks like a secret ------------------------------------------------------------------------------------

_PLACEHOLDERS = (
    "example", "placeholder", "your", "changeme", "change-me", "change_me", "xxxx", "redacted", "dummy", "insert",
    "****", "....", "sample", "todo", "fixme", "replace", "secret-here", "goes-here", "foobar", "notreal", "not-real",
)  # fmt: skip
_WORDS = frozenset(
    "null none true false undefined string number boolean object bytes secret password passwd token optional required"
    " required, disabled enabled default unknown hidden keyboard username undefined, integer float varchar text".split()
)


_LONGEST_WORD = 16


def is_no_placeholder(value: str) -> bool:
    """Tell whether a value is more than a stand-in for one."""
    folded = value.lower()
    return (
        folded.rstrip(",.;") not in _WORDS and not any(word in folded for word in _PLACEHOLDERS) and len(set(value)) > 3
    )


def is_random(value: str) -> bool:
    """Tell whether a value is no words with hyphens: it has digits, or letters of both cases."""
    return is_no_placeholder(value) and (any(c.isdigit() for c in value) or value.lower() != value != value.upper())


def is_secret(value: str) -> bool:
    """Tell whether a value looks random: letters and digits, or letters of both cases, and no name."""
    if not is_no_placeholder(value) or _is_name(value):
        return False
    kinds = (any(c.isdigit() for c in value), any(c.islower() for c in value), any(c.isupper() for c in value))
    return sum(kinds) >= 2


def is_flag_value(value: str) -> bool:
    """Tell whether what follows a flag for a secret is one: another flag, a path or a variable is none."""
    return not value.startswith(("-", "/", "%", "@", "~")) and is_no_placeholder(value) and not value.isdigit()


def is_cookie(value: str) -> bool:
    """Tell whether one of the cookies is long enough to let somebody in."""
    values = [pair.partition("=")[2] for pair in value.split(";")]
    return any(len(one) >= 8 and is_no_placeholder(one) for one in values)


def is_assigned(match: "Any") -> bool:
    """Tell whether what is assigned to a name of a secret is one, and no look-up, call, type, number or text."""
    name, quoted, plain = match["name"], match["quoted"] or match["passed"], match["plain"]
    value = quoted or plain
    if not is_no_placeholder(value) or value.startswith(
        ("$", "%", "{", "<", "*", "@", "./", "#", "!", "--", "\\", "&lt;")
    ):
        return False
    if (value[0] == "/" and _is_word(value[1:].partition("/")[0])) or _is_date(value):
        return False
    folded = name.lower()
    if value.lstrip("-").replace(".", "").replace("_", "").replace(",", "").isdigit():
        return False  # a number: `max_tokens = 4096`
    if quoted is None and value.lower().endswith(folded):
        return False  # `api_key=self.api_key`
    if "://" in value and _is_name(value.partition("://")[2]):
        return False  # an address; what is secret in one has rules of its own
    has_digits = any(c.isdigit() for c in value)
    is_password = "passw" in folded or folded in ("pwd", "passphrase")
    if quoted is not None:
        if " " in value:
            return False  # a text for people
        if is_password and len(value) >= 8 and not _is_name(value):
            return True
        return len(value) >= 8 and (has_digits or _is_mixed(value)) and not _is_name(value)
    if match["after"] or len(value) < 8 or "?." in value:
        return False  # a call, a look-up, or too short without quotes
    if match["sign"].endswith(("is", "was", ":")) and match["sign"][:1].isspace():
        return has_digits and is_secret(value)  # prose
    if _is_name(value):
        # A bare name is a variable, except in a file of settings: `DB_PASSWORD=correcthorse`.
        return is_password and name.isupper() and match["sign"] == "=" and value.isalnum() and "= " not in match.group()
    return has_digits or _is_mixed(value)


def _is_date(value: str) -> bool:
    """Tell whether a value begins as dates do: `2026-03-02`."""
    return value[:4].isdigit() and value[4:5] == value[7:8] == "-" and value[5:7].isdigit()


def _is_mixed(value: str) -> bool:
    """Tell whether a value has letters of both cases amid each other, or signs that no name has."""
    signs = sum(not c.isalnum() and c not in "._-/:" for c in value)
    return signs > 0 or (any(c.islower() for c in value[1:]) and sum(c.isupper() for c in value[1:]) > 2)


def _is_name(value: str) -> bool:
    """Tell whether a value is what a program names things by: words, joined by dots, hyphens or underscores."""
    bare = value.rstrip("?!.:*")
    parts = bare.replace("::", ".").replace("->", ".").replace("-", ".").replace("_", ".").replace("/", ".").split(".")
    return all(not part or _is_word(part) for part in parts)


def _is_word(part: str) -> bool:
    """Tell whether a part of a name is a word: letters, maybe in camel case, and at most two digits at its end."""
    letters = part.rstrip("0123456789")
    if len(part) - len(letters) > 2 or (letters and not letters.isalpha()) or len(letters) > 40:
        return False
    words = "".join(f" {c}" if c.isupper() else c for c in letters).split()
    if letters.isupper():
        return len(letters) <= _LONGEST_WORD
    # In camel case a capital begins a word; where many stand alone, nobody wrote words.
    return all(len(word) <= _LONGEST_WORD for word in words) and sum(len(word) == 1 for word in words) <= 2


_CHECKS: dict[str, Callable[[str], bool]] = {
    "is_no_placeholder": is_no_placeholder,
    "is_random": is_random,
    "is_secret": is_secret,
    "is_cookie": is_cookie,
    "is_flag_value": is_flag_value,
}

# --- putting marks in their place -------------------------------------------------------------------------------------

_compiled: dict[Rule, Callable[[str], str]] = {}


def _replacer(rule: Rule) -> Callable[[str], str]:
    """Compile one rule, once."""
    replace = _compiled.get(rule)
    if replace is None:
        import re

        pattern = re.compile(rule.pattern, re.IGNORECASE if rule.folded else 0)
        mark = f"[REDACTED:{rule.kind}]"
        check = None if rule.check is None else _CHECKS.get(rule.check)
        groups = [name for name in ("secret", "quoted", "passed", "plain") if name in pattern.groupindex]

        def one(match: "Any") -> str:
            group = next((name for name in groups if match[name] is not None), 0)
            secret = match[group]
            if secret in _secrets.allow or ("[REDACTED:" in secret and check is not is_cookie):
                return match.group()  # type: ignore[no-any-return]
            if not (check(secret) if check is not None else rule.check is None or is_assigned(match)):
                return match.group()  # type: ignore[no-any-return]
            whole, start = match.group(), match.start()
            lines = "\n" * secret.count("\n") if _secrets.keeps_lines else ""
            return f"{whole[: match.start(group) - start]}{mark}{lines}{whole[match.end(group) - start :]}"

        find = _names_in if rule.check == "is_assigned" else _starts_in

        def replace(text: str) -> str:
            where = text.lower() if rule.folded else text
            if rule.begins and len(where) == len(text):
                return _sub_at(find(where, rule.literals), pattern, one, text)
            replaced: str = pattern.sub(one, text)
            return replaced

        _compiled[rule] = replace
    return replace


def _starts_in(text: str, literals: tuple[str, ...]) -> list[int]:
    """Return where literals are: several times as fast as letting a pattern look for them."""
    found = []
    for literal in literals:
        position = text.find(literal)
        while position >= 0:
            found.append(position)
            position = text.find(literal, position + 1)
    found.sort()
    return found


# What a value can follow a name by; see the pattern of "named-secret".
_SIGNS = ("=", ":", "',", '",', " is ", " was ", "%3")


def _names_in(folded: str, literals: tuple[str, ...]) -> list[int]:
    """Return where names of secrets are that something may be assigned to."""
    found = []
    for position in _starts_in(folded, literals):
        window = folded[position : position + 64]
        if any(sign in window for sign in _SIGNS) and (
            not window.startswith("key") or folded[max(0, position - 12) : position].rstrip("_-").endswith(KEYS)
        ):
            found.append(position)
    return found


def _sub_at(positions: list[int], pattern: "Any", one: "Callable[[Any], str]", text: str) -> str:
    """Replace the matches of a pattern that begin at given positions."""
    parts: list[str] = []
    end = 0
    for position in positions:
        match = pattern.match(text, position) if position >= end else None
        if match is not None:
            parts += text[end : match.start()], one(match)
            end = match.end()
    return "".join((*parts, text[end:])) if parts else text


def _without_values(text: str) -> str:
    """Replace the exact values of the project's `.env`, as they are and as JSON or a URL would write them."""
    for value in _secrets.values:
        if value in _secrets.allow:
            continue
        forms = {value}
        if not value.isalnum():
            forms.add(value.replace("\\", "\\\\").replace('"', '\\"'))
            forms.add(
                "".join(c if c.isalnum() or c in "-._~" else "".join(f"%{b:02X}" for b in c.encode()) for c in value)
            )
        for form in forms:
            if form in text:
                text = text.replace(form, "[REDACTED:env]")
    return text


def redact(text: str) -> Redacted:
    """Return the text with every known kind of secret replaced by `[REDACTED:kind]`.

    Lone surrogates, which no database or terminal takes, become `?`.
    """
    if type(text) is Redacted:
        return text
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    if len(text) >= 6:  # nothing shorter is a secret
        if _secrets.values:
            text = _without_values(text)
        folded = text.lower()
        for rule in RULES:
            where = folded if rule.folded else text
            for literal in rule.literals:
                if literal in where:
                    text = _replacer(rule)(text)
                    break
    return Redacted(text)
