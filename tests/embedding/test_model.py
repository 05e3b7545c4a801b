"""A model is real native code in a process of its own: it gives vectors, or a reason, and is never waited for."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kioku.embedding import folders, helper, model
from kioku.embedding.helper import Helper
from kioku.errors import EmbeddingError
from tests.embedding import made
from tests.support import PATIENCE_S, wait_until

pytestmark = made.needs_extra


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made.model(tmp_path / "model")


@pytest.fixture
def asked(folder: Path) -> Iterator[Helper]:
    asked = Helper(str(folder))
    yield asked
    asked.close()


def vectors(named: object, *texts: str) -> list[bytes]:
    asked = Helper(str(named))
    try:
        return asked.vectors(texts, within_s=PATIENCE_S).vectors
    finally:
        asked.close()


def cosine(a: bytes, b: bytes) -> float:
    one, other = ([byte - 256 if byte > 127 else byte for byte in vector] for vector in (a, b))
    dot = sum(x * y for x, y in zip(one, other, strict=True))
    return float(dot / (sum(x * x for x in one) * sum(y * y for y in other)) ** 0.5)


def worker(asked: Helper) -> "subprocess.Popen[bytes]":
    assert asked._worker is not None
    return asked._worker


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


EXPORTS: dict[str, Callable[[Path], Path]] = {
    "words and a mask": made.model,
    "words only": lambda path: made.model(path, inputs=made.INPUTS[:1]),
    "types as well": lambda path: made.model(path, inputs=made.INPUTS),
    "whole texts": lambda path: made.model(path, output="sentence_embedding", pooled=True),
    "an output of another name": lambda path: made.model(path, output="something"),
    "in a folder of its own": lambda path: made.model(path, name="onnx/model_quantized.onnx"),
}


@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
def test_texts_that_mean_the_same_are_near_each_other(tmp_path: Path, export: Callable[[Path], Path]) -> None:
    car, automobile, storm = vectors(export(tmp_path), "car", "automobile", "storm")
    assert len(car) == len(made.table()[0])
    assert cosine(car, automobile) > 0.99
    assert cosine(car, storm) < 0.5


def test_a_text_counts_the_same_beside_a_longer_one_and_alone(folder: Path) -> None:
    assert vectors(folder, "the car", "the storm was " * 50) == vectors(folder, "the car") + vectors(
        folder, "the storm was " * 50
    )


def test_an_export_that_lets_its_first_token_stand_for_all_is_taken_at_its_word(folder: Path) -> None:
    (mean,) = vectors(folder, "the car")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    (first,) = vectors(folder, "the car")
    assert first == vectors(folder, "the")[0] != mean


def test_any_text_has_a_vector_or_none_and_harms_nobody(folder: Path) -> None:
    texts = ["", " ", "\0", "🦊" * 5000, "x" * 100_000, "\u202e", "car\n\n" * 3000]
    assert len(vectors(folder, *texts)) == len(texts)


def test_another_model_has_another_fingerprint(tmp_path: Path) -> None:
    told = set()
    for name, rows in (("one", made.table()), ("two", made.table()[::-1]), ("again", made.table())):
        asked = Helper(str(made.model(tmp_path / name, rows=rows)))
        told.add(asked.load(within_s=PATIENCE_S))
        asked.close()
    assert len(told) == 2


def _not_there(path: Path) -> Path:
    return path / "nowhere"


def _without_tokenizer(path: Path) -> Path:
    return made.model(path, tokenizer=False)


def _with(name: str, content: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        (made.model(path) / name).write_bytes(content)
        return path

    return write


def _cut(path: Path) -> Path:
    file = made.model(path) / "model.onnx"
    file.write_bytes(file.read_bytes()[:-200])
    return path


def _empty(path: Path) -> Path:
    return path


def _a_link_that_leads_nowhere(path: Path) -> Path:
    file = made.model(path) / "model.onnx"
    file.unlink()
    file.symlink_to(path / "gone")
    return path


NAN = [[float("nan")] * 14] * len(made.words())
ZERO = [[0.0] * 14] * len(made.words())
FAILURES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no folder": (_not_there, "there is no folder"),
    "an empty folder": (_empty, "no model.onnx"),
    "a link that leads nowhere": (_a_link_that_leads_nowhere, "no model.onnx"),
    "no tokenizer": (_without_tokenizer, "no tokenizer.json"),
    "not an ONNX file": (_with("model.onnx", b"<html>not found</html>"), "cannot be loaded"),
    "an empty file": (_with("model.onnx", b""), "cannot be loaded|takes"),
    "half a file": (_cut, "cannot be loaded"),
    "not a tokenizer": (_with("tokenizer.json", b"{}"), "tokenizer.json cannot be used"),
    "a tokenizer of bytes": (_with("tokenizer.json", b"\xff\xfe"), "tokenizer.json cannot be used"),
    "other inputs": (lambda path: made.model(path, inputs=["pixel_values"]), "takes pixel_values"),
    "more inputs": (lambda path: made.model(path, inputs=["input_ids", "prices"]), "takes input_ids"),
    "a number for each text": (lambda path: made.model(path, pooled=True, over=(1, 2)), "numbers of 1 texts"),
    "no numbers": (lambda path: made.model(path, rows=NAN), "no vector of numbers"),
    "nothing": (lambda path: made.model(path, rows=ZERO), "no vector of numbers"),
    "a huge vector": (lambda path: made.model(path, rows=[[1.0] * 5000] * len(made.words())), "1x5000 numbers"),
    "fewer words than the tokenizer": (lambda path: made.model(path, rows=made.table()[:1]), "the model failed"),
    "no package": (lambda _path: Path("no-such-package-of-anybody"), "there is no package"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "why"), FAILURES.values(), ids=FAILURES)
def test_what_cannot_be_used_says_why_and_is_not_tried_again_for_a_while(
    tmp_path: Path, make: Callable[[Path], Path], why: str
) -> None:
    asked = Helper(str(make(tmp_path)))
    with pytest.raises(EmbeddingError, match=why):
        asked.load(within_s=PATIENCE_S)
    assert asked._worker is None
    with pytest.raises(EmbeddingError, match=why):
        asked.vectors(["car"], within_s=PATIENCE_S)
    assert asked._worker is None
    asked.close()


def test_without_the_extra_it_is_said_how_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("numpy", "onnxruntime", "tokenizers"):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, name, None)
            with pytest.raises(EmbeddingError, match=rf"{name} is not installed.*kioku-sessions\[semantic\]"):
                model.Model(folders.find(str(folder)), 1)


def test_a_package_is_found_where_packages_are_installed_and_none_of_its_code_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "site-packages"
    for top in (place, tmp_path / "here"):
        made.model(top / "a_model_for_tests" / "weights")
        (top / "a_model_for_tests" / "__init__.py").write_text(f"open({str(tmp_path / 'was_run')!r}, 'w')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "here"))
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(EmbeddingError, match="no package 'a-model-for-tests'"):
        folders.find("a-model-for-tests")
    monkeypatch.syspath_prepend(str(place))
    assert folders.find("a-model-for-tests").model == str(place / "a_model_for_tests" / "weights" / "model.onnx")
    assert vectors("a-model-for-tests", "car")
    assert not (tmp_path / "was_run").exists()


def test_a_worker_that_dies_is_reported_and_later_another_one_answers(asked: Helper) -> None:
    asked.load(within_s=PATIENCE_S)
    dead = worker(asked)
    os.kill(dead.pid, signal.SIGKILL)
    wait_until(lambda: asked._worker is None, "a look at its end")
    with pytest.raises(EmbeddingError, match="ended by itself"):
        asked.vectors(["car"], within_s=PATIENCE_S)
    assert dead.returncode == -signal.SIGKILL  # and it is reaped
    asked._rests_until = 0.0
    assert asked.vectors(["car"], within_s=PATIENCE_S).vectors
    assert worker(asked).pid != dead.pid


def test_a_worker_that_does_not_answer_is_not_waited_for_and_goes_on_afterwards(asked: Helper) -> None:
    asked.load(within_s=PATIENCE_S)
    os.kill(worker(asked).pid, signal.SIGSTOP)
    with pytest.raises(EmbeddingError, match="not answered in time"):
        asked.vectors(["car"], within_s=0.05)
    os.kill(worker(asked).pid, signal.SIGCONT)
    (automobile, storm) = asked.vectors(["automobile", "storm"], within_s=PATIENCE_S).vectors
    assert cosine(automobile, storm) < 0.5  # and not the answer to the question before


def test_a_worker_that_never_answers_is_ended(asked: Helper, monkeypatch: pytest.MonkeyPatch) -> None:
    asked.load(within_s=PATIENCE_S)
    stuck = worker(asked)
    os.kill(stuck.pid, signal.SIGSTOP)
    monkeypatch.setattr(helper, "HANGS_S", 0.05)
    with pytest.raises(EmbeddingError, match="in time"):
        asked.vectors(["car"], within_s=0.05)
    wait_until(lambda: asked._worker is None, "the worker's end")
    assert not is_there(stuck.pid)
    with pytest.raises(EmbeddingError, match="has not answered within"):
        asked.vectors(["car"], within_s=PATIENCE_S)


def test_many_threads_ask_at_once_and_each_gets_its_own_answer(asked: Helper) -> None:
    from concurrent.futures import ThreadPoolExecutor

    words = ["car", "login", "fast", "bug", "remove", "storm"] * 20
    alone = dict(zip(words, asked.vectors(words, within_s=PATIENCE_S).vectors, strict=True))
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda word: asked.vectors([word], within_s=PATIENCE_S).vectors[0], words))
    assert told == [alone[word] for word in words]


def test_a_worker_that_ended_since_nobody_asked_it_is_followed_by_another(asked: Helper) -> None:
    asked.load(within_s=PATIENCE_S)
    first = worker(asked)
    assert first.stdin is not None
    first.stdin.close()  # which ends it as well as ten minutes without a question
    wait_until(lambda: asked._worker is None, "a look at its end")
    assert first.returncode == 0
    assert asked.vectors(["car"], within_s=PATIENCE_S).vectors


def test_a_text_on_which_the_model_fails_has_no_vector_and_the_others_have_theirs(tmp_path: Path) -> None:
    folder = made.model(tmp_path, rows=made.table()[:-1])  # of the last word it knows nothing
    last, car = made.words()[-1], "car"
    for texts in ([last, car], [car, last, "the " * 9], [car] * 9 + [last], [car, last, last, last, last]):
        told = vectors(folder, *texts)
        assert [bool(vector) for vector in told] == [text != last for text in texts]
        assert told[texts.index(car)] == vectors(folder, car)[0]
    assert vectors(folder, last) == [b""]


def test_closing_leaves_no_process_and_may_be_repeated(asked: Helper) -> None:
    asked.load(within_s=PATIENCE_S)
    process = worker(asked).pid
    asked.close()
    assert not is_there(process)
    asked.close()
    assert asked.vectors(["car"], within_s=PATIENCE_S).vectors  # whoever asks again is answered


def test_a_worker_ends_with_whoever_started_it_however_that_ends(folder: Path) -> None:
    script = """
import sys
from kioku.embedding.helper import Helper
asked = Helper(sys.argv[1])
asked.load(within_s=30)
print(asked._worker.pid, flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", script, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        process = int(parent.stdout.readline())
        assert is_there(process)
        parent.kill()
    wait_until(lambda: not is_there(process), "the worker's end")


def test_a_model_that_is_still_loaded_answers_those_who_wait_for_it(asked: Helper) -> None:
    asked.start()
    with pytest.raises(EmbeddingError, match="in time"):
        asked.vectors(["car"], within_s=0.0)
    assert asked.vectors(["car"], within_s=PATIENCE_S).vectors
