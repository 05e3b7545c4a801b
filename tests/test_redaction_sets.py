"""How much is caught, and how little is harmed: measured on secrets made at run time and on real source code."""

import json
import random
import string
import sysconfig
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from kioku import redaction
from kioku.redaction import redact
from kioku.redaction_rules import RULES, Rule

LETTERS = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits

chance = random.Random(20_261_123)


def some(length: int, of: str = LETTERS) -> str:
    return "".join(chance.choices(of, k=length))


def pem(kind: str) -> str:
    body = "\n".join(some(64, LETTERS + "+/") for _ in range(4))
    return "-----BEGIN " + f"{kind}PRIVATE KEY-----\n{body}\n-----END " + f"{kind}PRIVATE KEY-----"


# What is hidden is what stands for {}: the beginnings are put together here, so that this file holds no secret.
KINDS: dict[str, tuple[str, Callable[[], str]]] = {
    "rsa": ("{}", lambda: pem("RSA ")),
    "openssh": ("{}", lambda: pem("OPENSSH ")),
    "url": ("postgres://app:{}@db.internal:5432/x", lambda: some(20)),
    "bearer": ("Authorization: Bearer {}", lambda: some(40)),
    "basic": ("Authorization: Basic {}", lambda: some(32) + "=="),
    "cookie": ("Cookie: session={}; theme=dark", lambda: some(32)),
    "anthropic": ("{}", lambda: "sk-" + "ant-api03-" + some(80)),
    "openai": ("{}", lambda: "sk-" + some(48)),
    "openai project": ("{}", lambda: "sk-" + "proj-" + some(80)),
    "github": ("{}", lambda: "gh" + "p_" + some(36)),
    "github fine": ("{}", lambda: "github" + "_pat_" + some(22) + "_" + some(59)),
    "gitlab": ("{}", lambda: "gl" + "pat-" + some(20)),
    "slack": ("{}", lambda: "xo" + "xb-" + some(12, "0123456789") + "-" + some(24)),
    "slack hook": (
        "https://{}",
        lambda: "hooks.slack" + ".com/services/T" + some(8, UPPER) + "/B" + some(8, UPPER) + "/" + some(24),
    ),
    "aws id": ("{}", lambda: "AK" + "IA" + some(16, UPPER)),
    "aws secret": ("aws_secret_access_key = {}", lambda: some(40, LETTERS + "+/")),
    "google": ("{}", lambda: "AI" + "za" + some(35)),
    "google oauth": ("{}", lambda: "GOC" + "SPX-" + some(28)),
    "azure": ("DefaultEndpointsProtocol=https;AccountKey={}", lambda: some(86, LETTERS + "+/") + "=="),
    "stripe": ("{}", lambda: "sk_" + "live_" + some(24)),
    "npm": ("{}", lambda: "np" + "m_" + some(36)),
    "pypi": ("{}", lambda: "pypi-" + "AgE" + some(100)),
    "hugging face": ("{}", lambda: "h" + "f_" + some(34)),
    "jwt": ("{}", lambda: "ey" + "J" + some(30) + ".ey" + "J" + some(60) + "." + some(43)),
    "sendgrid": ("{}", lambda: "S" + "G." + some(22) + "." + some(43)),
    "twilio": ("{}", lambda: "S" + "K" + some(32, HEX)),
    "mailgun": ("{}", lambda: "ke" + "y-" + some(32, HEX)),
    "digitalocean": ("{}", lambda: "dop" + "_v1_" + some(64, HEX)),
    "shopify": ("{}", lambda: "shp" + "at_" + some(32, HEX)),
    "vault": ("{}", lambda: "hv" + "s." + some(24)),
    "databricks": ("{}", lambda: "da" + "pi" + some(32, HEX)),
    "telegram": ("{}", lambda: some(9, "123456789") + ":A" + "A" + some(33)),
    "notion": ("{}", lambda: "nt" + "n_" + some(46)),
    "linear": ("{}", lambda: "lin" + "_api_" + some(40)),
    "discord hook": ("https://discord.com{}", lambda: "/api/webhooks/" + some(18, "123456789") + "/" + some(68)),
    "name=value": ("DB_PASSWORD={}", lambda: some(16)),
    "json": ('"api_key": "{}"', lambda: some(32)),
    "yaml": ("client_secret: {}", lambda: some(32)),
    "flag": ("deploy --token {} --verbose", lambda: some(24)),
    "later cookie": ("Cookie: a=b; c=dd; session={}; theme=dark", lambda: some(32)),
    "token as user": ("https://{}@example.com/x.git", lambda: some(40, HEX)),
    "curl user": ("curl -u admin:{} https://example.com", lambda: some(9) + "7aB" + some(9)),
    "mysql": ("mysql -h db -u root -p{} app", lambda: some(14)),
    "netrc": ("machine example.com login me password {}", lambda: some(18)),
    "npmrc": ("//registry.example.com/:_authToken={}", lambda: some(36)),
    "docker": ('"auths": {"example.com": {"auth": "{}"}}', lambda: some(40) + "=="),
    "signature": ("https://x.example.com/a?X-Amz-Signature={}&b=1", lambda: some(64, HEX)),
    "telegram address": (
        "https://api.telegram.org/{}/getMe",
        lambda: "bot" + some(9, "123456789") + ":A" + "A" + some(33),
    ),
    "typed": ('let api_token: &str = "{}";', lambda: some(32)),
    "passed": ("define('DB_PASSWORD', '{}');", lambda: some(12) + "7aB" + some(5)),
    "name and value": ('{"name": "API_KEY", "value": "{}"}', lambda: some(32)),
    "xml": ("<password>{}</password>", lambda: some(12) + "7aB" + some(5)),
    "sql": ("CREATE USER app IDENTIFIED BY '{}';", lambda: some(14)),
    "prompt": ("the password is {}", lambda: some(12) + "7aB" + some(5)),
    "long": ("AWS_SESSION_TOKEN={}", lambda: some(1_500, LETTERS + "+/")),
    "address key": ("https://maps.example.com/api?key={}", lambda: some(32)),
}
FRAMES: dict[str, Callable[[str], str]] = {
    "prose": lambda s: f"I have put it here: {s} and it works now.",
    "json": lambda s: json.dumps({"command": f"run it with {s} please"}),
    "twice escaped": lambda s: json.dumps(json.dumps({"text": f"see {s} there"})),
    "url": lambda s: f"https://example.org/x?next=1&value={s}&last=2",
    "diff": lambda s: f"@@ -1,2 +1,2 @@\n-old\n+{s}\n unchanged",
    "shell": lambda s: f"export X=1; curl -s '{s}' | head",
    "begin": lambda s: f"{s} is at the beginning",
    "terminal": lambda s: f"\x1b[32m{s}\x1b[0m",
    "three times escaped": lambda s: json.dumps(json.dumps(json.dumps({"text": f"see\n{s} there"}))),
    "removed": lambda s: "@@ -1,2 +1,1 @@\n" + "\n".join(f"-{line}" for line in s.split("\n")),
    "settings": lambda s: f"FIRST=1\nVALUE={s}\nLAST=2",
    "yaml": lambda s: f"a:\n  value: {s}\n  b: 1",
    "toml": lambda s: f'[a]\nvalue = "{s}"\n',
    "python": lambda s: f'def f():\n    x = "{s}"\n',
    "javascript": lambda s: f"const x = `{s}`;",
    "header": lambda s: f"GET / HTTP/1.1\r\nHost: example.com\r\n{s}\r\nAccept: */*",
    "curl": lambda s: f'curl -X POST -H "{s}" https://example.com',
    "border": lambda s: "filler text. " * 5_041 + s + " and so on",
}


