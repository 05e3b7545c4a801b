"""What a person may set, and where it was set: built-in < user file < project file < environment.

`KEYS` is the whole list. An unknown key is an error that names the nearest known one. This is the only module that
reads the environment. A repository may be hostile, so a key with `project=False` is refused in the project's file.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from kioku import days, times
from kioku.errors import SettingsError
from kioku.words import nearest

USER_FILE = "config.toml"
PROJECT_FILE = "config.toml"


Given = float | str | tuple[str, ...]


class Key(NamedTuple):
    """One setting: a number with bounds and its unit in its name, a list of texts, or a text that is checked.

    `says` is one sentence for people; of a text, `form` says what it must be.
    """

    name: str
    default: Given
    least: float
    most: float
    says: str
    project: bool = True
    is_path: bool = False
    form: str = ""
    accepts: Callable[[str], bool] | None = None

    @property
    def variable(self) -> str:
        """Return the environment variable that sets it: `KIOKU_SESSION_TIMEOUT_MINUTES`."""
        return "KIOKU_" + self.name.upper().replace(".", "_")


SYSTEM_ZONE = "system"
NO_MODEL = "none"
RESUME_BUDGET = "resume.token_budget"


def _is_zone(text: str) -> bool:
    return text == SYSTEM_ZONE or days.is_zone(text)


def _is_quarter(text: str) -> bool:
    return days.minutes_of(text) is not None


def _is_line(text: str) -> bool:
    return len(text) <= 200 and text.isprintable()


def _is_variable(text: str) -> bool:
    return len(text) <= 200 and text.isidentifier() and text.isascii()


def _is_model_address(text: str) -> bool:
    return text == "usual" or (_is_line(text) and text.startswith(("https://", "http://")))


def _is_folder(text: str) -> bool:
    """Tell whether a text is a whole path, or the name of a package."""
    is_name = text.isascii() and text.replace("-", "_").isidentifier()
    return len(text) <= 4096 and text.isprintable() and (is_name or os.path.isabs(os.path.expanduser(text)))


KEYS: tuple[Key, ...] = (
    Key("session.timeout_minutes", 30, 1, 1440, "Silence after which a session has ended."),
    Key("session.merge_within_minutes", 0, 0, 240, "Gap within which sessions of one work are merged; 0: never."),
    Key("cleanup.older_than_hours", 1, 0, 87_600, "Age from which cleanup-sessions closes a session."),
    Key("context.token_budget", 20_000, 100, 10_000_000, "Tokens of what is known that an assistant is shown unasked."),
    Key(RESUME_BUDGET, 400, 50, 2000, "Tokens of what a session is told of the last one when it begins."),
    Key("capture.exclude", (), 0, 0, "Folders that are never recorded.", is_path=True),
    Key(
        "discoveries.auto_accept", 0, 0, 1, "Confidence from which what was learned is accepted by itself; 0: never.",
        project=False,
    ),
    Key(
        "discoveries.enrich", "off", 0, 0, "Whether what is accepted is written into project.yaml by itself.",
        project=False, form="'off' or 'on'", accepts=("off", "on").__contains__,
    ),
    Key(
        "model.provider", "off", 0, 0, "How the model is spoken to that 'kioku discoveries refine' asks; 'off': none.",
        project=False, form="'off', 'openai' or 'anthropic'", accepts=("off", "openai", "anthropic").__contains__,
    ),
    Key(
        "model.base_url", "usual", 0, 0, "Where it is asked; 'usual': at the provider's own address.", project=False,
        form="an address that begins with https://, or with http:// on this machine", accepts=_is_model_address,
    ),
    Key("model.name", "none", 0, 0, "What it is called there.", project=False, form="a model's name", accepts=_is_line),
    Key(
        "model.key_variable", "usual", 0, 0, "The environment variable that holds the key; 'usual': the provider's.",
        project=False, form="the name of an environment variable", accepts=_is_variable,
    ),
    Key("model.timeout_seconds", 60, 1, 600, "How long it may take to answer.", project=False),
    Key("model.input_price", 0, 0, 100_000, "What a million tokens cost that are sent; 0: not known.", project=False),
    Key("model.output_price", 0, 0, 100_000, "What a million tokens cost that come back; 0: not known.", project=False),
    Key(
        "search.model", NO_MODEL, 0, 0, "The model that brings search what is near in meaning; 'none': words alone.",
        project=False, form="an absolute folder, the name of an installed package, or 'none'", accepts=_is_folder,
    ),
    Key("redaction.allow", (), 0, 0, "Texts that are never redacted.", project=False),
    Key(
        "time.zone", SYSTEM_ZONE, 0, 0, "The time zone of your days; 'system' is the machine's.", project=False,
        form="the name of a time zone that this machine knows, such as 'Europe/Berlin', or 'system'", accepts=_is_zone,
    ),
    Key(
        "time.day_starts", "00:00", 0, 0, "When your day begins: what you do earlier counts to the day before.",
        project=False, form="a time of day on a quarter of an hour, such as '04:00'", accepts=_is_quarter,
    ),
)  # fmt: skip

# A repository may be hostile: what these sections will ever hold, or a name with such a word in it, its file may not
# set. Only `capture.exclude` may be longer there, never shorter.
_PERSONS_SECTIONS = ("redaction", "model", "team", "discoveries", "time")
_PERSONS_WORDS = ("url", "address", "accept", "allow")

# Variables of ours that are no settings: where the project is, and two that tests set.
_OTHER_VARIABLES = ("KIOKU_PROJECT", "KIOKU_TEST_CLOCK")


class Value(NamedTuple):
    """A setting's value and the place that set it."""

    key: Key
    value: Given
    source: str


