import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from kioku.errors import CancelledCallError, KiokuError, RefusedPathError, ToolError, UsageError
from kioku.workspace import git as git_module
from kioku.workspace.git import blame, diff, log
from tests.workspace.repositories import git, make_repository

AT_MS = 1772359200000  # 2026-03-01T10:00:00Z


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return make_repository(tmp_path / "proj")


class Canary:
    """A program that leaves a file behind when it runs."""

    def __init__(self, folder: Path) -> None:
        self.sung = folder / "sung"
        self.program = folder / "canary"
        self.program.write_text(f"#!/bin/sh\ntouch '{self.sung}'\ncat \"$@\" 2>/dev/null\nexit 0\n")
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)

    def sings(self) -> bool:
        sung = self.sung.exists()
        self.sung.unlink(missing_ok=True)
        return sung


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    return Canary(tmp_path)


def every_call(root: Path) -> None:
    """Make each kind of call; what they answer does not matter here, what they start does."""
    calls: list[Callable[[], object]] = [
        lambda: log(str(root)),
        lambda: log(str(root), path="a.txt", grep="second", author="ann", since="2020-01-01"),
        lambda: blame(str(root), "a.txt"),
        lambda: blame(str(root), "a.txt", ref="HEAD"),
        lambda: diff(str(root)),
        lambda: diff(str(root), staged=True),
        lambda: diff(str(root), ref="HEAD"),
        lambda: diff(str(root), ref="HEAD~1", ref2="HEAD"),
        lambda: diff(str(root), ref="HEAD~1...HEAD", stat_only=True),
    ]
    for call in calls:
        try:
            call()
        except ToolError:
            pass


# --- what is answered


def test_log_tells_commits_newest_first(root: Path) -> None:
    second, first = log(str(root))
    assert second.sha == git(root, "rev-parse", "HEAD")
    assert second.sha.startswith(second.short)
    assert (second.author, second.at_ms, second.subject, second.files) == ("Ann", AT_MS, "second", 1)
    assert (first.subject, first.files) == ("first things", 2)


def test_log_is_narrowed_by_path_limit_author_text_and_time(root: Path) -> None:
    assert [commit.subject for commit in log(str(root), path="lib")] == ["first things"]
    assert [commit.subject for commit in log(str(root), limit=1)] == ["second"]
    assert [commit.subject for commit in log(str(root), grep="FIRST")] == ["first things"]
    assert [commit.subject for commit in log(str(root), ref="HEAD~1")] == ["first things"]
    assert len(log(str(root), author="ann@example.org")) == 2
    assert log(str(root), author=".*") == []
    assert log(str(root), since="2026-03-02") == []
    assert len(log(str(root), since="2026-02-28")) == 2


def test_log_survives_strange_subjects_and_names(root: Path) -> None:
    (root / "//commit\n".strip("/")).write_text("x")
    (root / "new\nline").write_text("x")
    git(root, "add", ".")
    git(root, "commit", "-qm", "//commit \x01 subject")
    git(root, "commit", "-q", "--allow-empty", "-m", "empty")
    git(root, "commit", "-q", "--allow-empty", "--allow-empty-message", "-m", "")
    assert [(commit.subject, commit.files) for commit in log(str(root))] == [
        ("", 0),
        ("empty", 0),
        ("//commit \x01 subject", 2),
        ("second", 1),
        ("first things", 2),
    ]


def test_blame_tells_the_commit_of_each_line(root: Path) -> None:
    (root / "a.txt").write_text("one\ntwo\nnot yet\n")
    lines = blame(str(root), "a.txt")
    shas = [git(root, "rev-parse", ref) for ref in ("HEAD~1", "HEAD")]
    assert [(line.line, line.sha, line.text) for line in lines] == [
        (1, shas[0], "one"),
        (2, shas[1], "two"),
        (3, "0" * 40, "not yet"),
    ]
    assert (lines[0].author, lines[0].at_ms) == ("Ann", AT_MS)
    assert [line.text for line in blame(str(root), "a.txt", first_line=2, last_line=9)] == ["two", "not yet"]
    assert [line.text for line in blame(str(root), "a.txt", ref="HEAD~1")] == ["one"]


