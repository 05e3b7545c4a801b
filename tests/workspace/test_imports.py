import os
from pathlib import Path

import pytest

from kioku.workspace.imports import DEPENDENCIES_MAX, dependencies


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


def test_python_imports_become_files(tmp_path: Path) -> None:
    make(tmp_path, "src/app/__init__.py", "src/app/main.py", "src/app/models.py", "src/app/web/__init__.py")
    make(tmp_path, "src/app/web/views.py", "src/app/times.py", "tools.py", "src/app/unused.py")
    text = """
import os, app.times
from app.web import views
from . import models
from .web import (
    views as v, other,
)
from ..tools import x
import tools
import missing.module
if True:
    from app.web import *
"""
    assert dependencies(str(tmp_path), "src/app/main.py", text) == [
        "src/app/models.py",
        "src/app/times.py",
        "src/app/web/__init__.py",
        "src/app/web/views.py",
        "tools.py",
    ]


def test_python_imports_are_found_beside_a_script_and_in_a_flat_package(tmp_path: Path) -> None:
    make(tmp_path, "scripts/run.py", "scripts/helper.py", "pkg/__init__.py", "pkg/a.py", "pkg/b.py")
    assert dependencies(str(tmp_path), "scripts/run.py", "import helper, pkg.a") == ["pkg/a.py", "scripts/helper.py"]
    assert dependencies(str(tmp_path), "pkg/b.py", "from pkg import a\nfrom pkg import NAME") == [
        "pkg/__init__.py",
        "pkg/a.py",
    ]


def test_a_python_file_that_does_not_parse_is_scanned_by_line(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "b.py", "pkg/__init__.py", "pkg/c.py")
    text = "import a, b as x\nfrom pkg import c as d, (\nfrom .b import x\ndef broken(:\n"
    assert dependencies(str(tmp_path), "main.py", text) == ["a.py", "b.py", "pkg/c.py"]


@pytest.mark.filterwarnings("error")
def test_warnings_about_the_text_stay_inside(tmp_path: Path) -> None:
    make(tmp_path, "a.py")
    assert dependencies(str(tmp_path), "main.py", "import a\nx = '\\d' is 3\n") == ["a.py"]


def test_script_imports_become_files(tmp_path: Path) -> None:
    make(tmp_path, "web/app.ts", "web/util.ts", "web/parts/index.tsx", "web/data.json", "lib/old.js", "web/lazy.mjs")
    make(tmp_path, "web/typed.ts", "web/side.js", "web/commented.js", "web/again.ts")
    text = """
import { a } from './util'
import type { T } from "./typed.js";
import './side.js'
export * from './again'
const parts = require('./parts'), data = require( "./data.json" )
const lazy = await import('./lazy.mjs?x=1')
import old from '../lib/old'
import react from 'react'
import out from '../../outside'
// import c from './commented'
"""
    assert dependencies(str(tmp_path), "web/app.ts", text) == [
        *("lib/old.js", "web/again.ts", "web/data.json", "web/lazy.mjs", "web/parts/index.tsx", "web/side.js"),
        *("web/typed.ts", "web/util.ts"),
    ]


def test_aliases_of_the_nearest_tsconfig_are_followed(tmp_path: Path) -> None:
    make(tmp_path, "web/src/a.ts", "web/src/models/user.ts", "web/src/env.ts", "web/src/plain.ts")
    (tmp_path / "web" / "tsconfig.json").write_text(
        """{ // the project's
  "compilerOptions": {
    "baseUrl": "./src", /* of all */
    "paths": { "@/*": ["./*"], "~env": ["env.ts"], "bad": [7], "out/*": ["../../../*"], },
  }, }"""
    )
    text = "import '@/models/user'; import '~env'; import 'plain'; import 'out/etc/passwd'; import 'bad'"
    expected = ["web/src/env.ts", "web/src/models/user.ts", "web/src/plain.ts"]
    assert dependencies(str(tmp_path), "web/src/a.ts", text) == expected
    for rubbish in ("", "[", "[]", '{"compilerOptions": 3}', "[" * 60_000, '{"compilerOptions": {"paths": []}}', '"'):
        (tmp_path / "web" / "tsconfig.json").write_text(rubbish)
        assert dependencies(str(tmp_path), "web/src/a.ts", text) == []


