"""The kinds of secrets that are known by their looks.

Each rule names literals; its pattern is compiled and tried only where one of them occurs, so ordinary text costs a few
substring searches. Quantifiers are bounded: no text, however made, may take more than time in proportion to its length.
"""

from collections import namedtuple

# `pattern` is tried when any of `literals` occurs (case is folded if `folded`). A group named `secret` limits what is
# replaced; without one the whole match goes. `check` names a function of `redaction` that has the last word.
Rule = namedtuple("Rule", ("kind", "literals", "pattern", "folded", "check"), defaults=(False, None))  # noqa: PYI024

# Tokens that a provider marks by how they begin: (kind, beginning, characters that follow, how many at least).
_WORD = "A-Za-z0-9_-"
_TOKENS = (
    ("anthropic-key", "sk-ant-", _WORD, 16),
    ("openrouter-key", "sk-or-", _WORD, 20),
    ("gitlab-token", "glpat-", _WORD, 16),
    ("gitlab-token", "glrt-", _WORD, 16),
    ("gitlab-token", "gldt-", _WORD, 16),
    ("slack-token", "xapp-", _WORD, 20),
    ("google-oauth", "ya29.", _WORD, 20),
    ("google-oauth", "GOCSPX-", _WORD, 20),
    ("npm-token", "npm_", "A-Za-z0-9", 30),
    ("pypi-token", "pypi-AgE", _WORD, 40),
    ("huggingface-token", "hf_", "A-Za-z0-9", 30),
    ("sendgrid-key", "SG.", "A-Za-z0-9._-", 40),
    ("mailgun-key", "key-", "0-9a-f", 32),
    ("digitalocean-token", "dop_v1_", "0-9a-f", 40),
    ("digitalocean-token", "doo_v1_", "0-9a-f", 40),
    ("shopify-token", "shpat_", "0-9a-fA-F", 24),
    ("shopify-token", "shpss_", "0-9a-fA-F", 24),
    ("linear-key", "lin_api_", "A-Za-z0-9", 30),
    ("notion-token", "ntn_", "A-Za-z0-9", 36),
    ("notion-token", "secret_", "A-Za-z0-9", 43),
    ("vault-token", "hvs.", _WORD, 20),
    ("vault-token", "hvb.", _WORD, 20),
    ("databricks-token", "dapi", "0-9a-f", 32),
    ("doppler-token", "dp.pt.", "A-Za-z0-9", 30),
    ("age-key", "AGE-SECRET-KEY-1", "A-Z0-9", 40),
    ("sentry-token", "sntrys_", "A-Za-z0-9_=+/-", 30),
    ("sentry-token", "sntryu_", "0-9a-f", 40),
    ("postman-key", "PMAK-", _WORD, 30),
    ("figma-token", "figd_", _WORD, 30),
    ("atlassian-token", "ATATT3", "A-Za-z0-9_=-", 40),
    ("heroku-key", "HRKU-", _WORD, 30),
    ("supabase-token", "sbp_", "0-9a-f", 32),
    ("planetscale-token", "pscale_", "A-Za-z0-9_.-", 30),
    ("groq-key", "gsk_", "A-Za-z0-9", 36),
    ("replicate-token", "r8_", "A-Za-z0-9", 32),
    ("perplexity-key", "pplx-", "A-Za-z0-9", 32),
    ("xai-key", "xai-", "A-Za-z0-9", 40),
    ("tailscale-key", "tskey-", _WORD, 20),
    ("newrelic-key", "NRAK-", "A-Z0-9", 24),
    ("grafana-token", "glsa_", "A-Za-z0-9_", 32),
    ("docker-token", "dckr_pat_", _WORD, 20),
    ("terraform-token", ".atlasv1.", _WORD, 40),
    ("telegram-token", ":AA", _WORD, 30),
)


def _token(kind: str, literal: str, characters: str, least: int) -> Rule:
    # Some tokens have a part before what marks them.
    before = {"telegram-token": r"\d{8,10}", "terraform-token": "[A-Za-z0-9]{14}"}.get(kind, "")
    start = before + literal.replace(".", r"\.")
    return Rule(kind, (literal,), f"(?<![A-Za-z0-9]){start}[{characters}]{{{least},1024}}")


# A quotation mark, as it is or as it stands inside a JSON string inside a JSON string.
_QUOTE = r"\\{0,3}[\"'`]"
_NAMES = (
    "passw(?:or)?d|passwd|passphrase|pwd|secret|token|credentials?"
    "|(?:api|access|private|secret|auth|encryption|signing|account|master|client|deploy|service)[_-]?key"
)

# Where such a name is looked for by hand, before a pattern is tried: what a name of a secret has in it, and what must
# come before "key".
_ENDS = "passw(?:or)?d|passwd|passphrase|pwd|secret|token|credentials?|key"
KEYS = ("api", "access", "private", "secret", "auth", "encryption", "signing", "account", "master", "client", "deploy",
        "service")  # fmt: skip

