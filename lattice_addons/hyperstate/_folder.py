"""A checkpoint as a folder that a person can read and edit: two texts, and blobs beside them with their digests."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from lattice_addons.checkpoint import found
from lattice_addons.errors import DamagedError, NoConfigError

from ._blob_files import read_blob, write_blob
from ._parts import PREFIX
from ._read import ENDINGS, read_text
from ._sound import ABOUT, CONFIG, STATE, texts_of
from ._typed import build
from ._write import write_file, write_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons.checkpoint import Checkpoint, Line

__all__ = ["Folder", "digest_of", "is_folder", "read_folder", "write_folder", "write_texts"]

#: Where a folder came from, and the list of its blobs; the texts are for people, this is for programs.
ORIGIN, BLOBS = "checkpoint.json", "blobs.yaml"
_DIGEST = "blake3:"


@dataclass
class BlobFile:
    """What the list of the blobs says of one; what else stands there is for people."""

    file: str
    digest: str | None = None


class Folder(NamedTuple):
    """What a folder holds; a blob is read, and checked, when its function is called."""

    config: Any
    state: Any
    lazy: list[str]
    blobs: dict[str, Callable[[], object]]
    #: The blobs whose digest a person has taken away: their files count as they are.
    replaced: list[str]
    origin: dict[str, Any]
    paths: dict[str, str]


def is_folder(path: str) -> bool:
    """Tell whether a path is a folder that a checkpoint was written to."""
    return os.path.isdir(path) and any(os.path.exists(_text(path, CONFIG, end)) for end in ENDINGS)


def write_folder(line: Line, checkpoint: Checkpoint, folder: str, form: str) -> None:
    """Write a checkpoint as a folder; blobs are read one at a time.

    Raises:
        ConfigError: a text has what no file of this form can say.
        DamagedError: a blob is damaged, or named as none is.
        NoConfigError: a text cannot be written.
    """
    texts = write_texts(line, checkpoint, folder, form)
    listed = {}
    for name, entry in checkpoint.slots.items():
        if name.startswith(PREFIX):
            there = found(line, entry, name)
            value, buffers = there.line.read(there.entry, slot=name)
            file = write_blob(folder, name.removeprefix(PREFIX), there.entry, value, buffers)
            told = {"file": file, "type": there.entry.type, "digest": digest_of(os.path.join(folder, file))}
            listed[name.removeprefix(PREFIX)] = told
    write_file(os.path.join(folder, BLOBS), write_text(listed, "yaml", None))
    origin = {
        "store": line.store.url,
        "job": line.job,
        "rank": line.rank,
        "checkpoint": checkpoint.number,
        "about": texts.get(ABOUT),
    }
    write_file(os.path.join(folder, ORIGIN), json.dumps(origin, indent=2, ensure_ascii=False) + "\n")


def write_texts(line: Line, checkpoint: Checkpoint, folder: str, form: str) -> dict[str, Any]:
    """Write config and state of a checkpoint as text; give what they hold."""
    texts = texts_of(line, checkpoint)
    os.makedirs(folder, exist_ok=True)
    for name in (CONFIG, STATE):
        ending = next(end for end, known in ENDINGS.items() if known == form)
        # What the folder had in another form would be taken for this checkpoint's.
        for other in ENDINGS:
            if other != ending and os.path.exists(_text(folder, name, other)):
                os.remove(_text(folder, name, other))
        write_file(_text(folder, name, ending), write_text(texts[name], form, None))
    return texts


def read_folder(folder: str, trust: str) -> Folder:
    """Read a folder that a checkpoint was written to.

    Raises:
        ConfigError: the list of the blobs does not say where each of them is.
        DamagedError: the file of a blob is not there, or is not the one that was written.
    """
    texts = {name: read_text(path).data for name, path in text_paths(folder).items()}
    blobs: dict[str, Callable[[], object]] = {}
    replaced = []
    for name, told in _listed(os.path.join(folder, BLOBS)).items():
        path = os.path.join(folder, os.path.basename(told.file))
        if not told.digest:
            replaced.append(name)
        _check(name, path, told.digest)
        blobs[name] = partial(read_blob, path, trust)
    origin = _origin(folder)
    lazy = list((origin.get("about") or {}).get("lazy", ()))
    return Folder(texts[CONFIG], texts[STATE], lazy, blobs, replaced, origin, text_paths(folder))


def _listed(path: str) -> dict[str, BlobFile]:
    read = read_text(path)
    found: dict[str, BlobFile] = build(
        dict[str, BlobFile], read.data or {}, read.lines, path, ignore_extra_fields=True
    )
    return found


def text_paths(folder: str) -> dict[str, str]:
    """Give the paths of the two texts."""
    found = {}
    for name in (CONFIG, STATE):
        path = next((p for end in ENDINGS if os.path.exists(p := _text(folder, name, end))), None)
        if path is None:
            message = f"{folder} has no {name}.yaml (.ron, .json, .toml): it is no checkpoint's folder"
            raise NoConfigError(message, path=folder)
        found[name] = path
    return found


def digest_of(path: str) -> str:
    """Give the digest of a file."""
    from blake3 import blake3

    return _DIGEST + str(blake3().update_mmap(path).hexdigest())


def _check(name: str, path: str, digest: str | None) -> None:
    if not os.path.isfile(path):
        message = f"blob {name!r}: its file {path} is not there"
        raise DamagedError(message, key=path)
    if digest and digest_of(path) != digest:
        message = (
            f"blob {name!r}: {path} is not the file that was written: its digest is another one than {BLOBS} says; "
            f"if you have changed it yourself, take its `digest` out of {BLOBS}"
        )
        raise DamagedError(message, key=path)


def _origin(folder: str) -> dict[str, Any]:
    try:
        with open(os.path.join(folder, ORIGIN), encoding="utf-8") as file:
            told = json.load(file)
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _text(folder: str, name: str, ending: str) -> str:
    return os.path.join(folder, name + ending)
