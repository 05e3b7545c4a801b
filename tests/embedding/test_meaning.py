"""Search sorts by meaning where a model is set, and is as it was without one where that cannot be used."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest
from scripts.benchmarks.evaluating import evaluate

from kioku.reports.search import asking
from kioku.reports.search.meaning import Meant
from kioku.reports.search.ranking import rank
from kioku.store import indexing, vectors
from kioku.store.opening import open_for_reading, open_store
from kioku.store.store import Store
from tests.embedding import made
from tests.embedding.test_model import is_there
from tests.reports.test_search import bytes_of, found, store_of, tell
from tests.support import KIOKU, PATIENCE_S, Server, kioku, rows, wait_until

pytestmark = made.needs_extra

SAID = (
    ("car", "The parser of the car was rented again and again today"),
    ("login", "The page of the login is a database"),
    ("storm", "The parser of the storm was rented today"),
)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that is set for every process of the test."""
    folder = made.model(tmp_path / "model")
    monkeypatch.setenv("KIOKU_SEARCH_MODEL", str(folder))
    return folder


@pytest.fixture
def told(project: Path) -> Path:
    for number, (name, text) in enumerate(SAID):
        tell(project, name, text, 3 * number, 600 * number)
    assert kioku("init", cwd=project).returncode == 0
    assert kioku("import", "claude", cwd=project).returncode == 0
    return project


@pytest.fixture
def store(told: Path) -> Iterator[Store]:
    opened = open_store(str(store_of(told)))
    yield opened
    opened.close()


