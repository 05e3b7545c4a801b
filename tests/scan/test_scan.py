"""What a scan says about small, real repositories of each kind."""

import os
from pathlib import Path

import pytest
from scripts.benchmarks.tree import make_tree

from kioku.errors import ProjectError
from kioku.scan.facts import ModuleFacts, ProjectFacts
from kioku.scan.scan import scan


def write(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="")
    return root


def module(facts: ProjectFacts, name: str) -> ModuleFacts:
    return next(module for module in facts.modules if module.name == name)


def paths(facts: ProjectFacts) -> list[str]:
    return [module.path for module in facts.modules]


def test_a_python_service_with_layers_is_recognised(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "pyproject.toml": '[project]\nname = "orders"\ndescription = "Takes orders."\n'
            'dependencies = ["fastapi>=0.110", "SQLAlchemy[asyncio]~=2.0"]\n'
            '[project.optional-dependencies]\ndev = ["pytest"]\n',
            "uv.lock": "version = 1\n",
            "src/orders/__init__.py": '"""Orders: from basket to invoice."""\n',
            "src/orders/main.py": "app = FastAPI()\n",
            "src/orders/domain/__init__.py": '"""What an order is."""\n',
            "src/orders/domain/order.py": "class Order: ...\n" * 30,
            "src/orders/infrastructure/db.py": "engine = 1\n" * 10,
            "src/orders/api/routes.py": "router = 1\n",
            "tests/test_order.py": "def test(): ...\n",
        },
    )
    facts = scan(str(tmp_path))
    assert (facts.name, facts.type, facts.package_managers) == ("orders", "service", ("uv",))
    assert facts.stack == ("FastAPI", "pytest", "SQLAlchemy") or facts.stack == ("FastAPI", "SQLAlchemy", "pytest")
    assert facts.architecture == "layered (src/orders/{domain,infrastructure})"
    assert [(language.name, language.files) for language in facts.languages] == [("Python", 7)]
    assert paths(facts) == ["src/orders", "src/orders/api", "src/orders/domain", "src/orders/infrastructure"]
    assert module(facts, "orders").key_files[0] == "src/orders/main.py"
    assert module(facts, "orders").description == "Orders: from basket to invoice."
    assert module(facts, "domain").description == "What an order is."
    assert module(facts, "domain").files == 2
    assert facts.warnings == ()


@pytest.mark.parametrize(
    ("files", "manager"),
    [
        ({"requirements.txt": "flask==3.0\n# comment\n-r other.txt\n"}, "pip"),
        ({"pyproject.toml": '[tool.poetry]\nname = "a"\n[tool.poetry.dependencies]\nflask = "^3"\n'}, "poetry"),
        ({"pyproject.toml": '[project]\nname = "a"\ndependencies = ["flask"]\n', "pdm.lock": ""}, "pdm"),
        ({"Pipfile": '[packages]\nflask = "*"\n'}, "pipenv"),
        ({"setup.cfg": "[metadata]\nname = a\n[options]\ninstall_requires =\n  flask>=2\n"}, "pip"),
        ({"setup.py": "setup(name='a', install_requires=['flask'])\n"}, "pip"),
    ],
)
def test_each_way_to_declare_a_python_dependency_is_read(tmp_path: Path, files: dict[str, str], manager: str) -> None:
    facts = scan(str(write(tmp_path, {**files, "app.py": "app = 1\n"})))
    assert facts.package_managers == (manager,)
    assert "Flask" in facts.stack
    assert facts.type == "service"


def test_a_python_command_names_the_file_it_starts_in_first(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "pyproject.toml": '[project]\nname = "tool"\n[project.scripts]\ntool = "tool.entrance:main"\n'
            '[build-system]\nbuild-backend = "hatchling.build"\n',
            "src/tool/__init__.py": "",
            "src/tool/entrance.py": "def main(): ...\n",
            "src/tool/large.py": "x = 1\n" * 500,
            "src/tool/test_large.py": "x = 1\n" * 900,
        },
    )
    facts = scan(str(tmp_path))
    assert facts.type == "cli"
    assert module(facts, "tool").key_files == ("src/tool/entrance.py", "src/tool/large.py")


