"""Reading a manifest of any kind.

The invariant: `read_manifest` answers with facts or with a reason, never with an exception.
"""

import os
from collections.abc import Callable

from kioku.errors import KiokuError
from kioku.scan import build_files, package_files
from kioku.scan.manifest import Manifest
from kioku.scan.tree import reason_of
from kioku.workspace.plain_files import read_plain
from kioku.workspace.untrusted_text import one_line

MAX_BYTES = 1_000_000

_READERS: dict[str, Callable[[str], Manifest]] = {
    "pyproject.toml": package_files.read_pyproject,
    "setup.py": package_files.read_setup_py,
    "setup.cfg": package_files.read_setup_cfg,
    "requirements.txt": package_files.read_requirements_txt,
    "Pipfile": package_files.read_pipfile,
    "package.json": package_files.read_package_json,
    "pnpm-workspace.yaml": package_files.read_pnpm_workspace,
    "Cargo.toml": package_files.read_cargo,
    "go.mod": build_files.read_go_mod,
    "go.work": build_files.read_go_work,
    "pom.xml": build_files.read_pom,
    "build.gradle": build_files.read_gradle,
    "build.gradle.kts": build_files.read_gradle,
    "settings.gradle": build_files.read_gradle_settings,
    "settings.gradle.kts": build_files.read_gradle_settings,
    "CMakeLists.txt": build_files.read_cmake,
    "meson.build": build_files.read_meson,
    "Makefile": build_files.read_makefile,
    "GNUmakefile": build_files.read_makefile,
    "conanfile.txt": build_files.read_conanfile,
    "conanfile.py": build_files.read_conanfile,
    "vcpkg.json": build_files.read_vcpkg,
}


def is_manifest(name: str) -> bool:
    """Tell whether a file of this name is a manifest that we read."""
    return name in _READERS


def read_manifest(root: str, path: str) -> Manifest | str:
    """Return the manifest's facts, or in one short sentence why there are none."""
    try:
        data = read_plain(os.path.join(root, *path.split("/")), MAX_BYTES)
        return _READERS[path.rpartition("/")[2]](data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return "it is not UTF-8 text"
    except RecursionError:
        return "it is nested too deeply"
    except (OSError, KiokuError) as error:
        return one_line(reason_of(error))
    except (ValueError, SyntaxError) as error:  # tomllib, json; ElementTree's ParseError is a SyntaxError
        return one_line(f"it cannot be understood: {error}", 120)
