"""The one door through which text enters anything that Kioku keeps.

The store's writers, logs and exports accept only `Redacted` text, and `redact` is the only way to get some: secrets
are replaced by `[REDACTED:kind]` first. Each rule names literals; its pattern is compiled and tried only when one of
them occurs, so ordinary text costs a few substring searches.
"""

from collections.abc import Callable
from typing import Any, NamedTuple


class Redacted(str):
    """Text from which the known kinds of secrets have been removed.

    `redact` makes it; elsewhere only what `redact` made before is declared so: what comes back out of the store.
    """

    __slots__ = ()


class UnredactedError(AssertionError):
    """A writer was given text that did not come through `redact`: a defect of ours."""


class Rule(NamedTuple):
    """One kind of secret: `pattern` is tried when any of `literals` occurs (case is folded if `folded`).

    A group named `secret` limits what is replaced; without one the whole match goes.
    """

    kind: str
    literals: tuple[str, ...]
    pattern: str
    folded: bool = False


_WORDS = "password|passwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential"
_NAME = rf"(?:[A-Za-z0-9_.-]*(?:{_WORDS})[A-Za-z0-9_]*)"

RULES: tuple[Rule, ...] = (
    Rule("private-key", ("PRIVATE KEY",),
         r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----(?:[\s\S]*?-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|[\s\S]*)"),
    Rule("url-credentials", ("://",), r"(?<=://)[^\s/:@'\"]{0,256}:(?P<secret>[^\s/@'\"]{1,1024})(?=@)"),
    Rule("authorization", ("authorization", "cookie"),
         r"(?:authorization|(?:set-)?cookie)['\"]?\s*[:=]\s*['\"]?(?P<secret>(?:(?:bearer|basic|token|digest)\s+)?[^\s'\",]{8,})",
         folded=True),
    Rule("bearer", ("bearer ",), r"bearer\s+(?P<secret>[A-Za-z0-9._~+/=-]{16,})", folded=True),
    Rule("anthropic-key", ("sk-ant-",), r"sk-ant-[A-Za-z0-9_-]{16,}"),
    Rule("openai-key", ("sk-",), r"(?<![A-Za-z0-9-])sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}"),
    Rule("github-token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
         r"(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{22,})"),
    Rule("gitlab-token", ("glpat-",), r"glpat-[A-Za-z0-9_-]{16,}"),
    Rule("slack-token", ("xox", "hooks.slack.com"),
         r"(?:xox[abeoprs]-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/[A-Za-z0-9/]{20,})"),
    Rule("aws-key", ("AKIA", "ASIA"), r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])"),
    Rule("google-key", ("AIza",), r"AIza[A-Za-z0-9_-]{35}"),
    Rule("stripe-key", ("sk_live_", "rk_live_", "sk_test_", "whsec_"),
         r"(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9]{16,}"),
    Rule("npm-token", ("npm_",), r"(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}"),
    Rule("pypi-token", ("pypi-",), r"pypi-AgE[A-Za-z0-9_-]{50,}"),
    Rule("huggingface-token", ("hf_",), r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,}"),
    Rule("jwt", ("eyJ",), r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    Rule("named-secret", ("password", "passwd", "secret", "token", "key", "credential"),
         rf"(?<![A-Za-z0-9]){_NAME}['\"]?\s*(?:=|:)\s*(?P<quote>['\"]?)(?P<secret>[^\s'\"$<>{{}}()\[\],;]{{8,}})(?P=quote)",
         folded=True),
)  # fmt: skip

_compiled: dict[str, Callable[[str], str]] = {}


def _replacer(rule: Rule) -> Callable[[str], str]:
    """Compile one rule, once."""
    replace = _compiled.get(rule.kind)
    if replace is None:
        import re

        pattern = re.compile(rule.pattern, re.IGNORECASE if rule.folded else 0)
        mark = f"[REDACTED:{rule.kind}]"

        def one(match: Any) -> str:
            if "secret" not in pattern.groupindex:
                return mark
            whole, start = match.group(), match.start()
            return f"{whole[: match.start('secret') - start]}{mark}{whole[match.end('secret') - start :]}"

        def replace(text: str) -> str:
            return pattern.sub(one, text)

        _compiled[rule.kind] = replace
    return replace


def redact(text: str) -> Redacted:
    """Return the text with every known kind of secret replaced by `[REDACTED:kind]`.

    Lone surrogates, which no database or terminal takes, become `?`.
    """
    if type(text) is Redacted:
        return text
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    if len(text) >= 8:  # no rule matches anything shorter
        folded = text.lower()
        for rule in RULES:
            where = folded if rule.folded else text
            for literal in rule.literals:
                if literal in where:
                    text = _replacer(rule)(text)
                    break
    return Redacted(text)
