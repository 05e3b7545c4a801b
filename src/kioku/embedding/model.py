"""The model itself: text in, vectors out. The one module that needs the extra, and the one that trusts no output.

A vector is the mean of what the model says of a text's tokens, or what it gives as the whole text's, scaled so that its
largest part is 127. Only directions matter, so that loses nothing.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from kioku.embedding.folders import Files
from kioku.errors import EmbeddingError

EXTRA: Final = "pip install 'kioku-sessions[semantic]'"
TOKENS: Final = 256  # of a text that are looked at; a passage has about as many
MOST_DIMENSIONS: Final = 4_096
_AT_ONCE: Final = 4  # texts
_LARGEST_TOKENIZER: Final = 64 << 20  # bytes
_TOKENS, _MASK, _TYPES = "input_ids", "attention_mask", "token_type_ids"
_WHOLE: Final = ("sentence_embedding", "text_embeds", "pooler_output")
_WORDS: Final = ("last_hidden_state", "token_embeddings")
_TRIAL: Final = "A text to try the model with."
_VERSION: Final = b"1"  # of how vectors are made of what a model says


class Model:
    """A model that is loaded. Raises EmbeddingError, saying what is wrong, when it cannot be."""

    def __init__(self, files: Files, threads: int) -> None:
        try:
            import numpy
            import onnxruntime
            import tokenizers
        except ImportError as error:
            name = error.name or "a package"
            raise EmbeddingError(f"search.model: {name} is not installed", hint=EXTRA) from error
        self._numpy = numpy
        onnxruntime.disable_telemetry_events()
        onnxruntime.set_default_logger_severity(4)
        try:
            with open(files.tokenizer, "rb") as stream:
                described = stream.read(_LARGEST_TOKENIZER + 1)
            if len(described) > _LARGEST_TOKENIZER:
                raise EmbeddingError(f"search.model: {files.tokenizer} is larger than 64 MB")
            self._tokenizer: Any = tokenizers.Tokenizer.from_buffer(described)
            self._tokenizer.no_padding()
            self._tokenizer.enable_truncation(max_length=TOKENS)
        except EmbeddingError:
            raise
        except Exception as error:  # it raises Exception itself
            raise EmbeddingError(f"search.model: {files.tokenizer} cannot be used: {_short(error)}") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # which would keep what the largest batch took
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session: Any = onnxruntime.InferenceSession(files.model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have Exception in common, and no more
            raise EmbeddingError(f"search.model: {files.model} cannot be loaded: {_short(error)}") from error
        self._types = {given.name: _integer(given.type) for given in self._session.get_inputs()}
        unknown = self._types.keys() - {_TOKENS, _MASK, _TYPES}
        if _TOKENS not in self._types or unknown or None in self._types.values():
            told = ", ".join(f"{given.name} ({given.type})" for given in self._session.get_inputs())
            raise EmbeddingError(f"search.model: {files.model} takes {told[:200]}", hint="it must take input_ids")
        self._output = self._output_of(files.model)
        self._takes_first = _takes_first(files.pooling)
        self._trial = self._tokens([_TRIAL])[0]
        first = self._each([self._trial])[0]
        if not first:
            raise EmbeddingError(f"search.model: what {files.model} says of a text is no vector of numbers")
        self.dimensions = len(first)
        self.fingerprint = self._fingerprint(files, described)

    def vectors(self, texts: Sequence[str]) -> list[bytes]:
        """Return the vector of each text; an empty one for a text of which the model makes no numbers.

        Raises EmbeddingError when the model fails, or says something of another shape.
        """
        told = self._tokens(texts)
        found = [b""] * len(told)
        # Texts of about one length together: a short one would be filled up to the longest beside it.
        at_once = _AT_ONCE if _MASK in self._types else 1
        by_length = sorted(range(len(told)), key=lambda number: len(told[number]))
        for start in range(0, len(by_length), at_once):
            some = by_length[start : start + at_once]
            for number, vector in zip(some, self._each([told[number] for number in some]), strict=True):
                found[number] = vector
        return found

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        try:
            return [self._tokenizer.encode(text).ids or [0] for text in texts]
        except Exception as error:  # as when it was loaded
            raise EmbeddingError(f"search.model: the model's tokenizer failed: {_short(error)}") from error

    def _each(self, told: Sequence[Sequence[int]]) -> list[bytes]:
        """Return the vector of each list of tokens: an empty one where the model fails on that alone.

        Raises EmbeddingError when it fails on what it knew when it was loaded, too.
        """
        try:
            return [self._small(vector) for vector in self._run(told)]
        except EmbeddingError:
            if len(told) == 1:
                if told[0] is not self._trial:
                    self._each([self._trial])
                    return [b""]
                raise
        return [vector for tokens in told for vector in self._each([tokens])]

    def _run(self, told: Sequence[Sequence[int]]) -> Any:
        """Return an array with a row of numbers for each list of tokens."""
        numpy = self._numpy
        ids = numpy.zeros((len(told), max(map(len, told))), dtype=numpy.int64)
        mask = numpy.zeros_like(ids)
        for row, tokens in enumerate(told):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        given = {_TOKENS: ids, _MASK: mask, _TYPES: numpy.zeros_like(ids)}
        try:
            fed = {name: given[name].astype(type) for name, type in self._types.items()}
            (said,) = self._session.run([self._output], fed)
            said = numpy.asarray(said, dtype=numpy.float32)
        except Exception as error:  # as when it was loaded
            raise EmbeddingError(f"search.model: the model failed: {_short(error)}") from error
        if said.ndim == 3 and said.shape[:2] == ids.shape:
            weights = mask[:, :, None].astype(numpy.float32)
            said = said[:, 0] if self._takes_first else (said * weights).sum(axis=1) / weights.sum(axis=1)
        if said.ndim != 2 or said.shape[0] != len(told) or not 2 <= said.shape[1] <= MOST_DIMENSIONS:
            shape = "x".join(map(str, said.shape))
            raise EmbeddingError(
                f"search.model: the model says {shape} numbers of {len(told)} texts",
                hint=f"vectors of 2 to {MOST_DIMENSIONS} numbers can be used",
            )
        return said

    def _small(self, vector: Any) -> bytes:
        numpy = self._numpy
        largest = float(numpy.abs(vector).max())
        if not 0 < largest < float("inf"):  # nothing, or no number
            return b""
        small: bytes = numpy.rint(vector / largest * 127).astype(numpy.int8).tobytes()
        return small

    def _output_of(self, path: str) -> str:
        names: list[str] = [given.name for given in self._session.get_outputs()]
        for name in (*_WHOLE[:2], *_WORDS, *_WHOLE[2:]):
            if name in names:
                return name
        ranks = {given.name: len(given.shape or ()) for given in self._session.get_outputs()}
        fitting = [name for name in names if ranks[name] in (2, 3)]
        if not fitting:
            raise EmbeddingError(
                f"search.model: {path} gives {', '.join(names)[:200]}", hint="it must give last_hidden_state"
            )
        return fitting[0]

    def _fingerprint(self, files: Files, described: bytes) -> str:
        digest = hashlib.blake2b(_VERSION, digest_size=16)
        digest.update(b"first" if self._takes_first else b"mean")
        digest.update(hashlib.blake2b(described).digest())
        with open(files.model, "rb") as stream:
            while data := stream.read(1 << 20):
                digest.update(data)
        return digest.hexdigest()


def _takes_first(path: str) -> bool:
    """Tell whether an export says that its first token stands for the whole text."""
    try:
        with open(path, encoding="utf-8") as stream:
            told = json.loads(stream.read(1 << 16))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(told, dict) and told.get("pooling_mode_cls_token") is True


def _integer(type: str) -> str | None:
    return {"tensor(int64)": "int64", "tensor(int32)": "int32"}.get(type)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