def test_blame_that_cannot_be_answered_says_why(root: Path) -> None:
    (root / "new.txt").write_text("x\n")
    (root / "long.txt").write_text("x\n" * 3000)
    git(root, "add", "long.txt")
    git(root, "commit", "-qm", "long")
    with pytest.raises(ToolError, match="not in the last commit"):
        blame(str(root), "new.txt")
    with pytest.raises(ToolError, match="fewer than 9 lines"):
        blame(str(root), "a.txt", first_line=9)
    with pytest.raises(ToolError, match="more than 2000 lines"):
        blame(str(root), "long.txt")
    assert len(blame(str(root), "long.txt", first_line=1001)) == 2000
    with pytest.raises(ToolError, match=r'There is no "absent\.txt"'):
        blame(str(root), "absent.txt")
    for first, last in ((0, 1), (3, 2), (1, 5000)):
        with pytest.raises(UsageError):
            blame(str(root), "a.txt", first_line=first, last_line=last)


def test_diff_compares_what_is_asked_for(root: Path) -> None:
    (root / "lib" / "b.txt").write_text("staged\n")
    git(root, "add", ".")
    (root / "a.txt").write_text("one\nchanged\n")
    plain = diff(str(root))
    assert (plain.files, plain.insertions, plain.deletions, plain.truncated) == (1, 1, 1, False)
    assert "-two\n+changed\n" in plain.text
    assert "+staged" in diff(str(root), staged=True).text
    assert diff(str(root), ref="HEAD").files == 2
    assert diff(str(root), ref="HEAD", path="lib").files == 1
    for two in (diff(str(root), ref="HEAD~1", ref2="main"), diff(str(root), ref="HEAD~1..")):
        assert "+two" in two.text
    assert diff(str(root), ref="main...HEAD~1").files == 0
    assert diff(str(root), ref="HEAD", stat_only=True).text == "a.txt | +1 -1\nlib/b.txt | +1 -1"


def test_diff_knows_renames_binary_files_and_strange_names(root: Path) -> None:
    git(root, "mv", "lib/b.txt", "lib/c.txt")
    (root / "new\nline").write_bytes(b"\0\1")
    git(root, "add", ".")
    shown = diff(str(root), staged=True, stat_only=True)
    assert shown.text.splitlines() == ["lib/b.txt -> lib/c.txt | +0 -0", "new\\nline | binary"]
    assert (shown.files, shown.insertions) == (2, 0)


def test_a_long_diff_is_cut_at_a_line_and_counted_in_full(root: Path) -> None:
    (root / "a.txt").write_text("".join(f"line {n}\n" for n in range(10_000)))
    cut = diff(str(root), max_bytes=1000)
    assert cut.truncated
    assert len(cut.text) <= 1000
    assert cut.text.endswith("\n")
    assert cut.insertions == 10_000


def test_a_linked_worktree_and_a_submodule_have_a_history(root: Path) -> None:
    linked = root.parent / "linked"
    git(root, "worktree", "add", "-q", "-b", "topic", str(linked))
    git(linked, "commit", "-q", "--allow-empty", "-m", "on topic")
    assert log(str(linked))[0].subject == "on topic"
    assert log(str(root))[0].subject == "second"
    git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(linked), "sub")
    assert len(log(str(root / "sub"))) == 3
    assert diff(str(root / "sub")).files == 0


def test_repositories_without_commits_and_unknown_refs_are_named(root: Path) -> None:
    empty = root.parent / "empty"
    empty.mkdir()
    with pytest.raises(ToolError, match="not the top of a git repository"):
        log(str(empty))
    git(empty, "init", "-q")
    for call in (lambda: log(str(empty)), lambda: diff(str(empty), ref="HEAD")):
        with pytest.raises(ToolError, match="no commit yet"):
            call()
    assert diff(str(empty)).files == 0
    with pytest.raises(ToolError, match='no commit "nope"'):
        diff(str(root), ref="nope..HEAD")
    (root / ".git" / "config").write_text("[rubbish\n")
    with pytest.raises(ToolError, match="configuration of this repository cannot be read: bad config"):
        log(str(root))


