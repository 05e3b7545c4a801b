"""What a client's own settings say about us: whether it lets our hooks run, and how long it keeps transcripts.

Only what is written down somewhere is told; what a client keeps to itself is None.
"""

import os
import re
from typing import Any, Final, NamedTuple

from kioku import times
from kioku.clients import changes, toml_text
from kioku.clients.table import CODEX_EVENTS, Client, Place, claude_folder, codex_folder, gemini_folder
from kioku.errors import KiokuError

KEPT_DAYS: Final = 30  # how long Claude Code keeps transcripts if its settings say nothing (`cleanupPeriodDays`)


class Trust(NamedTuple):
    """Whether a client runs our hooks, as far as its settings tell, and what to do if it does not."""

    runs: bool | None
    reason: str = ""
    fix: str = ""


def trust(client: Client, place: Place) -> Trust:
    """Return whether a client lets our hooks run. Raises nothing."""
    asked = {"claude": _claude, "codex": _codex, "gemini": _gemini}.get(client.name)
    return Trust(None) if asked is None else asked(place)


def transcript_lifetime_ms(place: Place) -> int:
    """Return how long after its last line Claude Code deletes a transcript."""
    days = changes.value_at(os.path.join(claude_folder(place), "settings.json"), "cleanupPeriodDays")
    is_number = isinstance(days, int | float) and not isinstance(days, bool) and 0 <= days < 100_000
    return int((days if is_number else KEPT_DAYS) * times.DAY)


def _claude(place: Place) -> Trust:
    files = [os.path.join(claude_folder(place), "settings.json")]
    if place.project is not None:
        files += [os.path.join(place.project, ".claude", name) for name in ("settings.json", "settings.local.json")]
    for file in files:
        if changes.value_at(file, "disableAllHooks") is True:
            return Trust(False, f"'disableAllHooks' is set in {file}", "take it out")
    return Trust(True)


def _codex(place: Place) -> Trust:
    folder = codex_folder(place)
    values = _toml(os.path.join(folder, "config.toml"))
    features = values.get("features")
    if isinstance(features, dict) and (features.get("hooks") is False or features.get("codex_hooks") is False):
        return Trust(False, "hooks are switched off in its config.toml", "set 'hooks = true' under [features]")
    state = toml_text.find(values, ("hooks", "state"))
    trusted = [key for key, given in state.items() if _is_trusted(given)] if isinstance(state, dict) else []
    files = [os.path.join(folder, "hooks.json")]
    if place.project is not None:
        files.append(os.path.join(place.project, ".codex", "hooks.json"))
    begins = {event: tuple(f"{file}:{_in_snake_case(event)}:" for file in files) for event in CODEX_EVENTS}
    missing = [event for event, begin in begins.items() if not any(key.startswith(begin) for key in trusted)]
    if not missing:
        return Trust(True)
    some = "" if len(missing) == len(CODEX_EVENTS) else f" ({', '.join(missing)})"
    return Trust(False, f"Codex has not been told yet that you trust them{some}", "type /hooks in Codex and trust them")


def _in_snake_case(event: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event).lower()


def _is_trusted(given: Any) -> bool:
    return isinstance(given, dict) and "trusted_hash" in given and given.get("enabled") is not False


def _gemini(place: Place) -> Trust:
    folder = gemini_folder(place)
    file = os.path.join(folder, "settings.json")
    if changes.value_at(file, "hooksConfig", "enabled") is False:
        return Trust(False, f"'hooksConfig.enabled' is false in {file}", "set it to true")
    if place.project is None or changes.value_at(file, "security", "folderTrust", "enabled") is False:
        return Trust(None)
    rules = changes.value_at(os.path.join(folder, "trustedFolders.json"))
    for path, rule in rules.items() if isinstance(rules, dict) else ():
        base = os.path.dirname(path) if rule == "TRUST_PARENT" else path
        if rule in ("TRUST_FOLDER", "TRUST_PARENT") and _is_within(place.project, base):
            return Trust(True)
    return Trust(False, "Gemini CLI does not trust this folder", "start gemini in it and trust it (/permissions)")


def _is_within(path: str, folder: str) -> bool:
    real, base = os.path.realpath(path), os.path.realpath(folder)
    return real == base or real.startswith(base.rstrip(os.sep) + os.sep)


def _toml(file: str) -> dict[str, Any]:
    try:
        return toml_text.parse(changes.read(file) or "")
    except (KiokuError, toml_text.TomlError):
        return {}
