"""Settings: where they come from, and what is refused."""

import os
from datetime import date
from pathlib import Path

import pytest

from kioku import settings
from kioku.errors import SettingsError
from tests.support import kioku


def user_file(home: Path, text: str) -> Path:
    path = home / ".config" / "kioku" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def project_file(project: Path, text: str) -> Path:
    path = project / ".context" / "config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_environment_beats_project_beats_user_beats_built_in(project: Path, home: Path) -> None:
    context = str(project / ".context")
    assert settings.load(context).timeout_ms == 30 * 60_000
    user_file(home, "[session]\ntimeout_minutes = 20\n")
    assert settings.load(context).timeout_ms == 20 * 60_000
    project_file(project, "[session]\ntimeout_minutes = 10.5\n")
    assert settings.load(context).timeout_ms == 630_000
    environ = {**os.environ, "KIOKU_SESSION_TIMEOUT_MINUTES": "5"}
    assert settings.load(context, environ).timeout_ms == 5 * 60_000


def test_config_show_says_who_set_what(project: Path, home: Path) -> None:
    path = user_file(home, "[session]\ntimeout_minutes = 20\n")
    output = kioku("config", "show", "--project", str(project)).stdout
    assert f"session.timeout_minutes\t20\t{path}" in output
    assert "cleanup.older_than_hours\t1\tbuilt-in" in output


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[session]\ntimeout_minute = 5\n", "did you mean 'session.timeout_minutes'?"),
        ("[sesion]\ntimeout_minutes = 5\n", "did you mean 'session.timeout_minutes'?"),
        ("[session]\ntimeout_minutes = 'soon'\n", "must be a number"),
        ("[session]\ntimeout_minutes = true\n", "must be a number"),
        ("[session]\ntimeout_minutes = 0\n", "from 1 to 1440"),
        ("[session]\ntimeout_minutes = nan\n", "must be a number"),
        ("[session\n", "is not TOML"),
        ("\x00", "is not TOML"),
        ("[model]\nbase_url = 'http://x'\n", "may not be set by a project"),
        ("[time]\nzone = 'UTC'\n", "may not be set by a project"),
        ("[time]\nday_starts = '04:00'\n", "may not be set by a project"),
    ],
)
def test_what_cannot_be_accepted_is_an_error_that_names_file_and_key(project: Path, text: str, says: str) -> None:
    path = project_file(project, text)
    with pytest.raises(SettingsError) as caught:
        settings.load(str(project / ".context"))
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    result = kioku("status", "--project", str(project))
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_an_unknown_variable_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match="did you mean 'KIOKU_SESSION_TIMEOUT_MINUTES'"):
        settings.load(None, {"KIOKU_SESSION_TIMEOUT_MINUTE": "5"})


def test_a_key_that_a_project_must_not_set_is_refused_there(
    project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = settings.Key("model.invented", 0, 0, 1, "Invented.", project=False)
    monkeypatch.setattr(settings, "KEYS", (*settings.KEYS, key))
    path = project_file(project, "[model]\ninvented = 1\n")
    with pytest.raises(SettingsError, match="may not be set by a project") as caught:
        settings.load(str(project / ".context"))
    assert str(path) in str(caught.value)
    path.unlink()
    user_file(home, "[model]\ninvented = 1\n")
    assert settings.load(str(project / ".context")).number("model.invented") == 1


@pytest.mark.parametrize(
    "key",
    [
        "redaction.allow", "redaction.rules", "redaction", "model.provider", "model.api_key_variable", "team.database",
        "team.url", "discoveries.auto_accept", "dashboard.address", "sync.url", "knowledge.accept", "search.allow_all",
    ],
)  # fmt: skip
def test_a_hostile_repository_widens_nothing(project: Path, key: str) -> None:
    section, _, name = key.partition(".")
    path = project_file(project, f'[{section}]\n{name} = ["x"]\n' if name else f'{section} = ["x"]\n')
    for command in (("status",), ("config", "show"), ("sessions", "list")):
        result = kioku(*command, cwd=project)
        assert result.returncode == 2, command
        assert f"{path}: '{key}' may not be set by a project" in result.stderr


def test_excluded_folders_add_up_and_a_project_can_take_none_back(project: Path, home: Path) -> None:
    user_file(home, '[capture]\nexclude = ["~/private", "/srv/secret"]\n')
    project_file(project, '[capture]\nexclude = ["vendor", "../beside"]\n')
    environ = {**os.environ, "KIOKU_CAPTURE_EXCLUDE": os.pathsep.join(("/one", "/two"))}
    found = settings.load(str(project / ".context"), environ).texts("capture.exclude")
    assert found == (f"{home}/private", "/srv/secret", f"{project}/vendor", f"{project.parent}/beside", "/one", "/two")
    project_file(project, "[capture]\nexclude = []\n")
    assert settings.load(str(project / ".context")).texts("capture.exclude") == (f"{home}/private", "/srv/secret")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[capture]\nexclude = "~/private"\n', "must be a list of texts"),
        ("[capture]\nexclude = [5]\n", "must be a list of texts"),
        ('[capture]\nexclude = [""]\n', "must be a list of texts"),
        ('[capture]\nexclude = ["private"]\n', "is no absolute folder"),
        ('[capture]\nexclude = ["/a\\u0000b"]\n', "is no absolute folder"),
        ("[redaction]\nallow = 7\n", "must be a list of texts"),
    ],
)
def test_a_list_that_is_none_is_an_error_that_names_file_and_key(home: Path, text: str, says: str) -> None:
    path = user_file(home, text)
    with pytest.raises(SettingsError, match=says) as caught:
        settings.load(None)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[time]\nzone = 'Europe/Berln'\n", "'time.zone' must be the name of a time zone .*, not 'Europe/Berln'"),
        ("[time]\nzone = ''\n", "'time.zone' must be the name of a time zone"),
        ("[time]\nzone = 1\n", "'time.zone' must be the name of a time zone .*, not 1"),
        ("[time]\nday_starts = '04:10'\n", "'time.day_starts' must be a time of day on a quarter of an hour"),
        ("[time]\nday_starts = 04:00:00\n", "'time.day_starts' must be a time of day"),
        ("[time]\nday_starts = 4\n", "'time.day_starts' must be a time of day"),
        ("[time]\nzones = 'UTC'\n", "did you mean 'time.zone'"),
    ],
)
def test_a_text_that_is_none_of_those_accepted_is_an_error_that_names_file_and_key(
    home: Path, text: str, says: str
) -> None:
    path = user_file(home, text)
    with pytest.raises(SettingsError, match=says) as caught:
        settings.load(None)
    assert str(path) in str(caught.value)