@pytest.mark.parametrize(
    ("dependency", "lock", "name", "kind", "manager"),
    [
        ("next", "pnpm-lock.yaml", "Next.js", "web-app", "pnpm"),
        ("react", "yarn.lock", "React", "web-app", "yarn"),
        ("express", "package-lock.json", "Express", "service", "npm"),
        ("fastify", "bun.lock", "Fastify", "service", "bun"),
    ],
)
def test_a_javascript_project_is_known_by_its_framework_and_lock_file(
    tmp_path: Path, dependency: str, lock: str, name: str, kind: str, manager: str
) -> None:
    write(
        tmp_path,
        {
            "package.json": f'{{"name": "shop", "dependencies": {{"{dependency}": "1"}},'
            ' "devDependencies": {"typescript": "5", "vitest": "3"}}',
            lock: "",
            "src/index.ts": "export {};\n",
            "src/components/Basket.tsx": "export const Basket = 1;\n" * 9,
            "src/components/Basket.test.tsx": "test;\n" * 90,
            "vite.config.ts": "export default {};\n",
            "node_modules/react/index.js": "x\n",
            "dist/bundle.js": "x\n",
        },
    )
    facts = scan(str(tmp_path))
    assert (facts.name, facts.type, facts.package_managers) == ("shop", kind, (manager,))
    assert facts.stack == (name, "TypeScript", "Vitest")
    assert facts.languages[0].name == "TypeScript"
    assert "JavaScript" not in [language.name for language in facts.languages]
    assert module(facts, "components").key_files == ("src/components/Basket.tsx",)


def test_a_component_library_that_only_expects_react_is_a_library(tmp_path: Path) -> None:
    manifest = '{"name": "kit", "main": "dist/index.js", "peerDependencies": {"react": "19"}}'
    facts = scan(str(write(tmp_path, {"package.json": manifest, "src/index.tsx": "export {};\n"})))
    assert (facts.type, facts.stack) == ("library", ("React",))


def test_a_go_service_has_a_module_for_each_command_and_inner_package(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "go.mod": "module example.org/acme/gate\n\ngo 1.24\n\nrequire (\n\tgithub.com/gin-gonic/gin v1.10.0\n"
            "\tgithub.com/labstack/echo/v4 v4.1.0 // indirect\n)\n",
            "cmd/gate/main.go": "package main\n",
            "internal/auth/doc.go": "// Package auth checks who is asking.\npackage auth\n",
            "internal/auth/token.go": "package auth\n",
            "internal/auth/token_test.go": "package auth\n",
            "internal/rate/rate.go": "package rate\n",
            "vendor/example.org/x/x.go": "package x\n",
        },
    )
    facts = scan(str(tmp_path))
    assert (facts.name, facts.type) == ("example.org/acme/gate", "service")
    assert (facts.package_managers, facts.stack) == (("go",), ("Gin",))
    assert paths(facts) == ["cmd/gate", "internal/auth", "internal/rate"]
    assert module(facts, "auth").description == "Package auth checks who is asking."
    assert module(facts, "gate").key_files == ("cmd/gate/main.go",)
    assert facts.architecture == "modular (internal/{auth,rate})"


def test_a_go_program_without_a_framework_is_a_command_and_without_main_a_library(tmp_path: Path) -> None:
    program = write(tmp_path / "a", {"go.mod": "module example.org/a\n", "main.go": "package main\n"})
    library = write(tmp_path / "b", {"go.mod": "module example.org/b\n", "b.go": "package b\n"})
    assert scan(str(program)).type == "cli"
    assert scan(str(library)).type == "library"


def test_a_cargo_workspace_is_a_monorepo_of_its_members(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\nexclude = ["crates/old"]\n'
            '[workspace.dependencies]\ntokio = "1"\n',
            "crates/core/Cargo.toml": '[package]\nname = "acme-core"\ndescription = "The rules."\n',
            "crates/core/src/lib.rs": "//! Rules.\n",
            "crates/server/Cargo.toml": '[package]\nname = "acme-server"\n[dependencies]\naxum = "0.8"\n',
            "crates/server/src/main.rs": "fn main() {}\n",
            "crates/server/src/routes.rs": "// routes\n" * 20,
            "target/debug/build.rs": "x\n",
        },
    )
    facts = scan(str(tmp_path))
    assert (facts.type, facts.architecture) == ("monorepo", "monorepo (crates/*)")
    assert facts.package_managers == ("cargo",)
    assert facts.stack == ("Axum", "Tokio")
    assert paths(facts) == ["crates/core", "crates/server"]
    assert module(facts, "core").description == "The rules."
    assert module(facts, "server").key_files == ("crates/server/src/main.rs", "crates/server/src/routes.rs")


def test_a_single_crate_is_a_library_or_a_command_by_what_it_holds(tmp_path: Path) -> None:
    manifest = '[package]\nname = "x"\n'
    library = write(tmp_path / "a", {"Cargo.toml": manifest, "src/lib.rs": "//! Reads things.\n"})
    command = write(tmp_path / "b", {"Cargo.toml": manifest, "src/main.rs": "fn main() {}\n"})
    assert (scan(str(library)).type, scan(str(library)).architecture) == ("library", "single package")
    assert scan(str(command)).type == "cli"


