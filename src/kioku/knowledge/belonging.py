"""To which module of the project a file belongs."""

import os
from collections.abc import Callable, Mapping

from kioku.knowledge.project_yaml import ModuleEntry, load


def of_project(context_dir: str) -> Callable[[str], str | None] | None:
    """Return the function that names a path's module in a project; None where it has not been scanned.

    Raises KiokuError for a project file that cannot be read.
    """
    path = os.path.join(context_dir, "project.yaml")
    return belonging(load(path).modules) if os.path.lexists(path) else None


def belonging(modules: Mapping[str, ModuleEntry]) -> Callable[[str], str | None]:
    """Return the function that names the module of a path: the innermost whose folder it is in, or None.

    Paths are relative to the project, with slashes.
    """
    folders = {_plain(module.path): name for name, module in modules.items() if module.path is not None}

    def module_of(path: str) -> str | None:
        folder = _plain(path)
        while folder:
            if folder in folders:
                return folders[folder]
            folder = folder.rpartition("/")[0]
        return folders.get("")

    return module_of


def _plain(path: str) -> str:
    return "/".join(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))
