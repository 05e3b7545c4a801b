"""The kinds of secrets that are known by their looks.

Each rule names literals; its pattern is compiled and tried only where one of them occurs, so ordinary text costs a few
substring searches. Quantifiers are bounded: no text, however made, may take more than time in proportion to its length.
"""

from collections import namedtuple

# `pattern` is tried when any of `literals` occurs (case is folded if `folded`). A group named `secret` limits what is
# replaced; without one the whole match goes. `check` names a function of `redaction` that has the last word. Most
# matches begin with the literal: then the pattern is tried there and nowhere else.
Rule = namedtuple(  # noqa: PYI024
    "Rule", ("kind", "literals", "pattern", "folded", "check", "begins"), defaults=(False, None, True)
)

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
    ("gitlab-token", "glcbt-", _WORD, 16),
    ("gitlab-token", "glptt-", _WORD, 16),
    ("square-token", "sq0", "a-z0-9A-Z_-", 24),
    ("sonar-token", "sqp_", "0-9a-f", 40),
    ("sonar-token", "squ_", "0-9a-f", 40),
    ("buildkite-token", "bkua_", "0-9a-f", 40),
    ("pulumi-token", "pul-", "0-9a-f", 40),
    ("fly-token", "fm2_", "A-Za-z0-9+/=_-", 40),
    ("onepassword-token", "ops_eyJ", _WORD, 40),
    ("rubygems-key", "rubygems_", "0-9a-f", 48),
    ("artifactory-key", "AKCp", "A-Za-z0-9", 60),
    ("langsmith-key", "lsv2_", "A-Za-z0-9_", 32),
    ("elevenlabs-key", "sk_", "0-9a-f", 48),
    ("posthog-key", "phx_", "A-Za-z0-9", 40),
    ("hubspot-token", "pat-na1-", "0-9a-f-", 36),
    ("hubspot-token", "pat-eu1-", "0-9a-f-", 36),
    ("supabase-key", "sb_secret_", _WORD, 24),
    ("netlify-token", "nfp_", "A-Za-z0-9", 36),
    ("circleci-token", "CCIPAT_", _WORD, 40),
    ("mapbox-token", "sk.eyJ", "A-Za-z0-9._-", 40),
)

# Where a token may begin: not amid a word, but after what an escape of JSON, a URL's or a terminal's ends with.
_ESCAPES = r"(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u00[0-9A-Fa-f]{2})|(?<=\[\dm)|(?<=[\[;]\d\dm)|(?<=[\[;]\d\d\dm)"
_START = rf"(?:(?<![A-Za-z0-9])|{_ESCAPES})"


def _token(kind: str, literal: str, characters: str, least: int) -> Rule:
    # Some tokens have a part before what marks them.
    before = {
        "telegram-token": r"(?:(?<![A-Za-z])bot)?\d{8,10}", "terraform-token": "[A-Za-z0-9]{14}",
    }.get(kind, "")  # fmt: skip
    start = before + literal.replace(".", r"\.")
    return Rule(kind, (literal,), f"{_START}{start}[{characters}]{{{least},4096}}", begins=not before)


# A quotation mark, as it is, as it stands inside JSON strings inside each other, or in a URL.
_QUOTE = r"(?:\\{0,7}[\"'`]|%2[27])"
_NAMES = (
    "passw(?:or)?d|passwd|passphrase|pwd|secret|token|credentials?"
    "|(?:api|access|private|secret|auth|encryption|signing|account|master|client|deploy|service)[_-]?key"
)

# Where such a name is looked for by hand, before a pattern is tried: what a name of a secret has in it, and what must
# come before "key".
_ENDS = "passw(?:or)?d|passwd|passphrase|pwd|secret|token|credentials?|key"
KEYS = ("api", "access", "private", "secret", "auth", "encryption", "signing", "account", "master", "client", "deploy",
        "service")  # fmt: skip

# What may stand between such a name and its value: a type, or the field that has it (`name: DB_PASSWORD`, `value: x`).
_SIGN = (
    rf"(?::\s?[A-Za-z&'][A-Za-z0-9_&'.| \[\]]{{0,40}}?(?=\s?=\s))?\s{{0,8}}"
    rf"(?P<sign>=>|:=|=|:|%3[ad]|,?\s{{1,60}}(?:-\s)?(?:{_QUOTE})?value(?:{_QUOTE})?\s{{0,4}}[:=]|\s(?:is|was)(?:\snow)?\b:?)"
)

