"""To which module of the project a file belongs."""

from collections.abc import Callable, Mapping

from kioku.knowledge.project_yaml import ModuleEntry


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
