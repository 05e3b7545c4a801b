"""The facts that we take from a manifest, whatever its format.

A manifest is a stranger's text. A parsed document may hold any type anywhere: the functions here turn a value
into the type that is needed, or into nothing.
"""

import msgspec


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one manifest.

    `dependencies` are needed to run, `tools` only to develop. `members` are glob patterns, relative to the
    manifest's folder, of the packages that it gathers. `entries` are files that it names as starting points.
    `defines` tells whether the file makes its folder a package of its own. `managers` are the package
    managers that it asks for.
    """

    ecosystem: str
    name: str | None = None
    description: str | None = None
    dependencies: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()
    runs: bool = False  # it declares a command or a program
    serves_others: bool = False  # it declares something that others import or link
    defines: bool = True


def text(value: object) -> str | None:
    """Return the value if it is text with something in it."""
    return value if isinstance(value, str) and value.strip() else None


def table(value: object) -> dict[str, object]:
    """Return the value if it is a table, else an empty one."""
    return value if isinstance(value, dict) else {}


def texts(value: object) -> tuple[str, ...]:
    """Return the texts in a list; what is no list holds none."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def value_at(value: object, *keys: str) -> object:
    """Return the value at the end of a path of keys, None when a step is missing."""
    for key in keys:
        value = table(value).get(key)
    return value