POM = """<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <parent><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-parent</artifactId></parent>
  <artifactId>{name}</artifactId><description>{text}</description>{rest}
  <dependencies><dependency><groupId>org.projectlombok</groupId><artifactId>lombok</artifactId></dependency>
  </dependencies>
</project>
"""


def test_a_maven_project_shows_its_packages_below_the_common_ones(tmp_path: Path) -> None:
    base = "src/main/java/com/acme/shop"
    write(
        tmp_path,
        {
            "pom.xml": POM.format(name="shop", text="A shop.", rest=""),
            f"{base}/ShopApplication.java": "class ShopApplication {}\n",
            f"{base}/controller/OrderController.java": "class OrderController {}\n",
            f"{base}/service/OrderService.java": "class OrderService {}\n",
            "src/test/java/com/acme/shop/ShopTest.java": "class ShopTest {}\n",
        },
    )
    facts = scan(str(tmp_path))
    assert (facts.name, facts.type, facts.package_managers) == ("shop", "service", ("maven",))
    assert facts.stack == ("Spring Boot", "Lombok", "Maven")
    assert facts.architecture == f"layered ({base}/{{controller,service}})"
    assert module(facts, "shop").key_files[0] == f"{base}/ShopApplication.java"


def test_maven_modules_and_gradle_includes_make_monorepos(tmp_path: Path) -> None:
    maven = write(
        tmp_path / "maven",
        {
            "pom.xml": POM.format(
                name="all", text="", rest="<modules><module>api</module><module>core</module></modules>"
            ),
            "api/pom.xml": POM.format(name="api", text="Speaks to the world.", rest=""),
            "api/src/main/java/Api.java": "class Api {}\n",
            "core/pom.xml": POM.format(name="core", text="", rest=""),
            "core/src/main/java/Core.java": "class Core {}\n",
        },
    )
    gradle = write(
        tmp_path / "gradle",
        {
            "settings.gradle.kts": 'rootProject.name = "both"\ninclude(":app", ":lib:core")\n',
            "app/build.gradle.kts": 'plugins { id("io.ktor.plugin")\n id("application") }\n'
            'dependencies { implementation("io.micronaut:micronaut-http:4.0") }\n',
            "app/src/main/kotlin/Main.kt": "fun main() {}\n",
            "lib/core/build.gradle.kts": "plugins { `java-library` }\n",
            "lib/core/src/main/kotlin/Core.kt": "class Core\n",
        },
    )
    first, second = scan(str(maven)), scan(str(gradle))
    assert (first.type, paths(first)) == ("monorepo", ["api", "core"])
    assert module(first, "api").description == "Speaks to the world."
    assert (second.name, second.type, paths(second)) == ("both", "monorepo", ["app", "lib/core"])
    assert second.package_managers == ("gradle",)
    assert "Micronaut" in second.stack


def test_a_cmake_program_is_an_application_and_headers_are_cpp_beside_cpp(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "CMakeLists.txt": 'project(Viewer VERSION 1.0 DESCRIPTION "Shows pictures" LANGUAGES CXX)\n'
            "find_package(Qt6 REQUIRED)\nadd_subdirectory(src/engine)\nadd_executable(viewer src/main.cpp)\n",
            "conanfile.txt": "[requires]\nfmt/10.2.1\n",
            "src/main.cpp": "int main() {}\n",
            "src/engine/CMakeLists.txt": "add_library(engine engine.cpp)\n",
            "src/engine/engine.cpp": "void run() {}\n" * 5,
            "src/engine/engine.h": "void run();\n",
        },
    )
    facts = scan(str(tmp_path))
    assert (facts.name, facts.type) == ("Viewer", "application")
    assert facts.package_managers == ("cmake", "conan")
    assert facts.stack == ("fmt", "Qt", "CMake")
    assert [(language.name, language.files) for language in facts.languages] == [("C++", 3)]
    assert "src/engine" in paths(facts)


def test_meson_and_make_builds_of_c_are_recognised(tmp_path: Path) -> None:
    meson = write(
        tmp_path / "meson",
        {"meson.build": "project('codec', 'c')\nlibrary('codec', 'codec.c')\n", "codec.c": "int x;\n", "codec.h": ""},
    )
    make = write(
        tmp_path / "make",
        {"Makefile": "CFLAGS = -O2\ntool: main.c\n\t$(CC) -o $@ main.c\n", "main.c": "int main(void) {}\n"},
    )
    first, second = scan(str(meson)), scan(str(make))
    assert (first.name, first.type, first.package_managers) == ("codec", "library", ("meson",))
    assert [language.name for language in first.languages] == ["C"]
    assert (second.type, second.package_managers, second.stack) == ("application", ("make",), ("Make",))


