"""Where a model's files are: in a folder, or in the folder of an installed package. No code in it is ever run."""

import os
import sys
from typing import Final, NamedTuple

from kioku.errors import EmbeddingError

# What exports call them, in order of preference: whole ones are slower, and hardly better.
_MODELS: Final = (
    "model.onnx", "model_quantized.onnx", "model_int8.onnx", "model_uint8.onnx", "model_quint8_avx2.onnx",
    "model_qint8_arm64.onnx", "model_qint8_avx512.onnx", "model_qint8_avx512_vnni.onnx", "model_O2.onnx",
)  # fmt: skip
_TOKENIZER: Final = "tokenizer.json"
_LARGEST: Final = 1 << 32  # bytes of a model


class Files(NamedTuple):
    """The files of a model; `pooling` says how an export's words become one vector, and need not be there."""

    model: str
    tokenizer: str
    pooling: str


def find(named: str) -> Files:
    """Return the files of the model that the setting names. Raises EmbeddingError, saying what is missing."""
    folder = _of_package(named) if _is_package(named) else os.path.expanduser(named)
    if not os.path.isdir(folder):
        raise EmbeddingError(f"search.model: there is no folder '{folder}'")
    found: dict[str, str] = {}
    for below in _folders(folder):
        for name in (*_MODELS, _TOKENIZER):
            path = os.path.join(below, name)
            if name not in found and os.path.isfile(path):
                found[name] = path
    model = next((found[name] for name in _MODELS if name in found), None)
    if model is None:
        raise EmbeddingError(f"search.model: '{folder}' has no model.onnx", hint=f"it has {_listed(folder)}")
    if _TOKENIZER not in found:
        raise EmbeddingError(f"search.model: '{folder}' has no {_TOKENIZER}", hint=f"it has {_listed(folder)}")
    if os.path.getsize(model) > _LARGEST:
        raise EmbeddingError(f"search.model: {model} is larger than 4 GB")
    home = os.path.dirname(found[_TOKENIZER])
    return Files(model, found[_TOKENIZER], os.path.join(home, "1_Pooling", "config.json"))


def _folders(folder: str) -> list[str]:
    """Return a folder, what it has for ONNX, and those of its own folders that are models' (in a package)."""
    with os.scandir(folder) as entries:
        inner = sorted(entry.path for entry in entries if entry.is_dir() and not entry.name.startswith((".", "__")))
    places = [folder, *inner[:50]]
    return [below for place in places for below in (place, os.path.join(place, "onnx")) if os.path.isdir(below)]


def _is_package(named: str) -> bool:
    return named.isascii() and named.replace("-", "_").isidentifier()


def _of_package(named: str) -> str:
    """Return the folder of a package that is installed, without importing it; the working folder is none of those."""
    from importlib.machinery import PathFinder

    places = [path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")]
    spec = PathFinder.find_spec(named.replace("-", "_"), places)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    if not folders:
        raise EmbeddingError(f"search.model: there is no package '{named}'", hint="install it, or give a whole path")
    return folders[0]


def _listed(folder: str) -> str:
    names = sorted(os.listdir(folder))
    return (", ".join(names[:8]) + (", …" if len(names) > 8 else "")) if names else "nothing in it"