RULES = (
    Rule("private-key", ("-----BEGIN ",),
         r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----"
         r"(?:(?:[^-]{1,100}+|-(?!----)){0,600}+-{5,6}END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----"
         r"|(?:(?:\\{1,7}[nr]|[\s+>|\"',-])*[A-Za-z0-9+/=]{16,}){1,400})"),
    Rule("putty-key", ("Private-Lines:",),
         r"Private-Lines: \d{1,4}(?P<secret>(?:(?:\\{1,7}[nr]|\s)+[A-Za-z0-9+/=]{4,}(?![:A-Za-z0-9+/=-])){1,400})"),
    Rule("url-credentials", ("://",),
         r"://[^\s/:@'\"`{}<>$]{0,256}:(?P<secret>[^\s/@'\"`{}<>$][^\s/@'\"`{}<>]{2,1024})@", False,
         "is_no_placeholder"),
    Rule("sentry-dsn", ("ingest", "sentry"), r"://(?P<secret>[0-9a-f]{32})(?::[0-9a-f]{32})?@", begins=False),
    Rule("url-credentials", ("://",), r"://(?P<secret>[A-Za-z0-9_.~-]{20,512})(?::[a-z-]{0,16})?@", False, "is_secret"),
    Rule("authorization", ("authorization",),
         rf"authorization(?:{_QUOTE})?\s{{0,4}}(?:=>|[:=,])\s{{0,4}}(?:{_QUOTE})?"
         r"(?:(?:bearer|basic|token|digest|negotiate|apikey|ssws)\s{1,4})?(?P<secret>[A-Za-z0-9._~+/=:-]{8,16384})",
         True, "is_secret"),
    Rule("bearer", ("bearer ", "bearer%20"), r"bearer(?:\s{1,4}|%20)(?P<secret>[A-Za-z0-9._~+/=-]{16,16384})", True,
         "is_secret"),
    Rule("basic-auth", ("basic ",), r"\bbasic\s{1,4}(?P<secret>[A-Za-z0-9+/]{16,1024}={0,2})(?![A-Za-z0-9+/=])", True,
         "is_secret"),
    Rule("signature", ("signature=",), r"signature=(?P<secret>[0-9a-f]{64,1024})", True),
    Rule("cookie", ("cookie",),
         rf"cookie(?:{_QUOTE})?\s{{0,4}}[:=]\s{{0,4}}(?:{_QUOTE})?"
         r"(?P<secret>[A-Za-z0-9_.-]{1,64}=[^\s'\"`<>{}\\;]{1,4096}"
         r"(?:;\s?[A-Za-z0-9_.-]{1,64}=[^\s'\"`<>{}\\;]{1,4096}){0,40})", True, "is_cookie"),
    Rule("openai-key", ("sk-",),
         rf"{_START}(?<![A-Za-z0-9]-)sk-(?:proj-|svcacct-|admin-|None-)?[A-Za-z0-9_-]{{20,1024}}", False, "is_random"),
    Rule("github-token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
         r"(?:gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{22,255})"),
    Rule("slack-token", ("xox",), r"xox[abceoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,512}"),
    Rule("slack-webhook", ("hooks.slack.com",), r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]{20,128}"),
    Rule("discord-webhook", ("/api/webhooks/",), r"/api/webhooks/\d{10,24}/[A-Za-z0-9_-]{40,128}"),
    Rule("teams-webhook", ("webhook.office.com/",), r"webhook\.office\.com/(?P<secret>[A-Za-z0-9@/-]{40,512})"),
    Rule("aws-key", ("AKIA", "ASIA", "ABIA", "ACCA"),
         rf"{_START}A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{{16}}(?![A-Za-z0-9])", False, "is_no_placeholder"),
    Rule("google-key", ("AIza",), r"AIza[A-Za-z0-9_-]{35}"),
    Rule("stripe-key", ("sk_live_", "sk_test_", "rk_live_", "rk_test_", "pk_live_", "pk_test_", "whsec_"),
         r"(?:[srp]k_(?:live|test)|whsec)_[A-Za-z0-9]{16,256}"),
    Rule("twilio-key", ("SK",), rf"{_START}SK[0-9a-f]{{32}}(?![A-Za-z0-9])"),
    Rule("azure-key", ("AccountKey=", "SharedAccessKey="),
         r"(?:Account|SharedAccess)Key=(?P<secret>[A-Za-z0-9+/=]{30,128})"),
    Rule("azure-sas", ("sig=",), r"(?<=[?&;])sig=(?P<secret>[A-Za-z0-9%+/=_-]{20,256})"),
    Rule("jwt", ("eyJ",),
         # Amid what it may consist of itself it begins only at an escape's end: else many would be tried for nothing.
         rf"(?:(?<![A-Za-z0-9_-])|(?<![A-Za-z0-9_-].)(?<=-)|{_ESCAPES})eyJ[A-Za-z0-9_-]{{10,8192}}\."
         r"(?:eyJ[A-Za-z0-9_-]{10,8192}(?:\.[A-Za-z0-9_-]{10,8192})?"
         r"|[A-Za-z0-9_-]{0,2048}\.[A-Za-z0-9_-]{10,64}\.[A-Za-z0-9_-]{10,8192}\.[A-Za-z0-9_-]{10,64})"),
    *(_token(*token) for token in _TOKENS),
    Rule("flag", ("--pass", "--token", "--secret", "--api", "--auth", "--pwd"),
         rf"--(?:{_NAMES}|auth)(?:=|\s{{1,4}})(?:{_QUOTE})?(?P<secret>[^\s'\"`<>(){{}}\[\]$|;&]{{6,4096}})",
         True, "is_flag_value"),
    Rule("user-flag", (" -u", "--user"),
         rf"(?: -u|--user)[\s=]{{0,4}}(?:{_QUOTE})?[A-Za-z0-9._@+-]{{1,64}}:"
         r"(?P<secret>[^\s:'\"`<>(){}\[\]$|;&\\]{6,512})", False, "is_secret"),
    Rule("password-flag", ("mysql", "mariadb", "sshpass"),
         rf"(?:(?:mysql|mariadb)(?:dump|admin)?\s[^\n|;&<>]{{0,120}}?(?<=\s)-p|sshpass\s+-p\s?)(?:{_QUOTE})?"
         r"(?P<secret>[^\s'\"`<>(){}\[\]$|;&\\]{6,512})", False, "is_flag_value"),
    Rule("netrc", ("machine ",),
         r"machine\s{1,4}[^\s]{1,256}\s{1,16}login\s{1,4}[^\s]{1,256}\s{1,16}password\s{1,4}(?P<secret>[^\s]{3,512})"),
    Rule("sql-password", ("identified by", "password '"),
         r"(?:identified\s{1,4}(?:with\s{1,4}\w{1,40}\s{1,4})?by|password)\s{1,4}'(?P<secret>[^'\n]{6,512})'", True,
         "is_no_placeholder"),
    Rule("basic-auth", ('"auth', "_auth"),
         rf"(?:\"auth\\{{0,7}}\"|_auth)\s{{0,4}}[:=]\s{{0,4}}(?:{_QUOTE})?(?P<secret>[A-Za-z0-9+/]{{16,1024}}={{0,2}})"
         r"(?![A-Za-z0-9+/=_.-])", False, "is_secret"),
    Rule("url-key", ("?key=", "&key=", ";key="), r"[?&;]key=(?P<secret>[A-Za-z0-9_-]{20,256})", False, "is_secret"),
    Rule("xml-secret", ("password>", "secret>", "token>", "key>"),
         r"(?:password|secret|token|key)>(?P<secret>[^\s<>{}$]{6,512})</", True, "is_secret"),
    Rule("named-secret", ("passw", "passphrase", "pwd", "secret", "token", "key", "credential"),
         rf"(?P<name>(?:{_ENDS})[A-Za-z0-9_-]{{0,40}})(?:{_QUOTE})?\]?(?:{_SIGN}\s{{0,8}}"
         rf"(?:(?P<quote>{_QUOTE})(?P<quoted>[^\"'`\n\\]{{6,4096}})(?={_QUOTE})"
         r"|(?P<plain>[^\s\"'`,;&<>(){}\[\]\\\x00-\x1f]{6,4096})(?P<after>[(\[]?))"
         rf"|(?<=[\"'`]),\s{{0,4}}{_QUOTE}(?P<passed>[^\"'`\n\\]{{6,4096}})(?={_QUOTE}))", True, "is_assigned"),
)  # fmt: skip