def index(project: Path) -> dict[str, Any]:
    done = kioku("index", "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def count(project: Path) -> int:
    return int(rows(project, "SELECT count(*) FROM vectors")[0][0])


def passages(project: Path) -> int:
    return int(rows(project, "SELECT count(*) FROM passages")[0][0])


def told_of(project: Path, *arguments: str) -> tuple[list[dict[str, Any]], str, dict[str, Any]]:
    done = kioku("search", "--json", *arguments, cwd=project)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return answer["results"], done.stderr, answer


QUESTION = ("parser", "automobile")


def test_what_is_meant_comes_before_what_has_the_same_words(told: Path, model: Path) -> None:
    for kind in ("turn", "session"):
        by_words = found(told, *QUESTION, "--type", kind)
        assert "storm" in by_words[0]["snippet"]  # the shorter one, of two with the same words
    assert index(told) == {"passages": passages(told), "embedded": passages(told), "not_embedded": 0}
    for kind in ("turn", "session"):
        results, said, answer = told_of(told, *QUESTION, "--type", kind)
        best, other = results[0], next(result for result in results if "storm" in result["snippet"])
        assert "car" in best["snippet"]
        assert best["parts"]["meaning"] > 0 > other["parts"]["meaning"]
        assert "near in meaning" in best["why"]
        assert "near in meaning" not in other["why"]
        for result in results:
            assert sum(result["parts"].values()) == pytest.approx(result["score"])
            assert result["score"] >= 0
        assert answer["model"] == "used"
        assert "note" not in said
    shown = kioku("search", *QUESTION, cwd=told)
    assert "meaning 0." in shown.stdout


def test_without_vectors_everything_is_found_as_without_a_model_and_it_is_said_how_many_are_missing(
    told: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, said, answer = told_of(told, *QUESTION)
    assert f"{passages(told)} passages by words alone until embedded" in answer["model"]
    assert "'kioku index'" in said
    monkeypatch.delenv("KIOKU_SEARCH_MODEL")
    without, said, answer = told_of(told, *QUESTION)
    assert (results, "model" in answer, said) == (without, False, "")


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json", ""])
def test_a_model_that_cannot_be_used_is_told_of_and_changes_nothing(
    told: Path, model: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(told)
    if file:
        (model / file).write_bytes(b"nonsense")
    else:
        model.rename(model.with_name("elsewhere"))
    results, said, answer = told_of(told, *QUESTION)
    assert str(model) in said
    assert answer["model"].startswith("by words alone: search.model: ")
    doctor = kioku("doctor", "--json", cwd=told)
    (finding,) = (one for one in json.loads(doctor.stdout)["findings"] if one["check"] == "search")
    assert finding["state"] == "warning"
    assert str(model) in finding["found"]
    done = kioku("index", cwd=told)
    assert done.returncode == 1
    assert str(model) in done.stderr
    monkeypatch.delenv("KIOKU_SEARCH_MODEL")
    assert results == told_of(told, *QUESTION)[0]


def test_the_doctor_says_how_many_passages_are_left(told: Path, model: Path) -> None:
    for words in ("without", "every passage"):
        done = kioku("doctor", "--json", cwd=told)
        (finding,) = (one for one in json.loads(done.stdout)["findings"] if one["check"] == "search")
        assert finding["state"] == "ok"
        assert words in finding["found"]
        index(told)


@pytest.mark.parametrize("given", ["relative/folder", "", "two words", "a\nb"])
def test_the_setting_takes_whole_paths_and_names_only(told: Path, given: str) -> None:
    done = kioku("search", "parser", cwd=told, env={"KIOKU_SEARCH_MODEL": given})
    assert done.returncode == 2
    assert "KIOKU_SEARCH_MODEL" in done.stderr


def test_a_repository_cannot_set_a_model(told: Path, tmp_path: Path) -> None:
    folder = made.model(tmp_path / "theirs")
    (told / ".context" / "config.toml").write_text(f"[search]\nmodel = {json.dumps(str(folder))}\n")
    done = kioku("search", "parser", cwd=told)
    assert done.returncode == 2
    assert "'search.model' may not be set by a project" in done.stderr


def test_only_what_is_new_is_embedded_and_of_another_model_everything(told: Path, model: Path) -> None:
    first = index(told)["embedded"]
    assert first
    assert index(told)["embedded"] == 0
    tell(told, "bug", "A defect of the parser", 30, 3_000)
    assert kioku("import", "claude", cwd=told).returncode == 0
    new = passages(told) - first
    assert index(told)["embedded"] == new
    made.model(model, rows=[row[::-1] for row in made.table()])
    assert "until embedded" in told_of(told, *QUESTION)[2]["model"]  # and what another model made is not looked at
    assert index(told)["embedded"] == passages(told) == count(told)
    assert rows(told, "SELECT count(*) FROM embedders") == [(1,)]


def test_where_no_model_is_set_any_more_its_vectors_are_removed(
    told: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(told)
    monkeypatch.delenv("KIOKU_SEARCH_MODEL")
    assert index(told) == {"passages": passages(told), "embedded": 0, "not_embedded": None}
    assert (count(told), rows(told, "SELECT count(*) FROM embedders")) == (0, [(0,)])


def test_what_is_deleted_has_no_vector_in_the_file_any_more(told: Path, model: Path) -> None:
    tell(told, "bug", "speed authentication authentication defect zebra", 30, 3_000)
    assert kioku("import", "claude", cwd=told).returncode == 0
    index(told)
    gone = found(told, "zebra", "--type", "session")[0]["session_id"]
    query = """SELECT v.vector FROM vectors v JOIN passages p ON p.id = v.passage JOIN turns t ON t.id = p.turn
               WHERE t.text LIKE '%zebra%'"""
    ((vector,),) = rows(told, query)
    assert any(vector in content for content in bytes_of(told))
    assert kioku("sessions", "delete", gone, "--force", cwd=told).returncode == 0
    assert not any(vector in content for content in bytes_of(told))
    assert count(told) == passages(told)


def test_what_is_redacted_again_has_the_vector_of_what_is_left(told: Path, model: Path) -> None:
    tell(told, "leak", "storm quokka7731secret car car", 40, 4_000)
    assert kioku("import", "claude", cwd=told).returncode == 0
    index(told)
    before = set(rows(told, "SELECT passage, hex(vector) FROM vectors"))
    (told / ".env").write_text("API_SECRET=quokka7731secret\n")
    assert kioku("redact", "--again", cwd=told).returncode == 0
    assert count(told) == len(before) - 1
    assert index(told)["embedded"] == 1
    assert count(told) == passages(told)


def test_archiving_and_merging_keep_what_was_made_or_have_it_made_again(told: Path, model: Path) -> None:
    index(told)
    ids = [found(told, word, "--type", "session")[0]["id"] for word in ("car", "storm")]
    assert kioku("sessions", "merge", *ids, cwd=told).returncode == 0
    assert kioku("sessions", "archive", "--older-than", "1d", "--force", cwd=told).returncode == 0
    assert index(told)["not_embedded"] == 0
    assert count(told) == passages(told)
    assert "car" in found(told, *QUESTION, "--type", "turn")[0]["snippet"]


def test_an_export_says_nothing_of_vectors(told: Path, model: Path) -> None:
    def exported() -> list[str]:
        return kioku("sessions", "export", "--format", "jsonl", cwd=told).stdout.splitlines()[1:]

    before = exported()
    index(told)
    assert exported() == before != []


def test_vectors_of_another_shape_are_passed_over(told: Path, model: Path) -> None:
    index(told)
    db = apsw.Connection(str(store_of(told)))
    for value in ("'text'", "17", "x''", "zeroblob(14)", "zeroblob(3)", "randomblob(100000)"):
        db.execute(f"UPDATE vectors SET vector = {value} WHERE passage IN (SELECT min(passage) FROM vectors)")
        assert told_of(told, *QUESTION)[0]
    db.execute("UPDATE vectors SET vector = 'text'")
    results = told_of(told, *QUESTION)[0]
    assert results
    assert not any("meaning" in result["parts"] for result in results)
    db.close()


def _embed(texts: Sequence[str]) -> tuple[str, Sequence[bytes]]:
    return "made up", [bytes([1, 2, len(text) % 100]) for text in texts]


def test_a_vector_of_what_changed_meanwhile_is_not_kept(store: Store, told: Path) -> None:
    def change(texts: Sequence[str]) -> tuple[str, Sequence[bytes]]:
        store.write(lambda db: db.execute("UPDATE turns SET text = 'The giraffe was late' WHERE text LIKE '%car%'"))
        indexing.catch_up(store)
        return _embed(texts)

    assert not vectors.catch_up(store, change, "made up", at_once=100)
    missing = (
        "SELECT t.text FROM passages p JOIN turns t ON t.id = p.turn WHERE p.id NOT IN (SELECT passage FROM vectors)"
    )
    assert rows(told, missing) == [("The giraffe was late",)]
    assert vectors.catch_up(store, _embed, "made up", at_once=100)
    assert rows(told, missing) == []


def test_a_step_that_fails_loses_nothing_of_the_ones_before(store: Store, told: Path) -> None:
    asked = 0

    def fail(texts: Sequence[str]) -> tuple[str, Sequence[bytes]]:
        nonlocal asked
        asked += len(texts)
        if asked > 2:
            raise ZeroDivisionError
        return _embed(texts)

    with pytest.raises(ZeroDivisionError):
        vectors.catch_up(store, fail, "made up", at_once=1)
    assert count(told) == 2
    assert vectors.catch_up(store, _embed, "made up", at_once=1)
    assert count(told) == passages(told)


def test_no_time_makes_no_vector_and_says_that_there_is_more_to_do(store: Store, told: Path) -> None:
    assert not vectors.catch_up(store, _embed, "made up", at_once=1, most_ms=0)
    assert count(told) == 0


def test_others_write_while_a_model_computes(store: Store, told: Path) -> None:
    def write(texts: Sequence[str]) -> tuple[str, Sequence[bytes]]:
        other = apsw.Connection(str(store_of(told)))  # which does not wait for a lock
        other.execute("INSERT INTO counters VALUES ('tried', 1, 1) ON CONFLICT DO UPDATE SET value = value + 1")
        other.close()
        return _embed(texts)

    assert vectors.catch_up(store, write, "made up", at_once=1)
    assert rows(told, "SELECT value FROM counters WHERE name = 'tried'") == [(passages(told),)]


def test_a_passage_without_a_vector_keeps_its_score(store: Store, told: Path) -> None:
    assert vectors.catch_up(store, _embed, "made up", at_once=100)
    store.write(
        lambda db: db.execute(
            """DELETE FROM vectors WHERE passage IN
               (SELECT p.id FROM passages p JOIN turns t ON t.id = p.turn WHERE t.text LIKE '%car%')"""
        )
    )

    asked = asking.words("parser rented page")
    plain = store.read(lambda db: rank(db, asked, None))
    for vector in (b"\1\2\3", b"\xff\2\3", b"\1\2", b"", b"\0\0\0"):
        meant = Meant("made up", vector)
        weighed = store.read(lambda db, meant=meant: rank(db, asked, None, meant=meant))  # type: ignore[misc]
        told_of = {passage.id: passage for passage in weighed.passages}
        is_comparable = len(vector) == 3 and any(vector)
        assert [passage.id for passage in plain.passages if told_of[passage.id] != passage] or not is_comparable
        for passage in plain.passages:
            if not is_comparable or not store.read(lambda db, id=passage.id: vectors.of(db, "made up", 3, [id])):  # type: ignore[misc]
                assert told_of[passage.id] == passage


def many(project: Path, number: int) -> None:
    """Leave a long conversation, of many passages."""
    store = open_store(str(store_of(project)))
    stream, at = store.read(lambda db: next(db.execute("SELECT stream, at FROM turns WHERE text LIKE '%car%'")))
    add = "INSERT INTO turns (stream, at, key, source, role, text) VALUES (?, ?, ?, 1, 'user', ?)"
    said = [(stream, at + turn, 20_000 + turn, f"the walrus {turn} of the storm") for turn in range(number)]
    store.write(lambda db: db.executemany(add, said))
    store.close()


def test_indexing_that_is_killed_goes_on_where_it_was(told: Path, model: Path) -> None:
    many(told, 1_500)
    for kill in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        before = count(told)
        with subprocess.Popen([*KIOKU, "index"], cwd=told, stderr=subprocess.DEVNULL) as process:
            wait_until(lambda before=before: count(told) > before, "some vectors")  # type: ignore[misc]
            process.send_signal(kill)
        assert before < count(told)
    assert index(told)["not_embedded"] == 0
    assert count(told) == passages(told) > 1_500
    assert rows(told, "PRAGMA integrity_check") == [("ok",)]


def test_two_processes_that_index_at_once_make_the_same(told: Path, model: Path) -> None:
    many(told, 500)
    running = [subprocess.Popen([*KIOKU, "index"], cwd=told, stderr=subprocess.PIPE) for _ in range(2)]
    for process in running:
        _, said = process.communicate(timeout=PATIENCE_S * 2)
        assert process.returncode == 0, said
    assert count(told) == passages(told)
    assert rows(told, "SELECT count(*) FROM embedders") == [(1,)]


def workers(parent: int) -> list[int]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    told = [line.split(None, 2) for line in listed.splitlines()]
    return [int(pid) for pid, above, args in told if int(above) == parent and "kioku.embedding.worker" in args]


def test_a_server_embeds_in_the_background_and_its_tool_sorts_by_meaning(told: Path, model: Path) -> None:
    with Server(told) as server:
        server.initialize()
        wait_until(lambda: count(told) == passages(told) > 0, "a vector of every passage")
        (process,) = workers(server.process.pid)
        answer: dict[str, Any] = {}

        def is_used() -> bool:
            answer.update(server.call("context_search", query="parser automobile", type="turn")["structuredContent"])
            return bool(answer["model"] == "used")

        wait_until(is_used, "an answer with the model's part in it")
        assert "car" in answer["results"][0]["snippet"]
        assert server.end() == 0
    assert not is_there(process)


def test_two_servers_of_a_project_do_not_both_embed(told: Path, model: Path) -> None:
    many(told, 800)
    with Server(told) as first, Server(told) as second:
        for server in (first, second):
            server.initialize()
        wait_until(lambda: count(told) == passages(told), "a vector of every passage")
        assert len(workers(first.process.pid) + workers(second.process.pid)) == 1
        for server in (first, second):
            assert server.end() == 0


def test_a_server_answers_and_ends_whatever_its_model_does(told: Path, model: Path) -> None:
    many(told, 800)
    with Server(told) as server:
        server.initialize()
        wait_until(lambda: workers(server.process.pid), "a worker")
        (process,) = workers(server.process.pid)
        os.kill(process, signal.SIGSTOP)
        answer = server.call("context_search", query="parser automobile", type="turn")["structuredContent"]
        assert "not answered in time" in answer["model"]
        assert answer["results"]
        assert not server.call("read_file", path=".context/project.yaml").get("isError")
        assert server.end() == 0
    wait_until(lambda: not is_there(process), "the worker's end")


def test_a_server_with_a_model_that_cannot_be_used_serves_as_without(told: Path, model: Path) -> None:
    (model / "model.onnx").write_bytes(b"nonsense")
    with Server(told) as server:
        server.initialize()
        answer = server.call("context_search", query="parser automobile", type="turn")["structuredContent"]
        assert answer["model"].startswith("by words alone: search.model: ")
        assert answer["results"]
        assert server.end() == 0


def test_a_store_that_can_only_be_read_is_searched_with_what_it_has(told: Path, model: Path) -> None:
    index(told)
    store = open_for_reading(str(store_of(told)))
    fingerprint = store.read(lambda db: next(db.execute("SELECT fingerprint FROM embedders"))[0])
    assert store.read(lambda db: vectors.behind(db, fingerprint)) == 0
    store.close()


def test_the_evaluation_prints_the_figures_with_a_model_beside_full_text(tmp_path: Path) -> None:
    folder = tmp_path / "asked"
    folder.mkdir()
    said = {"a": "The parser of the car", "b": "The parser of the storm", "c": "The page of the login"}
    conversations = [{"id": id, "turns": [{"text": text, "id": f"{id}1"}]} for id, text in said.items()]
    questions = [
        {"question": "Which parser, of the automobile?", "conversations": ["a"], "turns": ["a1"]},
        {"question": "Which parser, of the weather?", "conversations": ["b"], "turns": ["b1"]},
    ]
    for name, lines in (("conversations", conversations), ("questions", questions)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    model = str(made.model(tmp_path / "model"))
    figures = {figure.what.partition(": ")[2]: figure for figure in evaluate(folder, tmp_path / "work", model)}
    assert figures["hit@1"].value == 50
    assert figures["hit@1, with the model"].value == 100
    assert figures["turns, recall@10, with the model"].value == 100


def test_a_passage_on_which_the_model_fails_keeps_a_server_from_no_other(told: Path, model: Path) -> None:
    made.model(model, rows=made.table()[:-1])  # of the last word, "rented", it knows nothing
    with Server(told) as server:
        server.initialize()
        wait_until(lambda: count(told) == passages(told), "a look at every passage")
        assert server.end() == 0
    query = """SELECT DISTINCT length(v.vector) > 0, t.text LIKE '%rented%'
               FROM vectors v JOIN passages p ON p.id = v.passage JOIN turns t ON t.id = p.turn"""
    assert sorted(rows(told, query)) == [(0, 1), (1, 0)]
