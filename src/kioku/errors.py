"""The errors that Kioku raises on purpose.

One base class; each face (server, command line) translates it once. A message says what happened and to what;
`hint` says what to do next. Anything that is not a `KiokuError` is a defect of ours and is reported as one.
"""


class KiokuError(Exception):
    """Say what happened, to what, and what to do next.

    `exit_code` is what the command line ends with: 1 failed, 2 wrong usage.
    """

    exit_code = 1
    word = "failed"  # what an activity's detail says of it: never the message, which may quote anything

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message.removesuffix('.')} ({self.hint})" if self.hint else self.message


class UsageError(KiokuError):
    """The caller asked for something that cannot be understood."""

    exit_code = 2
    word = "misunderstood"


class SettingsError(UsageError):
    """A settings file or an environment variable holds something that Kioku does not accept."""


class ProjectError(KiokuError):
    """The project's folder cannot be found, or must not be used."""


class RefusedPathError(KiokuError):
    """A path leads, or may lead, out of the project, or to a file that Kioku must not open."""

    word = "refused"


class ToolError(KiokuError):
    """A tool could not do what it was asked for; the caller is told why."""


class EmbeddingError(KiokuError):
    """The model that search may use cannot be used. The message says why; full text answers all the same."""


class CancelledCallError(KiokuError):
    """The caller took its request back before the answer was ready."""


class StoreError(KiokuError):
    """The store cannot be read or written."""


class StoreBusyError(StoreError):
    """Another process kept the store locked for longer than we wait."""


class StoreDamagedError(StoreError):
    """The store's file is not a whole database."""


class ForeignStoreError(StoreError):
    """The store was made by a newer Kioku, or by somebody else."""


class StoreReadOnlyError(StoreError):
    """The store, or the folder it is in, cannot be written."""
