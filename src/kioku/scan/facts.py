"""What a scan says about a repository."""

from typing import Literal

import msgspec

from kioku.scan.tree import Warned

# monorepo: several packages in one repository. web-app: it has pages. service: it answers requests. cli: it
# declares a command. application: it builds a program of another kind. library: others import or link it.
# unknown: nothing says.
ProjectType = Literal["monorepo", "web-app", "service", "cli", "application", "library", "unknown"]


class LanguageCount(msgspec.Struct, frozen=True, kw_only=True):
    """A language and how many of the repository's files are written in it."""

    name: str
    files: int


class ModuleFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the project: a package of a monorepo, or a folder of its source.

    `name` is unique in the project. `path` is relative to the root, `.` for the root itself. `key_files` are
    at most five paths from the root, starting points first. `description` is one line that a stranger wrote.
    """

    name: str
    path: str
    language: str
    files: int
    key_files: tuple[str, ...] = ()
    description: str | None = None


class ProjectFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. Languages are sorted by files, modules by path; `warnings` says what was left out."""

    name: str
    type: ProjectType
    languages: tuple[LanguageCount, ...]
    stack: tuple[str, ...]
    package_managers: tuple[str, ...]
    architecture: str
    modules: tuple[ModuleFacts, ...]
    warnings: tuple[Warned, ...] = ()
