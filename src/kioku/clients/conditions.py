"""What a client's own settings say about us: whether it lets our hooks run, and how long it keeps transcripts.

Only what is written down somewhere is told; what a client keeps to itself is None.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from kioku import times
from kioku.clients import changes, toml_text
from kioku.clients.table import CODEX_EVENTS, Client, Place, claude_folder, codex_folder, gemini_folder
from kioku.errors import KiokuError

KEPT_DAYS: Final = 30  # how long Claude Code keeps transcripts if its settings say nothing (`cleanupPeriodDays`)

_WITH_MATCHER: Final = ("pre_tool_use", "post_tool_use")  # events whose matcher is part of what Codex trusts


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
    files = [os.path.join(folder, "hooks.json")]
    if place.project is not None:
        files.append(os.path.join(place.project, ".codex", "hooks.json"))
    files = list(dict.fromkeys(name for file in files for name in (file, os.path.realpath(file))))
    hooks = [hook for file in files for hook in _codex_hooks(file)]  # under either name Codex may know a file
    given = {hook: state.get(hook.key) if isinstance(state, dict) else None for hook in hooks}
    trusted = {hook.event for hook in hooks if hook.is_trusted_by(given[hook])}
    missing = [event for event in CODEX_EVENTS if event not in trusted]
    if not missing:
        return Trust(True)
    some = "" if len(missing) == len(CODEX_EVENTS) else f" ({', '.join(missing)})"
    is_stale = any(isinstance(given[hook], dict) and hook.event in missing for hook in hooks)
    reason = "they are not what you trusted" if is_stale else "Codex has not been told yet that you trust them"
    return Trust(False, f"{reason}{some}", "type /hooks in Codex and trust them")


class _CodexHook(NamedTuple):
    """A hook of ours in a file of Codex's: the key under which Codex keeps what it trusts, and its possible hashes."""

    event: str
    key: str
    hashes: frozenset[str]

    def is_trusted_by(self, given: Any) -> bool:
        """Tell whether what Codex keeps under the key is this very hook."""
        return (
            isinstance(given, dict) and given.get("trusted_hash") in self.hashes and given.get("enabled") is not False
        )


def _codex_hooks(file: str) -> Iterator[_CodexHook]:
    listed = changes.value_at(file, "hooks")
    for event, groups in listed.items() if isinstance(listed, dict) else ():
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", event).lower()
        for index, group in enumerate(groups if isinstance(groups, list) else ()):
            inner = group.get("hooks") if isinstance(group, dict) else None
            for at, hook in enumerate(inner if isinstance(inner, list) else ()):
                if changes.is_our_hook(hook):
                    matcher = group.get("matcher") if name in _WITH_MATCHER else None
                    yield _CodexHook(event, f"{file}:{name}:{index}:{at}", _codex_hashes(name, matcher, hook))


def _codex_hashes(event: str, matcher: object, hook: dict[str, Any]) -> frozenset[str]:
    """Return what Codex may make of a hook: the hash of its parts, whose timeout (s) it cuts short for some events."""
    timeout = hook.get("timeout")
    found = set()
    for seconds in range(1, min(timeout, 600) + 1) if isinstance(timeout, int) else (600,):
        handler = {"type": "command", "command": hook["command"], "timeout": seconds, "async": False}
        parts = {"event_name": event, "hooks": [handler], **({} if matcher is None else {"matcher": matcher})}
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        found.add("sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())
    return frozenset(found)


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