def test_a_missing_git_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolError, match="git is not installed"):
        log(str(root))


# --- what a caller may not ask for


@pytest.mark.parametrize(
    "argument", ["--output=stolen", "-O", "--ext-diff", "--no-index", "", "a\0b", "a\nb", "x" * 300]
)
def test_an_argument_that_may_be_an_option_is_refused(root: Path, argument: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: log(str(root), since=argument),
        lambda: log(str(root), author=argument),
        lambda: log(str(root), grep=argument),
        lambda: log(str(root), ref=argument or "-"),
        lambda: diff(str(root), ref=argument),
        lambda: diff(str(root), ref="HEAD", ref2=argument),
        lambda: diff(str(root), ref=f"{argument or '-'}..HEAD"),
        lambda: blame(str(root), "a.txt", ref=argument),
    ]
    before = sorted(os.listdir(root))
    for call in calls:
        with pytest.raises(UsageError):
            call()
    assert sorted(os.listdir(root)) == before


def test_a_path_is_never_an_option_or_a_pattern(root: Path) -> None:
    for ask in (diff, log):
        with pytest.raises(UsageError, match="option"):
            ask(str(root), path="--output=stolen")
    with pytest.raises(UsageError, match="option"):
        blame(str(root), "--output=stolen")
    assert diff(str(root), ref="HEAD~1", ref2="HEAD", path=":(glob)**").files == 0
    assert not (root / "stolen").exists()
    for path in ("../x", "/etc/passwd", "~"):
        for call in (
            lambda p: log(str(root), path=p),
            lambda p: diff(str(root), path=p),
            lambda p: blame(str(root), p),
        ):
            with pytest.raises(RefusedPathError):
                call(path)


def test_combinations_without_a_meaning_are_refused(root: Path) -> None:
    with pytest.raises(UsageError):
        diff(str(root), ref2="HEAD")
    with pytest.raises(UsageError):
        diff(str(root), ref="HEAD", ref2="HEAD", staged=True)
    with pytest.raises(UsageError):
        diff(str(root), ref="HEAD~1..HEAD", staged=True)


def test_a_link_in_the_place_of_a_tracked_folder_is_not_read(root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "b.txt").write_text("OUTSIDE\n")
    (root / "lib" / "b.txt").unlink()
    (root / "lib").rmdir()
    (root / "lib").symlink_to(outside)
    assert "OUTSIDE" in git(root, "blame", "--", "lib/b.txt"), "plain git reads it"
    with pytest.raises(RefusedPathError, match="is a link"):
        blame(str(root), "lib/b.txt")
    assert "OUTSIDE" not in diff(str(root)).text


# --- what a hostile repository may not start


def test_a_file_system_monitor_is_not_started(root: Path, canary: Canary) -> None:
    git(root, "config", "core.fsmonitor", str(canary.program))
    git(root, "status")
    assert canary.sings(), "plain git starts it"
    every_call(root)
    assert not canary.sings()


def test_a_text_converter_and_an_external_diff_are_not_started(root: Path, canary: Canary) -> None:
    (root / ".gitattributes").write_text("*.txt diff=evil\n")
    (root / "a.txt").write_text("one\nchanged\n")
    git(root, "config", "diff.evil.textconv", str(canary.program))
    git(root, "diff")
    assert canary.sings(), "plain git starts it"
    git(root, "blame", "a.txt")
    assert canary.sings(), "plain git starts it"
    every_call(root)
    assert not canary.sings()
    git(root, "config", "diff.evil.command", str(canary.program))
    git(root, "config", "diff.external", str(canary.program))
    git(root, "diff")
    assert canary.sings(), "plain git starts it"
    every_call(root)
    assert not canary.sings()
    assert "+changed" in diff(str(root)).text


