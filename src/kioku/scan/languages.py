"""What a file's name says about its language and its role.

Names only: no file is opened here, so the answers cost nothing and cannot be attacked.
"""

_ENDINGS = {
    "Python": "py pyi pyx",
    "JavaScript": "js jsx mjs cjs",
    "TypeScript": "ts tsx mts cts",
    "Vue": "vue",
    "Svelte": "svelte",
    "Go": "go",
    "Rust": "rs",
    "Java": "java",
    "Kotlin": "kt kts",
    "Scala": "scala",
    "Groovy": "groovy",
    "C": "c",
    "C++": "cc cpp cxx c++ hpp hh hxx ipp",
    "C or C++": "h",
    "Objective-C": "m mm",
    "C#": "cs",
    "Swift": "swift",
    "Ruby": "rb",
    "PHP": "php",
    "Lua": "lua",
    "Dart": "dart",
    "Elixir": "ex exs",
    "Haskell": "hs",
    "Zig": "zig",
    "Shell": "sh bash zsh",
    "SQL": "sql",
}
_BY_ENDING = {ending: language for language, endings in _ENDINGS.items() for ending in endings.split()}
_GENERATED = (
    ".min.js",
    ".d.ts",
    "_pb2.py",
    "_pb2_grpc.py",
    ".pb.go",
    "_generated.go",
    ".gen.go",
    ".bundle.js",
)
_BUILD_SCRIPTS = frozenset(
    {"setup.py", "conftest.py", "noxfile.py", "build.rs", "package-info.java", "module-info.java"}
)

# In order of preference. `index` and `__init__` gather what others import; the rest start a program.
ENTRY_POINTS = (
    *("__main__.py", "main.py", "app.py", "server.py", "cli.py", "manage.py", "asgi.py", "wsgi.py"),
    *("main.ts", "main.tsx", "server.ts", "app.ts", "cli.ts", "index.ts", "index.tsx", "App.tsx"),
    *(
        "main.js",
        "main.jsx",
        "server.js",
        "app.js",
        "cli.js",
        "index.js",
        "index.jsx",
        "index.mjs",
        "App.vue",
    ),
    *("main.go", "main.rs", "lib.rs", "Main.java", "App.java", "Main.kt", "Application.kt"),
    *("main.c", "main.cpp", "main.cc", "main.cxx"),
)
_ENTRY_RANK = {name: rank for rank, name in enumerate(ENTRY_POINTS)}


def language_of(name: str) -> str | None:
    """Return the language that a file's name shows; `.h` is "C or C++" until its neighbours decide."""
    stem, dot, ending = name.rpartition(".")
    return _BY_ENDING.get(ending.lower()) if dot and stem else None


def entry_rank(name: str) -> int | None:
    """Return how likely a program starts in a file of this name: 0 is the likeliest, None never."""
    if name.endswith(("Application.java", "Application.kt")):
        return 0
    return _ENTRY_RANK.get(name)


def is_support(name: str) -> bool:
    """Tell whether a file is a test, generated, or part of the build, and not what a module is about."""
    stem = name.partition(".")[0]
    if (
        name.startswith(".")
        or name in _BUILD_SCRIPTS
        or name.endswith(_GENERATED)
        or ".config." in name
        or ".gradle" in name
    ):
        return True
    return (
        stem.startswith("test_")
        or stem.endswith(("_test", "_spec", "Test", "Tests"))
        or ".test." in name
        or ".spec." in name
        or ".stories." in name
    )