class Settings(NamedTuple):
    """The settings in force, each with its source, in the order of `KEYS`."""

    values: tuple[Value, ...]

    def number(self, name: str) -> float:
        """Return the value of the setting with that name, a number."""
        value = self._value(name)
        assert isinstance(value, int | float)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the value of the setting with that name, a list of texts."""
        value = self._value(name)
        assert isinstance(value, tuple)
        return value

    def text(self, name: str) -> str:
        """Return the value of the setting with that name, a text."""
        value = self._value(name)
        assert isinstance(value, str)
        return value

    def _value(self, name: str) -> Given:
        return next(value.value for value in self.values if value.key.name == name)

    @property
    def timeout_ms(self) -> int:
        """Return the silence that ends a session, in ms."""
        return round(self.number("session.timeout_minutes") * times.MINUTE)

    @property
    def calendar(self) -> days.Calendar:
        """Return the person's days."""
        starts = days.minutes_of(self.text("time.day_starts"))
        assert starts is not None
        return days.Calendar(self.zone, starts)

    @property
    def zone(self) -> str | None:
        """Return the name of the person's zone; None is the system's."""
        zone = self.text("time.zone")
        return None if zone == SYSTEM_ZONE else zone

    @property
    def auto_accept(self) -> float | None:
        """Return the confidence from which discoveries are accepted by themselves; None if they never are."""
        return self.number("discoveries.auto_accept") or None

    @property
    def merge_within_ms(self) -> int:
        """Return the gap below which sessions of one work are merged by themselves, in ms; 0 if they never are."""
        return round(self.number("session.merge_within_minutes") * times.MINUTE)


