"""`.context/project.yaml`: a person's file that the scan may add to."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from kioku.errors import ProjectError
from kioku.knowledge import yaml_file
from kioku.knowledge.project_yaml import Change, load, update
from kioku.knowledge.sayings import Saying
from kioku.scan.facts import LanguageCount, ModuleFacts, ProjectFacts
from kioku.workspace import plain_files

posix = pytest.mark.skipif(os.name == "nt", reason="links, pipes and modes are POSIX")


def a_module(name: str, description: str | None = "One line.", *keys: str) -> ModuleFacts:
    return ModuleFacts(
        name=name,
        path=f"src/{name}",
        language="Python",
        files=3,
        key_files=keys or (f"src/{name}/main.py", f"src/{name}/rest.py"),
        description=description,
    )


FACTS = ProjectFacts(
    name="shop",
    type="service",
    languages=(LanguageCount(name="Python", files=9),),
    stack=("FastAPI", "pytest", "SQLAlchemy"),
    package_managers=("uv",),
    architecture="layered (src/{domain,infrastructure})",
    modules=(a_module("domain"), a_module("api", "Speaks: to # everyone"), a_module("infrastructure", None)),
)
LATER = msgspec.structs.replace(
    FACTS,
    type="web-app",
    stack=("Django", "FastAPI", "SQLAlchemy"),
    package_managers=("npm", "uv"),
    architecture="modular (src/{api,domain,pages})",
    modules=(a_module("domain", "Says more now."), a_module("api", None, "src/api/new.py"), a_module("pages")),
)


@pytest.fixture
def file(project: Path) -> Path:
    """Return the path of a project.yaml that the scan has just written."""
    path = project / ".context" / "project.yaml"
    update(str(path), FACTS)
    return path


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_bytes().decode()
    assert old in text
    file.write_bytes(text.replace(old, new, 1).encode())


def test_the_first_scan_writes_a_private_file_that_can_be_read_back(project: Path) -> None:
    path = project / ".context" / "project.yaml"
    change = update(str(path), FACTS)
    assert (change.created, change.changed, change.backup) == (True, True, None)
    assert "+name: shop\n" in change.diff
    found = load(str(path))
    assert (found.name, found.type, found.stack) == ("shop", "service", FACTS.stack)
    assert (found.languages, found.package_manager) == (("Python",), ("uv",))
    assert found.architecture == FACTS.architecture
    assert list(found.modules) == ["domain", "api", "infrastructure"]
    assert found.modules["api"].description == "Speaks: to # everyone"
    assert found.modules["api"].key_files == ("src/api/main.py", "src/api/rest.py")
    assert found.modules["infrastructure"].description is None
    assert sorted(os.listdir(path.parent)) == ["project.yaml", "scan.json"]
    if os.name != "nt":
        assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}


def test_a_scan_that_finds_the_same_leaves_every_byte_and_makes_no_backup(file: Path) -> None:
    before = {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in file.parent.iterdir()}
    assert update(str(file), FACTS) == Change(created=False, changed=False, diff="", backup=None)
    assert {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in file.parent.iterdir()} == before


def test_what_nobody_touched_follows_the_disk_and_the_old_text_is_kept(file: Path) -> None:
    old = file.read_bytes()
    change = update(str(file), LATER)
    assert change.backup == str(file) + ".bak"
    assert Path(change.backup).read_bytes() == old
    fresh = file.parent.parent / "fresh" / ".context" / "project.yaml"
    os.makedirs(fresh.parent)
    update(str(fresh), LATER)
    assert load(str(file)) == load(str(fresh))
    assert update(str(file), LATER).changed is False


def test_dry_run_writes_nothing(project: Path, file: Path) -> None:
    before = {each.name: each.read_bytes() for each in file.parent.iterdir()}
    change = update(str(file), LATER, dry_run=True)
    assert (change.changed, change.backup) == (True, None)
    assert "-type: service\n+type: web-app\n" in change.diff
    assert {each.name: each.read_bytes() for each in file.parent.iterdir()} == before
    elsewhere = project / "other" / ".context" / "project.yaml"
    assert update(str(elsewhere), FACTS, dry_run=True).created is True
    assert not elsewhere.parent.exists()


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        ("type: service", "type: cli", "type: cli"),
        ("type: service", "type: 'cli'  # not a service", "type: 'cli'  # not a service"),
        ("name: shop", "name: &n Shop", "name: &n Shop"),
        ("  - pytest\n", "  - pytest\n  - Redis\n", "  - Redis\n"),
        ("  - pytest\n", "", "stack:\n  - FastAPI\n  - SQLAlchemy\n"),
        ("  - pytest\n", "  - pytest  # since 2019\n", "  - pytest  # since 2019\n"),
        ("  - FastAPI\n", "  # the web\n  - FastAPI\n", "  # the web\n"),
        ("package_manager: uv", "package_manager: [uv, pip]", "package_manager: [uv, pip]"),
        (
            "type: service",
            "type: service\nowner: Ann\n\nlinks: {docs: https://x.y}\n",
            "owner: Ann\n\nlinks: {docs: https",
        ),
        (
            "architecture: layered (src/{domain,infrastructure})",
            "architecture: >-\n  two\n  lines",
            ">-\n  two\n  lines",
        ),
        ("modules:\n", "# ours\nmodules:\n", "# ours\nmodules:\n"),
        (
            "    path: src/domain\n",
            "    path: src/domain\n    rules:\n    - never sell\n",
            "    rules:\n    - never sell\n",
        ),
        ("  infrastructure:\n", "  # old, but ours\n  infrastructure:\n", "  # old, but ours\n"),
        (
            "    path: src/infrastructure\n",
            "    path: src/infrastructure # keep\n",
            "  infrastructure:\n    path: src/infrastructure # keep\n    key_files:\n      - src/inf",
        ),
        (
            "    path: src/infrastructure\n",
            "    path: src/infrastructure\n    issues: [slow]\n",
            "    path: src/infrastructure\n    issues: [slow]\n    key_files:",
        ),
        ("modules:\n", "modules:\n  mine:\n    path: lib/mine\n", "modules:\n  mine:\n    path: lib/mine\n"),
        ("description: One line.", 'description: "Mine \\u00e9"', 'description: "Mine \\u00e9"'),
        ("name: shop", "name:    shop   # name", "name:    shop   # name"),
        ("name: shop", "---\nname: shop", "---\nname: shop"),
    ],
)
def test_a_persons_edit_survives_a_scan_that_finds_much_else(file: Path, old: str, new: str, kept: str) -> None:
    edit(file, old, new)
    update(str(file), LATER)
    text = file.read_text(encoding="utf-8")
    assert kept in text
    assert "pages:" in text
    assert update(str(file), LATER).changed is False
    update(str(file), FACTS)
    assert kept in file.read_text(encoding="utf-8")


DOMAIN = (
    "  domain:\n    path: src/domain\n    description: One line.\n"
    "    key_files:\n      - src/domain/main.py\n      - src/domain/rest.py\n"
)


@pytest.mark.parametrize(
    "deleted",
    [
        "type: service\n",
        "stack:\n  - FastAPI\n  - pytest\n  - SQLAlchemy\n",
        DOMAIN,
        "    description: One line.\n",
    ],
)
def test_what_a_person_deleted_stays_deleted(file: Path, deleted: str) -> None:
    edit(file, deleted, "")
    after = file.read_bytes()
    assert update(str(file), FACTS).changed is False
    assert file.read_bytes() == after
    update(str(file), LATER)
    key = deleted.splitlines()[0].split(":")[0]
    section = file.read_text().split("  api:")[0] if key.startswith("    ") else file.read_text()
    assert f"\n{key}:" not in section


def test_all_modules_deleted_stay_deleted(file: Path) -> None:
    text = file.read_text()
    file.write_text(text[: text.index("modules:")])
    update(str(file), LATER)
    assert load(str(file)).modules == {}


def test_an_untouched_module_that_is_gone_from_the_disk_goes_and_a_touched_one_stays(file: Path) -> None:
    edit(file, "    path: src/infrastructure\n", "    path: src/infrastructure\n    patterns:\n      - one pool\n")
    update(str(file), msgspec.structs.replace(FACTS, modules=(a_module("domain"),)))
    found = load(str(file)).modules
    assert list(found) == ["domain", "infrastructure"]
    assert found["infrastructure"].patterns == (Saying(text="one pool"),)


def test_a_value_set_back_to_what_the_scan_wrote_is_the_scans_again(file: Path) -> None:
    edit(file, "type: service", "type: cli")
    update(str(file), LATER)
    edit(file, "type: cli", "type: service")
    update(str(file), LATER)
    assert load(str(file)).type == "web-app"


def test_a_module_that_a_person_added_stays_when_its_folder_comes_and_goes(file: Path) -> None:
    edit(file, "modules:\n", "modules:\n  pages:\n    path: src/pages\n")
    update(str(file), LATER)
    update(str(file), FACTS)
    assert "  pages:\n    path: src/pages\n  domain:" in file.read_text()


def test_without_the_memory_of_the_last_scan_only_what_agrees_with_it_is_the_scans(file: Path) -> None:
    edit(file, "type: service", "type: cli")
    (file.parent / "scan.json").unlink()
    assert update(str(file), FACTS).changed is False
    update(str(file), LATER)
    found = load(str(file))
    assert (found.type, found.stack) == ("cli", LATER.stack)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b'{"version": 9}', b'{"values": [1]}', b"\xff"])
def test_a_broken_memory_of_the_last_scan_counts_as_none(file: Path, content: bytes) -> None:
    (file.parent / "scan.json").write_bytes(content)
    edit(file, "type: service", "type: cli")
    update(str(file), FACTS)
    assert load(str(file)).type == "cli"
    assert json.loads((file.parent / "scan.json").read_bytes())["values"]["name"] == "shop"


def test_a_file_that_a_person_wrote_before_the_first_scan_is_completed(project: Path) -> None:
    path = project / ".context" / "project.yaml"
    path.parent.mkdir()
    path.write_text("# by hand\nname: my shop\nmodules:\n  api:\n    rules:\n    - be kind\n")
    update(str(path), FACTS)
    text = path.read_text()
    assert text.startswith("# by hand\nname: my shop\n")
    assert "  api:\n    rules:\n    - be kind\n" in text
    found = load(str(path))
    assert (found.name, found.type) == ("my shop", "service")
    assert set(found.modules) == {"api", "domain", "infrastructure"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment",
        "---\n",
        "\n\n",
        "{}\n",
        "---\n...\n",
        "modules:\n",
        "modules: {}\n",
        "modules:   # none\n# tail\n",
    ],
)
def test_a_file_with_nothing_in_it_is_filled(project: Path, text: str) -> None:
    path = project / ".context" / "project.yaml"
    path.parent.mkdir()
    path.write_text(text)
    update(str(path), FACTS)
    assert list(load(str(path)).modules) == ["domain", "api", "infrastructure"]
    assert path.read_text().startswith(text.split(":")[0].rstrip("{}\n.")[:3])
    assert update(str(path), FACTS).changed is False
    update(str(path), LATER)


def test_windows_line_ends_a_byte_order_mark_and_a_missing_last_line_end_survive(file: Path) -> None:
    text = "\ufeff" + file.read_text().rstrip("\n").replace("\n", "\r\n")
    file.write_bytes(text.encode())
    assert update(str(file), FACTS).changed is False
    update(str(file), LATER)
    data = file.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.count(b"\n") == data.count(b"\r\n") > 20
    assert load(str(file)).type == "web-app"


def test_a_scan_cut_off_before_the_file_was_replaced_is_made_up_for(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_at_the_file(*_given: object, backup: str | None) -> bool:
        raise OSError(28, f"No space left on device for {backup}")

    before = file.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("kioku.workspace.swapping.replace_known", stop_at_the_file)
        with pytest.raises(ProjectError, match="No space left"):
            update(str(file), LATER)
    assert file.read_bytes() == before
    update(str(file), LATER)
    found = load(str(file))
    assert (found.type, found.stack, list(found.modules)) == ("web-app", LATER.stack, ["domain", "api", "pages"])


def test_a_scan_cut_off_after_the_file_was_replaced_is_made_up_for(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = plain_files.replace_plain

    def stop_behind_the_file(path: str, data: bytes) -> None:
        if path.endswith("scan.json") and b"before" not in data:
            raise OSError(5, "Input/output error")
        real(path, data)

    with monkeypatch.context() as patch:
        patch.setattr("kioku.knowledge.project_yaml.replace_plain", stop_behind_the_file)
        with pytest.raises(ProjectError, match="Input/output"):
            update(str(file), LATER)
    assert update(str(file), LATER).changed is False
    update(str(file), FACTS)
    found = load(str(file))
    assert (found.type, list(found.modules)) == ("service", ["domain", "api", "infrastructure"])


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join(f'*{before}' for _ in range(9))}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (BOMB.encode(), "aliases unfold"),
        (b"a: &a [*a]\n", "deeper than 50"),
        (b"a: " + b"[" * 60 + b"]" * 60, "deeper than 50"),
        (b"a: " + b"[" * 100_000, "deeper than 50"),
        (b"x: 1\n" * 2, "twice"),
        (b"x: 1\ny: 2\n# \x1b[31m\n", "on line 3: U+001B"),
        (b"x: 1\n\x00", "on line 2: U+0000"),
        (b"a: {k: 1, k: 2}\n", "twice"),
        (b"a: !!python/object:os.system x\n", "tag"),
        (b"a: !mine 1\n", "tag"),
        (b"- a\n- b\n", "no keys"),
        (b"just text\n", "no keys"),
        (b"a: 1\n---\nb: 2\n", "second document"),
        (b"a: [1\n", "line"),
        (b"a: *nowhere\n", "alias without"),
        (b"? [a]\n: b\n", "plain word"),
        (b"a: \x00\n", "a character that YAML does not allow is on line 1"),
        (b"a: \xff\n", "not UTF-8"),
        ("a: 1\n".encode("utf-16"), "not UTF-8"),
        (b"#" * (yaml_file.MAX_BYTES + 1), "larger than"),
        (b"- 1\n" * 60_000, "more than 50,000"),
        (b"%YAML 9.9\n---\na: 1\n", ""),
    ],
)
def test_a_file_that_cannot_be_understood_is_named_with_the_reason_and_left_alone(
    project: Path, data: bytes, reason: str
) -> None:
    path = project / ".context" / "project.yaml"
    path.parent.mkdir()
    path.write_bytes(data)
    for act in (lambda: load(str(path)), lambda: update(str(path), FACTS)):
        with pytest.raises(ProjectError) as caught:
            act()
        assert str(path) in caught.value.message
        assert reason in caught.value.message
        assert caught.value.hint
    assert path.read_bytes() == data
    assert os.listdir(path.parent) == ["project.yaml"]


def test_a_missing_file_says_which_command_makes_one(project: Path) -> None:
    with pytest.raises(ProjectError, match="kioku init"):
        load(str(project / ".context" / "project.yaml"))


@posix
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder", "linked folder"])
def test_what_is_no_file_of_its_own_is_refused_and_nothing_is_written_through_it(
    project: Path, tmp_path: Path, kind: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "project.yaml").write_text("name: theirs\n")
    context = project / ".context"
    path = context / "project.yaml"
    if kind == "linked folder":
        context.symlink_to(outside)
    else:
        context.mkdir()
    make: dict[str, Callable[[], object]] = {
        "link": lambda: path.symlink_to(outside / "project.yaml"),
        "dangling link": lambda: path.symlink_to(outside / "new"),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "linked folder": lambda: None,
    }
    make[kind]()
    for act in (lambda: load(str(path)), lambda: update(str(path), FACTS)):
        with pytest.raises(ProjectError, match=r"project\.yaml"):
            act()
    assert os.listdir(outside) == ["project.yaml"]
    assert (outside / "project.yaml").read_text() == "name: theirs\n"


@posix
def test_links_in_the_place_of_backup_and_memory_are_replaced_not_followed(file: Path, tmp_path: Path) -> None:
    precious = tmp_path / "bashrc"
    precious.write_text("precious")
    (file.parent / "scan.json").unlink()
    for name in ("scan.json", "project.yaml.bak"):
        (file.parent / name).symlink_to(precious)
    update(str(file), LATER)
    assert precious.read_text() == "precious"
    assert not (file.parent / "project.yaml.bak").is_symlink()
    assert not (file.parent / "scan.json").is_symlink()


def test_aliases_and_merge_keys_of_a_person_are_read_and_kept(file: Path) -> None:
    edit(file, "modules:\n", "base: &base\n  rules: [be kind]\nmodules:\n  mine:\n    <<: *base\n    path: lib\n")
    update(str(file), LATER)
    found = load(str(file))
    assert (found.modules["mine"].rules, found.modules["mine"].path) == ((Saying(text="be kind"),), "lib")
    assert "    <<: *base\n    path: lib\n" in file.read_text()


def test_text_is_shown_without_control_characters_and_odd_types_count_as_absent(project: Path) -> None:
    path = project / ".context" / "project.yaml"
    path.parent.mkdir()
    path.write_text(
        'name: "a\\x1b[31mb\\u202e"\nstack: {a: 1}\ntype: [x]\nmodules:\n  "m\\u200b":\n    rules: one rule\n  n: 7\n'
        "unknown: {x: y}\n"
    )
    found = load(str(path))
    assert (found.name, found.type, found.stack) == ("a[31mb", None, ())
    assert found.modules["m"].rules == (Saying(text="one rule"),)
    assert found.modules["n"].path is None


def test_a_secret_in_a_description_is_not_written(project: Path) -> None:
    path = project / ".context" / "project.yaml"
    secret = "ghp_" + "a1B2" * 9
    facts = msgspec.structs.replace(FACTS, modules=(a_module("x", f"use {secret} here"),))
    update(str(path), facts)
    assert secret not in path.read_text()
    assert secret not in (path.parent / "scan.json").read_text()
    assert (
        update(str(path), msgspec.structs.replace(FACTS, modules=(a_module("x", f"use {secret} here"),))).changed
        is False
    )