def pieces(secret: str, shown: str) -> list[str]:
    """Return what must not be found: the secret in its written forms; of a key in lines, each of them."""
    if "\n" in secret:
        return [line for line in secret.splitlines() if not line.startswith("-----")]
    return [form for form in {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]} if form in shown]


def test_of_every_hundred_secrets_at_least_ninety_seven_are_gone() -> None:
    assert len(KINDS) >= 25
    missed: list[str] = []
    total = 0
    for kind, (around, make) in KINDS.items():
        for frame, put in FRAMES.items():
            for _ in range(3):
                secret = make()
                text = put(around.replace("{}", secret))
                shown = redact(text)[:65_536]  # it is redacted first, and cut then
                total += 1
                if any(piece in shown for piece in pieces(secret, text)):
                    missed.append(f"{kind} in {frame}")
    assert len(missed) <= 0.03 * total, sorted(set(missed))
    for column in (0, 1):
        worst = Counter(one.split(" in ")[column] for one in missed).most_common(1)
        assert not worst or worst[0][1] <= 0.12 * 3 * (len(FRAMES) if column == 0 else len(KINDS)), worst


def source_lines(count: int) -> list[str]:
    """Return lines of the standard library, taken evenly from all of it."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    files += sorted(Path(sysconfig.get_path("stdlib")).glob("[a-z]*/*.py"))
    lines = [
        line
        for path in files
        if "test" not in path.parts[-2:]
        for line in path.read_text(errors="replace").splitlines()
    ]
    return lines[:: max(1, len(lines) // count)]


def test_real_source_code_survives() -> None:
    lines = source_lines(30_000)
    harmed = [(line, redact(line)) for line in lines if redact(line) != line]
    assert len(harmed) <= 2 * len(lines) / 1000, harmed[:20]


@pytest.mark.parametrize(
    "text",
    [
        "token = get_token()", "password: str = Field(...)", "max_tokens=4096", "api_key = os.environ['API_KEY']",
        "const token = process.env.GITHUB_TOKEN;", "secret_key = settings.SECRET_KEY", "PASSWORD=$DB_PASSWORD",
        "password: ${{ secrets.DB_PASSWORD }}", "token: <your-token>", 'password = "changeme"', "key=lambda x: x.name",
        "commit 3f2a9c1d8e7b6a5f4e3d2c1b0a9f8e7d6c5b4a39", "id: 123e4567-e89b-12d3-a456-426614174000",
        '"integrity": "sha512-' + some(86) + '=="', "data:image/png;base64," + some(400), "tokenizer = Tokenizer()",
        'input(type="password", name="password")', "secret: string;", "public_key_path = '/etc/keys/id.pub'",
        "for token in tokenize(source):", "token_type: access_token", "if password == confirm_password:",
        "the password is checked by validate_password()", 'raise ValueError("token expired")',
        "Authorization: Bearer <token>",
        '"PasswordLastUsed": "2026-09-24T16:18:07Z"', "token: options?.onresumptiontoken", "cookie: theme=dark; a=b",
        'const words = ["token", "keyboard", "secret", "password"];', "docker run --user 1000:1000 x",
        "docker run -u www-data:www-data x",
        "the token is refreshed by refresh_token() and the secret is base64 encoded",
        "E_BAD_TOKEN: Final = -2144272308", "perldoc -u Some::Modulename2", "f(api_key_sha256=api_key_sha256)",
        "TOKEN_CERTS = 'https://www.example.com/oauth2/v1/certs'",
        "map[api_key]value = 3", "api_key: Optional[str] = None", "https://example.com:8080/a@b", "mkdir -p mysql/data",
        "AKIAIOSFODNN7" + "EXAMPLE",
        "foreign_key=User.id", "primary_key: true", "keyboard: qwertyuiop", "api-key: {{ .Values.apiKey }}",
    ],
)  # fmt: skip
def test_look_ups_placeholders_names_and_hashes_are_no_secrets(text: str) -> None:
    assert redact(text) == text


def test_a_projects_own_values_go_in_every_form_and_allowed_texts_stay() -> None:
    value = 'p@ss "w0rd"/' + some(6)
    allowed = "gh" + "p_" + some(36)
    redaction.use(redaction.Secrets(values=(value,), allow=(allowed,)))
    try:
        for text in (value, json.dumps(value), quote(value, safe="")):
            assert "[REDACTED:env]" in redact(f"x {text} y")
        assert redact(f"x {allowed} y") == f"x {allowed} y"
    finally:
        redaction.use(redaction.Secrets())
    assert redact(f"x {allowed} y") != f"x {allowed} y"


@pytest.mark.parametrize(
    "rule", {(rule.kind, rule.pattern): rule for rule in RULES}.values(), ids=lambda rule: rule.kind
)
def test_no_text_takes_a_rule_more_than_time_in_proportion(rule: Rule) -> None:
    """Count the steps of growing texts made to mislead: doubling the text at most about doubles the work."""
    import time

    def worst(size: int) -> float:
        spent = []
        for literal in rule.literals:
            for filler in ("a", "A1", " ", "=", '"', "\\", "-", literal, literal + "=", literal + " ", "://:", "eyJ."):
                text = (literal + filler * size)[:size]
                start = time.process_time()
                redaction._replacer(rule)(text)
                spent.append(time.process_time() - start)
        return max(spent)

    worst(1_000)
    small, large = worst(20_000), worst(80_000)
    assert large <= 16 * max(small, 0.004)  # quadratic would be 16 times itself, at far more than this floor