def load(context_dir: str | None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings for a project whose `.context/` is given (None: no project).

    Raises SettingsError, naming file and key, for whatever is unknown, of the wrong type or out of bounds.
    """
    environ = os.environ if environ is None else environ
    found = {key.name: Value(key, key.default, "built-in") for key in KEYS}
    files = [(os.path.join(user_folder("config", environ), USER_FILE), True)]
    if context_dir is not None:
        files.append((os.path.join(context_dir, PROJECT_FILE), False))
    for path, is_user in files:
        for name, given in _read_toml(path, is_user=is_user).items():
            if not is_user and _is_the_persons(name):
                raise SettingsError(f"{path}: '{name}' may not be set by a project", hint="set it in your own settings")
            key = _known(name, path)
            base = None if is_user else os.path.dirname(os.path.dirname(path))
            _set(found, key, _checked(key, given, path, base), path)
    for variable, text in environ.items():
        if not variable.startswith("KIOKU_") or variable in _OTHER_VARIABLES:
            continue
        named = next((key for key in KEYS if key.variable == variable), None)
        if named is None:
            raise SettingsError(f"{variable}: no such setting", hint=nearest(variable, [k.variable for k in KEYS]))
        texts = [part for part in text.split(os.pathsep) if part] if isinstance(named.default, tuple) else text
        _set(found, named, _checked(named, texts, variable), variable)
    if clock := environ.get("KIOKU_TEST_CLOCK"):
        times.use_clock(times.shifted_clock(clock))
    return Settings(tuple(found.values()))


def _set(found: dict[str, Value], key: Key, value: Given, source: str) -> None:
    """Let a value take the place of one from further away; what is excluded anywhere stays excluded."""
    before = found[key.name]
    if key.is_path and isinstance(value, tuple) and isinstance(before.value, tuple) and before.value:
        value = tuple(dict.fromkeys((*before.value, *value)))
        source = f"{before.source}, {source}"
    found[key.name] = Value(key, value, source)


def _is_the_persons(name: str) -> bool:
    """Tell whether a setting, known or not, is one that a project's file may not have."""
    if any(key.name == name and not key.project for key in KEYS):
        return True
    section, _, rest = name.partition(".")
    return section in _PERSONS_SECTIONS or any(word in part for part in (section, rest) for word in _PERSONS_WORDS)


def is_excluded(path: str, exclude: Sequence[str]) -> bool:
    """Tell whether a path is one of the folders or lies in one, by its name or by where it really is."""
    if not exclude:
        return False
    places = {os.path.normpath(path), os.path.realpath(path)}
    folders = {
        place.rstrip(os.sep) for folder in exclude for place in (os.path.normpath(folder), os.path.realpath(folder))
    }
    return any(place == folder or place.startswith(folder + os.sep) for place in places for folder in folders)


def environment() -> Mapping[str, str]:
    """Return the environment, for those who must know where a client keeps its files."""
    return dict(os.environ)


def variable(name: str) -> str | None:
    """Return the value of an environment variable that a setting names, None where it is not set or empty."""
    return os.environ.get(name) or None


def conversation(environ: Mapping[str, str] | None = None) -> tuple[str, str] | None:
    """Return the conversation for which our client started us, as (client, its id), if it says so."""
    named = (os.environ if environ is None else environ).get("CLAUDE_CODE_SESSION_ID", "")
    return ("claude", named) if named and len(named) <= 200 and named.isprintable() else None


def user_folder(kind: str, environ: Mapping[str, str] | None = None) -> str:
    """Return the user's folder for Kioku's `config` or `state` files; it may not exist yet."""
    environ = os.environ if environ is None else environ
    if sys.platform.startswith("linux"):
        # The same answer as platformdirs, whose import alone takes as long as starting the interpreter.
        variable, below = {
            "config": ("XDG_CONFIG_HOME", ".config"),
            "state": ("XDG_STATE_HOME", ".local/state"),
        }[kind]
        base = environ.get(variable, "")
        return os.path.join(base if os.path.isabs(base) else os.path.expanduser(f"~/{below}"), "kioku")
    import platformdirs

    return {"config": platformdirs.user_config_dir, "state": platformdirs.user_state_dir}[kind](
        "kioku", appauthor=False
    )


def project_variables(environ: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Return the variables that name a project's folder, ours first, as (variable, folder)."""
    environ = os.environ if environ is None else environ
    names = ("KIOKU_PROJECT", "CLAUDE_PROJECT_DIR")
    return [(name, environ[name]) for name in names if environ.get(name)]


def _read_toml(path: str, *, is_user: bool) -> dict[str, Any]:
    """Return a file's settings as `section.key: value`; a missing file has none."""
    import stat

    # A FIFO in its place must not hold up the start, and a repository must not lead us elsewhere by a link.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | (getattr(os, "O_NOFOLLOW", 0) if not is_user else 0)
    try:
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > 1 << 20:
        os.close(descriptor)
        raise SettingsError(f"{path}: is not a settings file", hint="it must be a regular file of at most 1 MB")
    with open(descriptor, "rb") as stream:
        text = stream.read()
    import tomllib

    try:
        tables = tomllib.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # a TOMLDecodeError, or a number of thousands of digits
        raise SettingsError(f"{path}: is not TOML: {error}") from error
    flat: dict[str, Any] = {}
    for section, content in tables.items():
        if isinstance(content, dict):
            flat |= {f"{section}.{name}": given for name, given in content.items()}
        else:
            flat[section] = content
    return flat


def _known(name: str, path: str) -> Key:
    key = next((key for key in KEYS if key.name == name), None)
    if key is None:
        raise SettingsError(f"{path}: no such setting: '{name}'", hint=nearest(name, [key.name for key in KEYS]))
    return key


def _checked(key: Key, given: Any, where: str, base: str | None = None) -> Given:
    """Return a value as it counts. `base` is the folder to which a project's paths are relative."""
    if isinstance(key.default, tuple):
        if not isinstance(given, list) or not all(isinstance(text, str) and text for text in given):
            raise SettingsError(f"{where}: '{key.name}' must be a list of texts, not {given!r}")
        return tuple(_absolute(key, text, where, base) for text in given) if key.is_path else tuple(given)
    if isinstance(key.default, str):
        if not isinstance(given, str) or (key.accepts is not None and not key.accepts(given)):
            raise SettingsError(f"{where}: '{key.name}' must be {key.form}, not {given!r}")
        return given
    try:
        value = None if isinstance(given, bool) else float(given)
    except (TypeError, ValueError, OverflowError):
        value = None
    if value is None or not key.least <= value <= key.most:
        raise SettingsError(f"{where}: '{key.name}' must be a number from {key.least:g} to {key.most:g}, not {given!r}")
    return int(value) if value == int(value) else value


def _absolute(key: Key, text: str, where: str, base: str | None) -> str:
    path = os.path.expanduser(text) if base is None else os.path.join(base, text)
    if not os.path.isabs(path) or "\0" in path:
        raise SettingsError(
            f"{where}: '{key.name}': {text!r} is no absolute folder", hint="write it in full, or with ~"
        )
    return os.path.normpath(path)