def test_a_makefile_that_only_gathers_commands_makes_no_c_project(tmp_path: Path) -> None:
    facts = scan(str(write(tmp_path, {"Makefile": "test:\n\tpytest\n", "tool.py": "x = 1\n"})))
    assert (facts.package_managers, facts.stack, facts.type) == ((), (), "unknown")


def test_a_mixed_monorepo_lists_every_package_with_its_own_language(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "package.json": '{"name": "acme", "private": true, "packageManager": "pnpm@9.1.0"}',
            "pnpm-workspace.yaml": "# ours\npackages:\n  - 'apps/*'   # programs\n  - \"!apps/old\"\n",
            "apps/web/package.json": '{"name": "@acme/web", "dependencies": {"next": "15"}}',
            "apps/web/src/app.ts": "export {};\n",
            "services/api/pyproject.toml": '[project]\nname = "api"\ndependencies = ["fastapi"]\n',
            "services/api/README.md": "# API\n\n[![badge](x)](y)\n\nAnswers what the pages ask.\n",
            "services/api/main.py": "app = 1\n",
            "services/gate/go.mod": "module example.org/gate\n",
            "services/gate/main.go": "package main\n",
            "engine/Cargo.toml": '[package]\nname = "engine"\n',
            "engine/src/lib.rs": "//! Counts.\n",
            "examples/hello/package.json": '{"name": "hello"}',
            "examples/hello/index.js": "x\n",
        },
    )
    facts = scan(str(tmp_path))
    assert (facts.name, facts.type) == ("acme", "monorepo")
    assert {each.name: each.language for each in facts.modules} == {
        "web": "TypeScript",
        "engine": "Rust",
        "api": "Python",
        "gate": "Go",
    }
    assert facts.architecture == "monorepo (apps/web, engine, services/*)"
    assert facts.package_managers == ("cargo", "go", "pip", "pnpm")
    assert facts.stack == ("FastAPI", "Next.js")
    assert module(facts, "api").description == "Answers what the pages ask."


@pytest.mark.parametrize(
    ("files", "members"),
    [
        (
            {
                "package.json": '{"workspaces": {"packages": ["examples/*"]}}',
                "examples/a/package.json": "{}",
                "examples/a/a.js": "x",
                "examples/b/package.json": "{}",
                "examples/b/b.js": "x",
            },
            ["examples/a", "examples/b"],
        ),
        (
            {
                "go.work": "go 1.24\n\nuse (\n\t./tools/x // one\n\t./y\n)\n",
                "tools/x/go.mod": "module x\n",
                "tools/x/x.go": "package x\n",
                "y/go.mod": "module y\n",
                "y/y.go": "package y\n",
            },
            ["tools/x", "y"],
        ),
        (
            {
                "pyproject.toml": '[tool.uv.workspace]\nmembers = ["**/lib-*"]\nexclude = ["**/lib-c"]\n',
                "docs/lib-a/pyproject.toml": '[project]\nname = "a"\n',
                "docs/lib-a/a.py": "x",
                "docs/in/lib-b/pyproject.toml": '[project]\nname = "b"\n',
                "docs/in/lib-b/b.py": "x",
                "docs/lib-c/pyproject.toml": '[project]\nname = "c"\n',
                "docs/lib-c/c.py": "x",
            },
            ["docs/in/lib-b", "docs/lib-a"],
        ),
    ],
)
def test_a_workspace_may_name_packages_in_folders_that_are_otherwise_left_aside(
    tmp_path: Path, files: dict[str, str], members: list[str]
) -> None:
    assert paths(scan(str(write(tmp_path, files)))) == members


def test_folders_of_the_same_name_are_told_apart_by_their_path(tmp_path: Path) -> None:
    files = {
        f"{side}/core/{name}": "{}" if "." in name else "" for side in "ab" for name in ("package.json", "core.js")
    }
    facts = scan(str(write(tmp_path, files)))
    assert [each.name for each in facts.modules] == ["a/core", "b/core"]


def test_what_nothing_shows_is_unknown_and_an_empty_folder_has_no_modules(tmp_path: Path) -> None:
    facts = scan(str(tmp_path))
    assert (facts.name, facts.type, facts.architecture) == (tmp_path.name, "unknown", "unknown")
    assert (facts.modules, facts.languages, facts.package_managers) == ((), (), ())


def test_the_same_folder_gives_the_same_facts_twice(tmp_path: Path) -> None:
    make_tree(str(tmp_path), 600)
    assert sum(len(files) for _, _, files in os.walk(tmp_path)) == 600
    facts = scan(str(tmp_path))
    assert facts == scan(str(tmp_path))
    assert facts.type == "monorepo"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="nowhere"):
        scan(str(tmp_path / "nowhere"))