@pytest.mark.parametrize("name", ["evil", "a=b.c", "Mixed CASE"])
@pytest.mark.parametrize("kind", ["clean", "process"])
def test_filters_are_not_started(root: Path, canary: Canary, kind: str, name: str) -> None:
    # A name with blanks cannot be used in .gitattributes; its settings must not disturb all the same.
    usable = " " not in name
    (root / ".gitattributes").write_text(f"*.txt filter={name if usable else 'none'}\n")
    config = root / ".git" / "config"
    text = config.read_text()
    config.write_text(f'{text}[filter "{name}"]\n\t{kind} = "{canary.program}"\n\trequired = true\n')
    (root / "a.txt").write_text("one\nchanged\n")
    git(root, "diff", check=False)
    assert canary.sings() == usable, "plain git starts it"
    every_call(root)
    assert not canary.sings()
    assert "+changed" in diff(str(root)).text
    assert blame(str(root), "a.txt")[1].text == "changed"


def test_filters_from_included_files_and_the_persons_own_settings_are_not_started(root: Path, canary: Canary) -> None:
    (root / ".gitattributes").write_text("*.txt filter=evil\n*.py filter=own\n")
    (root / "included").write_text(f'[filter "evil"]\n\tclean = "{canary.program}"\n')
    git(root, "config", "include.path", "../included")
    home = Path(os.environ["HOME"])
    (home / ".gitconfig").write_text(
        f'[filter "own"]\n\tclean = "{canary.program}"\n[core]\n\tpager = "{canary.program}"\n'
    )
    (root / "a.txt").write_text("one\nchanged\n")
    (root / "a.py").write_text("x\n")
    git(root, "diff")
    assert canary.sings(), "plain git starts it"
    git(root, "add", "-N", "a.py")
    canary.sings()
    every_call(root)
    assert not canary.sings()


def test_signature_checks_pagers_editors_hooks_and_helpers_are_not_started(root: Path, canary: Canary) -> None:
    settings = [
        *("gpg.program", "gpg.ssh.program", "core.pager", "pager.log", "pager.diff", "core.editor", "core.askPass"),
        *("core.sshCommand", "credential.helper", "core.alternateRefsCommand", "sequence.editor", "diff.tool"),
        *("difftool.evil.cmd", "merge.evil.driver", "trailer.evil.command", "interactive.diffFilter"),
    ]
    for setting in settings:
        git(root, "config", setting, str(canary.program))
    for alias in ("log", "diff", "blame"):
        git(root, "config", f"alias.{alias}", f"!{canary.program}")
    for key in ("log.showSignature", "color.ui", "log.mailmap"):
        git(root, "config", key, "always" if key == "color.ui" else "true")
    for hook in ("post-index-change", "reference-transaction", "pre-commit", "post-checkout"):
        (root / ".git" / "hooks").mkdir(exist_ok=True)
        os.link(canary.program, root / ".git" / "hooks" / hook)
    signature = "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n\n"
    signed = git(root, "cat-file", "commit", "HEAD").replace("\n\n", signature, 1)
    (root / "signed").write_text(signed + "\n")
    made = git(root, "hash-object", "-t", "commit", "-w", "signed")
    git(root, "reset", "-q", "--soft", made)
    canary.sings()
    git(root, "log", check=False)
    assert canary.sings(), "plain git starts the signature check"
    os.utime(root / "a.txt", (1, 1))
    every_call(root)
    assert not canary.sings()
    assert "\x1b" not in diff(str(root), ref="HEAD~1").text
    assert log(str(root))[0].sha == made