def test_days_are_those_of_the_persons_settings(project: Path, home: Path) -> None:
    user_file(home, "[time]\nzone = 'Asia/Tokyo'\nday_starts = '04:00'\n")
    assert settings.load(None).calendar.day(date(2026, 3, 1))[0] == 1_772_305_200_000  # 2026-02-28T19:00Z
    environ = {**os.environ, "KIOKU_TIME_ZONE": "UTC", "KIOKU_TIME_DAY_STARTS": "00:15"}
    assert settings.load(str(project / ".context"), environ).calendar.day(date(2026, 3, 1))[0] == 1_772_324_100_000
    assert settings.load(None, {**environ, "KIOKU_TIME_ZONE": "system"}).text("time.zone") == "system"


def test_config_show_shows_texts_as_they_are(project: Path) -> None:
    output = kioku("config", "show", "--project", str(project), env={"KIOKU_TIME_ZONE": "Europe/Berlin"}).stdout
    assert "time.zone\tEurope/Berlin\tKIOKU_TIME_ZONE" in output
    assert "time.day_starts\t00:00\tbuilt-in" in output


def test_a_folder_is_excluded_by_its_name_and_by_where_it_really_is(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    (real / "sub").mkdir(parents=True)
    link.symlink_to(real)
    for listed in (real, link):
        for asked in (real, link, real / "sub", link / "sub" / "deeper"):
            assert settings.is_excluded(str(asked), [str(listed)]), (listed, asked)
        assert not settings.is_excluded(str(tmp_path / "really"), [str(listed)])
        assert not settings.is_excluded(str(tmp_path), [str(listed)])
    assert settings.is_excluded(str(tmp_path / "x" / ".." / "real"), [f"{real}/"])
    assert settings.is_excluded("/anything", ["/"])


@pytest.mark.parametrize("kind", ["folder", "fifo", "link to nowhere", "huge"])
def test_something_else_in_the_settings_files_place_is_answered_at_once(project: Path, kind: str) -> None:
    path = project / ".context" / "config.toml"
    path.parent.mkdir()
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "huge":
        with path.open("wb") as stream:
            stream.truncate(10 << 30)
    else:
        path.symlink_to(project / "nowhere")
    with pytest.raises(SettingsError):
        settings.load(str(project / ".context"))


def test_user_folders_follow_the_platforms_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    import platformdirs

    for kind, theirs in (("config", platformdirs.user_config_dir), ("state", platformdirs.user_state_dir)):
        assert settings.user_folder(kind) == theirs("kioku", appauthor=False)
        monkeypatch.setenv("XDG_CONFIG_HOME", "/somewhere/config")
        monkeypatch.setenv("XDG_STATE_HOME", "/somewhere/state")
        assert settings.user_folder(kind) == theirs("kioku", appauthor=False)
        monkeypatch.delenv("XDG_CONFIG_HOME")
        monkeypatch.delenv("XDG_STATE_HOME")
