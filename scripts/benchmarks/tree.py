"""A made-up repository of any size, for timing the scan.

python scripts/benchmarks/tree.py 10000
"""

import os
import sys
import tempfile
import time

FILES_A_FOLDER = 25


def make_tree(folder: str, files: int = 10_000) -> None:
    """Write a monorepo of exactly `files` files: packages of three languages, each with its manifest."""
    written = 0

    def write(path: str, text: str) -> None:
        nonlocal written
        if written < files:
            target = os.path.join(folder, *path.split("/"))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            written += 1

    write("package.json", '{"name": "large", "private": true, "workspaces": ["packages/*"]}\n')
    write("package-lock.json", "{}\n")
    write(
        ".gitignore",
        "*.log\n*.tmp\n/tmp/\ngenerated/\n!keep.log\ndocs/**/*.html\n" + "".join(f"old-{n}*\n" for n in range(40)),
    )
    number = 0
    while written < files:
        base = f"packages/package-{number:04d}"
        ending = ("ts", "py", "go")[number % 3]
        manifest = (
            (
                "package.json",
                f'{{"name": "p{number}", "main": "src/index.ts", "dependencies": {{"express": "5"}}}}\n',
            ),
            ("pyproject.toml", f'[project]\nname = "p{number}"\ndependencies = ["fastapi"]\n'),
            ("go.mod", f"module example.org/p{number}\n\ngo 1.24\n"),
        )[number % 3]
        write(f"{base}/{manifest[0]}", manifest[1])
        write(f"{base}/.gitignore", "build-output/\n*.cache\n")
        for part in range(4):
            for each in range(FILES_A_FOLDER):
                write(f"{base}/src/part{part}/file{each}.{ending}", "x = 1\n" * (each + 1))
        number += 1


def main() -> None:
    """Make a tree, scan it five times, print the times."""
    from kioku.scan.scan import scan

    files = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        make_tree(folder, files)
        for _ in range(5):
            begun = time.perf_counter()
            facts = scan(folder)
            took = time.perf_counter() - begun
            print(f"{files:,} files, {len(facts.modules)} modules: {took * 1000:.0f} ms")


if __name__ == "__main__":
    main()
