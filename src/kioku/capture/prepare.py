"""What hooks need of the settings, made ready for them: they have no time to read TOML.

The file says which settings file it was made from; a hook that finds another one reads that itself.
"""

import os

import msgspec

from kioku import settings
from kioku.errors import SettingsError
from kioku.hook import user_folder


def prepare() -> None:
    """Write the hooks' file if it does not say what the person's settings file says. Raises nothing."""
    # A variable of one terminal's is not for all: hooks look at their own.
    plain = {name: value for name, value in settings.environment().items() if not name.startswith("KIOKU_")}
    try:
        values = settings.load(None, plain)
    except SettingsError:
        return  # whoever reads the settings next says what is wrong with them
    state = user_folder("state")
    path = os.path.join(state, "hook.json")
    config = os.path.join(user_folder("config"), settings.USER_FILE)
    try:
        status = os.stat(config)
        made_from: list[int] | None = [status.st_mtime_ns, status.st_size]
    except OSError:
        made_from = None
    exclude, allow = values.texts("capture.exclude"), values.texts("redaction.allow")
    text = msgspec.json.encode({"config": made_from, "exclude": exclude, "allow": allow})
    try:
        with open(path, "rb") as stream:
            if stream.read() == text:
                return
    except OSError:
        pass  # there is none yet
    if made_from is None and not exclude and not allow and not os.path.lexists(path):
        return  # nothing to say
    import tempfile

    try:
        os.makedirs(state, 0o700, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=state, prefix="hook-")
        with open(descriptor, "wb") as stream:
            stream.write(text)
        os.replace(temporary, path)
    except OSError:
        return  # hooks read the settings themselves then