RULES = (
    Rule("private-key", ("PRIVATE KEY",),
         r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----"
         r"(?:[\s\S]{0,16384}?-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----"
         r"|(?:(?:\\[nr]|[\s+>|\"',-])*[A-Za-z0-9+/=]{16,}){1,400})"),
    Rule("url-credentials", ("://",),
         r"://[^\s/:@'\"`{}<>$]{0,256}:(?P<secret>[^\s/@'\"`{}<>$]{3,1024})@", False, "is_no_placeholder"),
    Rule("sentry-dsn", ("ingest", "sentry"), r"://(?P<secret>[0-9a-f]{32})(?::[0-9a-f]{32})?@"),
    Rule("authorization", ("authorization",),
         rf"authorization(?:{_QUOTE})?\s{{0,4}}(?:=>|[:=,])\s{{0,4}}(?:{_QUOTE})?"
         r"(?:(?:bearer|basic|token|digest|negotiate|apikey)\s{1,4})?(?P<secret>[A-Za-z0-9._~+/=:-]{8,4096})",
         True, "is_secret"),
    Rule("bearer", ("bearer ",), r"bearer\s{1,4}(?P<secret>[A-Za-z0-9._~+/=-]{16,4096})", True, "is_secret"),
    Rule("basic-auth", ("basic ",), r"\bbasic\s{1,4}(?P<secret>[A-Za-z0-9+/]{16,1024}={0,2})(?![A-Za-z0-9+/=])", True,
         "is_secret"),
    Rule("cookie", ("cookie",),
         rf"cookie(?:{_QUOTE})?\s{{0,4}}[:=]\s{{0,4}}(?:{_QUOTE})?(?P<secret>[A-Za-z0-9_.-]{{1,64}}=[^\s'\"`<>{{}}\\]{{8,4096}}"
         r"(?:;\s?[A-Za-z0-9_.-]{1,64}=[^\s'\"`<>{}\\;]{1,4096}){0,40})", True),
    Rule("openai-key", ("sk-",), r"(?<![A-Za-z0-9-])sk-(?:proj-|svcacct-|admin-|None-)?[A-Za-z0-9_-]{20,1024}", False,
         "is_random"),
    Rule("github-token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
         r"(?:gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{22,255})"),
    Rule("slack-token", ("xox",), r"xox[abceoprs]-[A-Za-z0-9-]{10,512}"),
    Rule("slack-webhook", ("hooks.slack.com",), r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]{20,128}"),
    Rule("discord-webhook", ("/api/webhooks/",), r"/api/webhooks/\d{10,24}/[A-Za-z0-9_-]{40,128}"),
    Rule("aws-key", ("AKIA", "ASIA", "ABIA", "ACCA"),
         r"(?<![A-Za-z0-9])A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    Rule("google-key", ("AIza",), r"AIza[A-Za-z0-9_-]{35}"),
    Rule("stripe-key", ("_live_", "_test_", "whsec_"), r"(?:(?:[srp]k|rk)_(?:live|test)|whsec)_[A-Za-z0-9]{16,256}"),
    Rule("twilio-key", ("SK",), r"(?<![A-Za-z0-9])SK[0-9a-f]{32}(?![A-Za-z0-9])"),
    Rule("azure-key", ("AccountKey=", "SharedAccessKey="),
         r"(?:Account|SharedAccess)Key=(?P<secret>[A-Za-z0-9+/=]{30,128})"),
    Rule("azure-sas", ("sig=",), r"[?&;]sig=(?P<secret>[A-Za-z0-9%+/=_-]{20,256})"),
    Rule("jwt", ("eyJ",), r"eyJ[A-Za-z0-9_-]{10,8192}\.eyJ[A-Za-z0-9_-]{10,8192}(?:\.[A-Za-z0-9_-]{10,8192})?"),
    *(_token(*token) for token in _TOKENS),
    Rule("flag", ("--pass", "--token", "--secret", "--api-key", "--apikey", "--auth", "--pwd"),
         rf"--(?:{_NAMES}|auth)(?:=|\s{{1,4}})(?:{_QUOTE})?(?P<secret>[^\s'\"`<>(){{}}\[\]$|;&]{{6,512}})",
         True, "is_flag_value"),
    Rule("named-secret", ("passw", "passphrase", "pwd", "secret", "token", "key", "credential"),
         rf"(?P<name>(?:{_ENDS})[A-Za-z0-9_-]{{0,40}})(?:{_QUOTE})?\]?\s{{0,8}}(?P<sign>=>|:=|=|:)\s{{0,8}}"
         rf"(?:(?P<quote>{_QUOTE})(?P<quoted>[^\"'`\n\\]{{6,512}})(?={_QUOTE})"
         r"|(?P<plain>[^\s\"'`,;&<>(){}\[\]\\]{6,512})(?P<after>[(\[]?))", True, "is_assigned"),
)  # fmt: skip
