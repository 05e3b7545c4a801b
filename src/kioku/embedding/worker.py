"""The process in which the model runs: `python -m kioku.embedding.worker THREADS MODEL TOKENIZER POOLING`.

It answers on standard output what it is asked on standard input, and ends with that input, however busy it is, or when
nobody has asked for a while. What libraries print goes nowhere.
"""

import os
import queue
import sys
import threading
from typing import Final

import msgspec

from kioku.embedding.folders import Files
from kioku.embedding.talking import Answer, Question
from kioku.errors import EmbeddingError

IDLE_S: Final = 600.0


def main(arguments: list[str]) -> None:
    """Answer until the input ends."""
    threads, *paths = arguments
    out = os.dup(1)
    os.dup2(2, 1)
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    work = threading.Thread(target=_work, args=(Files(*paths), int(threads), asked, out), daemon=True)
    work.start()
    rest = b""
    while data := os.read(0, 1 << 16):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            asked.put(line)
    os._exit(0)  # whoever asked is gone, and the model may be busy for a while yet


def _work(files: Files, threads: int, asked: "queue.SimpleQueue[bytes]", out: int) -> None:
    code = 1
    try:
        _answer(files, threads, asked, out)
        code = 0
    finally:
        os._exit(code)


def _answer(files: Files, threads: int, asked: "queue.SimpleQueue[bytes]", out: int) -> None:
    from kioku.embedding.model import Model

    try:
        model = Model(files, threads)
    except EmbeddingError as error:
        _say(out, Answer(id=0, failed=str(error)))
        return
    _say(out, Answer(id=0, fingerprint=model.fingerprint, dimensions=model.dimensions))
    while True:
        try:
            question = msgspec.json.decode(asked.get(timeout=IDLE_S), type=Question)
        except queue.Empty:
            return
        try:
            _say(out, Answer(id=question.id, vectors=model.vectors(question.texts)))
        except EmbeddingError as error:
            _say(out, Answer(id=question.id, failed=str(error)))


def _say(out: int, answer: Answer) -> None:
    data = msgspec.json.encode(answer) + b"\n"
    while data:
        data = data[os.write(out, data) :]


if __name__ == "__main__":
    main(sys.argv[1:])