def test_go_imports_become_the_files_of_the_package(tmp_path: Path) -> None:
    make(tmp_path, "svc/cmd/main.go", "svc/store/db.go", "svc/store/db_test.go", "svc/store/x.txt", "svc/api/api.go")
    (tmp_path / "svc" / "go.mod").write_text("module example.org/svc // it\n\ngo 1.22\n")
    text = """package main
import "fmt"
import api "example.org/svc/api"
import (
    "os"
    db "example.org/svc/store"
    // "example.org/svc/cmd"
    "example.org/svcother"
    "example.org/svc/../../etc"
)
"""
    assert dependencies(str(tmp_path), "svc/cmd/main.go", text) == ["svc/api/api.go", "svc/store/db.go"]
    assert dependencies(str(tmp_path), "elsewhere/main.go", text) == []


def test_rust_modules_and_uses_become_files(tmp_path: Path) -> None:
    make(tmp_path, "Cargo.toml", "src/main.rs", "src/net/mod.rs", "src/net/tcp.rs", "src/net/tcp/frame.rs")
    make(tmp_path, "src/config.rs", "src/util.rs")
    main = """
mod net;
pub(crate) mod config;
mod absent;
use crate::{util::{self, X as net}, net::tcp::Conn};
use std::fs;
"""
    assert dependencies(str(tmp_path), "src/main.rs", main) == [
        *("src/config.rs", "src/net/mod.rs", "src/net/tcp.rs", "src/util.rs"),
    ]
    inner = "mod frame;\nuse super::super::config::Y;\nuse self::frame::Frame;"
    assert dependencies(str(tmp_path), "src/net/tcp.rs", inner) == ["src/config.rs", "src/net/tcp/frame.rs"]


def test_links_and_other_kinds_of_file_are_no_dependencies(tmp_path: Path) -> None:
    root, outside = tmp_path / "proj", tmp_path / "outside"
    make(root, "main.py", "real/x.py")
    make(outside, "secret.py")
    (root / "linked.py").symlink_to(outside / "secret.py")
    (root / "folder").symlink_to(outside)
    (root / "tsconfig.json").symlink_to(outside / "secret.py")
    os.mkfifo(root / "pipe.py")
    os.mkfifo(root / "go.mod")
    text = "import linked, folder.secret, pipe, real.x\nfrom ...outside import secret"
    assert dependencies(str(root), "main.py", text) == ["real/x.py"]
    assert dependencies(str(root), "main.ts", "import './linked.py'; import './folder/secret.py'; import 'x'") == []
    assert dependencies(str(root), "main.go", 'import "x/y"') == []


def test_other_files_have_no_dependencies(tmp_path: Path) -> None:
    make(tmp_path, "a.py")
    assert dependencies(str(tmp_path), "readme.md", "import a") == []
    assert dependencies(str(tmp_path), "a.py", "import a") == []


def test_at_most_fifty_files_are_named(tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(80)]
    make(tmp_path, *(f"{name}.py" for name in names))
    found = dependencies(str(tmp_path), "main.py", "import " + ", ".join(names))
    assert len(found) == DEPENDENCIES_MAX
    assert found == sorted(found)


@pytest.mark.parametrize("name", ["x.py", "x.ts", "x.go", "x.rs"])
@pytest.mark.parametrize(
    "unit",
    [
        *(
            "import (\n",
            "import ",
            "from ",
            "from a import (",
            "(",
            "[",
            "-",
            "a.b",
            "use crate::{",
            "mod \t",
            " " * 50,
        ),
        *('import "', "require(", "import\t" * 3 + '"', "\0", "\ud800", "import a" + ".a" * 40 + "\n", "pub(x" * 9),
    ],
)
def test_hostile_text_is_answered(tmp_path: Path, name: str, unit: str) -> None:
    make(tmp_path, "Cargo.toml")
    (tmp_path / "go.mod").write_text("module a\n")
    assert dependencies(str(tmp_path), name, unit * (300_000 // len(unit))) == []