def test_a_partial_clone_fetches_nothing(root: Path, canary: Canary) -> None:
    git(root, "config", "uploadpack.allowFilter", "true")
    clone = root.parent / "clone"
    git(root, "clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{root}", str(clone))
    git(clone, "config", "core.sshCommand", str(canary.program))
    git(clone, "config", "remote.origin.url", "ssh://example.invalid/x")
    git(clone, "diff", "HEAD~1", "HEAD", check=False)
    assert canary.sings(), "plain git starts it"
    git(clone, "config", "remote.origin.uploadpack", str(canary.program))
    every_call(clone)
    for url in (f"ext::{canary.program}", f"file://{root}", "evil::x"):
        git(clone, "config", "remote.origin.url", url)
        every_call(clone)
        with pytest.raises(ToolError):
            diff(str(clone), ref="HEAD~1", ref2="HEAD")
    assert not canary.sings()
    assert len(log(str(clone))) == 2


def test_a_submodules_settings_start_nothing(root: Path, canary: Canary) -> None:
    source = make_repository(root.parent / "source")
    git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(source), "sub")
    git(root, "commit", "-qm", "sub")
    git(root / "sub", "config", "core.fsmonitor", str(canary.program))
    git(root / "sub", "config", "filter.evil.clean", str(canary.program))
    (root / ".git" / "modules" / "sub" / "info" / "attributes").write_text("*.txt filter=evil\n")
    (root / "sub" / "a.txt").write_text("dirty\n")
    for key in ("submodule.sub.ignore", "diff.ignoreSubmodules"):
        git(root, "config", key, "none")
    git(root, "config", "diff.submodule", "diff")
    canary.sings()
    git(root, "diff")
    assert canary.sings(), "plain git starts it"
    every_call(root)
    assert not canary.sings()


def test_more_programs_than_can_be_switched_off_are_an_error(root: Path) -> None:
    with open(root / ".git" / "config", "a") as config:
        config.writelines(f'[filter "f{number}"]\n\tclean = evil\n' for number in range(1000))
    with pytest.raises(ToolError, match="more programs than"):
        diff(str(root))


def test_git_variables_are_not_inherited(root: Path, canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    other = make_repository(root.parent / "other")
    git(other, "commit", "-q", "--allow-empty", "-m", "of the other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(canary.program))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.fsmonitor={canary.program}'")
    monkeypatch.setenv("GIT_TRACE", str(root.parent / "trace"))
    assert log(str(root))[0].subject == "second"
    every_call(root)
    assert not canary.sings()
    assert not (root.parent / "trace").exists()


def test_a_git_folder_that_shares_another_is_not_followed(root: Path) -> None:
    other = make_repository(root.parent / "other")
    git(other, "commit", "-q", "--allow-empty", "-m", "of the other")
    (root / ".git" / "commondir").write_text("../../other/.git\n")
    (root / ".git" / "HEAD").write_text(git(other, "rev-parse", "HEAD") + "\n")
    with pytest.raises(KiokuError):
        log(str(root))


def test_reading_changes_nothing_in_the_repository(root: Path) -> None:
    os.utime(root / "a.txt", (1, 1))

    def state() -> dict[str, tuple[int, bytes]]:
        files = (path for path in (root / ".git").rglob("*") if path.is_file())
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}

    before = state()
    every_call(root)
    assert state() == before


def test_a_call_that_hangs_ends_at_its_deadline_or_when_cancelled(root: Path) -> None:
    (root / ".git" / "config").unlink()
    os.mkfifo(root / ".git" / "config")
    with pytest.raises(ToolError, match=r"took longer than 0\.2 s"):
        log(str(root), deadline_s=0.2)
    with pytest.raises(CancelledCallError):
        diff(str(root), cancelled=lambda: True)


def test_an_error_never_quotes_a_file_that_settings_name(root: Path) -> None:
    secret = root.parent / "secret"
    secret.write_text("password=hunter2\n")
    git(root, "config", "blame.ignoreRevsFile", str(secret))
    git(root, "config", "mailmap.file", str(secret))
    with pytest.raises(ToolError) as caught:
        blame(str(root), "a.txt")
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in str(log(str(root)))


def test_the_public_names_are_there() -> None:
    assert set(git_module.__all__) >= {"blame", "diff", "find_git_dir", "log"}
