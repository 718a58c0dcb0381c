"""A checkpoint becomes the readable text of its manifest, and back."""

from __future__ import annotations

import json
import re
from operator import attrgetter
from typing import TYPE_CHECKING, Any

# Imported at once: a program that is out of file descriptors can import nothing when it is saved.
import orjson

from lattice_addons.checkpoint._encrypted import close_manifest, open_manifest
from lattice_addons.checkpoint._fields import (
    BadFieldError,
    entry,
    field,
    hyperparams,
    integer,
    part,
    tables,
    texts,
    unchecked_format,
)
from lattice_addons.checkpoint._model import FORMAT, Checkpoint
from lattice_addons.checkpoint._parsed import parsed
from lattice_addons.checkpoint._seal import damaged, seal, unseal
from lattice_addons.checkpoint._slots import Lines, Slots
from lattice_addons.checkpoint._tables import Table
from lattice_addons.errors import CheckpointError, FormatError, UntrustedError

if TYPE_CHECKING:
    from lattice_addons.checkpoint._cipher import Cipher
    from lattice_addons.checkpoint._model import Chunk, Entry
    from lattice_addons.checkpoint._slots import ReadTexts

__all__ = ["INLINE", "LARGEST", "inline", "parse", "slot_line", "to_text"]

INLINE = 64 * 1024
LARGEST = 8 * 1024 * 1024
_fields_of = attrgetter("digest", "length", "pack", "offset")
_compressed_fields_of = attrgetter("digest", "length", "pack", "offset", "stored")
_encrypted_fields_of = attrgetter("digest", "length", "pack", "offset", "stored", "lock")
_SLOTS = b'"slots": {\n'
_LINE = re.compile(rb'^"([^"\\\n]*)": (\{.*\}),?$', re.MULTILINE)
_HEADER = ("format", "job", "rank", "number", "parent", "created", "reason", "notes", "program", "metrics")


def inline(value: bytes) -> bytes | None:
    """Give a value's JSON text on one line; None when it is too long or too deep for a manifest."""
    if len(value) > INLINE:
        return None
    try:
        text = orjson.dumps(orjson.loads(value))
    except (
        orjson.JSONDecodeError,
        orjson.JSONEncodeError,
    ):  # nested too deep: its bytes are kept as they are
        return None
    return text if len(text) <= INLINE else None


def slot_line(name: str, entry: Entry) -> bytes:
    """Give the line of one slot."""
    told: dict[str, Any] = {"manager": entry.manager, "encoding": entry.encoding}
    told |= {"type": entry.type, "size": entry.size}
    if entry.value is not None:
        told["value"] = orjson.Fragment(entry.value)
    if entry.at is not None:
        told["at"] = entry.at.told()
    elif entry.buffers or entry.value is None:
        told["buffers"] = [list(map(_told, buffer)) for buffer in entry.buffers]
    if entry.summaries:
        told["summaries"] = [summary.told() for summary in entry.summaries]
    return b"%b: %b" % (orjson.dumps(name), orjson.dumps(told))


def _told(chunk: Chunk) -> tuple[object, ...]:
    get = _encrypted_fields_of if chunk.lock else _compressed_fields_of if chunk.stored else _fields_of
    fields: tuple[object, ...] = get(chunk)
    return fields


def to_text(checkpoint: Checkpoint, key: bytes | None, cipher: Cipher | None = None) -> bytes:
    """Give the whole manifest: one line per header field, one per table, one per slot, the seal last.

    With a cipher only where it belongs can be read of it.
    """
    header = b"".join(b'"%b": %b,\n' % (name.encode(), _json(getattr(checkpoint, name))) for name in _HEADER)
    if checkpoint.part is not None:
        header += b'"part": %b,\n' % orjson.dumps(checkpoint.part.told())
    if checkpoint.hyperparams:
        header += b'"hyperparams": %b,\n' % _json(checkpoint.hyperparams)
    if checkpoint.tables:
        rows = b",\n".join(orjson.dumps(list(map(_told, table))) for table in checkpoint.tables)
        header += b'"tables": [\n%b\n],\n' % rows
    slots = b",\n".join(slot_line(name, entry) for name, entry in checkpoint.lines.items())
    body = b"{\n%b%b%b\n}" % (header, _SLOTS, slots)
    return seal(body if cipher is None else close_manifest(body, cipher), key)


def parse(  # noqa: PLR0913, PLR0917 - where it is, and what it takes to read it
    text: bytes,
    key: bytes | None,
    where: str,
    place: tuple[str, int, int],
    read: ReadTexts | None = None,
    cipher: Cipher | None = None,
) -> Checkpoint:
    """Read a manifest that must be that of this place (job, rank, number); `where` names its file.

    What it says of a slot is checked when that slot is asked for, and then raises `DamagedError` as well; so are its
    tables, whose texts ``read`` gives.
    """
    try:
        body = unseal(text, key, where)
    except CheckpointError:
        # A newer format may be sealed otherwise, and is not to be taken for damage: see `_of_newer`.
        if _of_newer(text, key, where):
            raise _newer(text, where) from None
        raise
    if (unchecked_format(body) or 0) > FORMAT:
        raise _newer(text, where)
    body = open_manifest(body, cipher, where)
    try:
        fields = _fields(body)
    except orjson.JSONDecodeError as error:
        raise damaged(where, f"it is not JSON ({error})") from None
    try:
        checkpoint = _checkpoint(fields, where, read)
    except BadFieldError as error:
        raise damaged(where, str(error)) from None
    if (checkpoint.job, checkpoint.rank, checkpoint.number) != place:
        raise _displaced(checkpoint, key, where)
    return checkpoint


def _fields(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Give what a manifest tells, the slots' lines as they stand; `orjson.JSONDecodeError` where it is no JSON.

    To parse 2,560 lines takes longer than all else of opening a job, and it may ask for one of them.
    """
    start = body.find(_SLOTS) + len(_SLOTS)
    told = _texts_of(body, start, len(body) - 2) if start >= len(_SLOTS) and body.endswith(b"\n}") else None
    if told is None:  # it is laid out in another way than `to_text` does
        return parsed(body + b"}")
    fields = orjson.loads(body[:start] + b"}}")
    fields["slots"] = told
    return fields


def _texts_of(body: bytes, start: int, end: int) -> dict[str, bytes] | None:
    """Give the text of each slot by its name; None where there are names that JSON writes with a backslash."""
    found = _LINE.findall(body, start, end)
    if len(found) != body.count(b"\n", start, end) + 1:
        return None
    try:
        return {name.decode(): text for name, text in found}
    except UnicodeDecodeError:
        return None


def _checkpoint(fields: Any, where: str, read: ReadTexts | None) -> Checkpoint:  # noqa: ANN401 - any JSON
    if type(fields) is not dict or fields.keys() - {"part", "hyperparams", "tables"} != {*_HEADER, "slots"}:
        raise BadFieldError(f"its fields are not {', '.join(_HEADER)}, slots, digest")
    if integer(fields, "format", 1) != FORMAT:
        raise BadFieldError("its format is not told in its first line")

    def checked(name: str, told: object) -> Entry:
        try:
            return entry(name, orjson.loads(told) if type(told) is bytes else told)
        except orjson.JSONDecodeError as error:
            raise damaged(where, f"slot {name!r} is not JSON ({error})") from None
        except BadFieldError as error:
            raise damaged(where, str(error)) from None

    chunks = tables(fields)
    return Checkpoint(
        job=field(fields, "job", str),
        rank=integer(fields, "rank"),
        number=integer(fields, "number", 1),
        parent=integer(fields, "parent", 1, optional=True),
        created=field(fields, "created", str),
        reason=field(fields, "reason", str),
        notes=texts(fields, "notes"),
        program=field(fields, "program", dict),
        metrics=field(fields, "metrics", dict),
        slots=Slots(Lines(field(fields, "slots", dict), checked), map(Table, chunks), read),
        tables=chunks,
        part=part(fields),
        hyperparams=hyperparams(fields),
    )


def _json(value: object) -> bytes:
    try:
        return orjson.dumps(value, default=str)
    except orjson.JSONEncodeError:  # lone surrogates, as in the names of files that are not UTF-8
        return json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace")


def _of_newer(text: bytes, key: bytes | None, where: str) -> bool:
    """Tell a newer format from this one with a flipped bit in the number of its format."""
    told = unchecked_format(text)
    if told is None or told <= FORMAT:
        return False
    line = b'{\n"format": %d,'
    try:
        unseal(text.replace(line % told, line % FORMAT, 1), key, where)
    except CheckpointError:
        return True
    return False


def _newer(text: bytes, where: str) -> FormatError:
    told = unchecked_format(text)
    message = (
        f"the manifest {where} is of format {told}, and this version reads up to format {FORMAT}: "
        f"it was written by {_writer(text)}; upgrade with `pip install -U lattice-addons`, "
        "or use another job id (LATTICE_JOB_ID)"
    )
    return FormatError(message, key=where, format=told)


def _writer(text: bytes) -> str:
    try:
        version = orjson.loads(text)["program"]["packages"]["lattice-addons"]
    except (ValueError, KeyError, TypeError):  # a newer format may keep its version elsewhere
        return "a newer lattice-addons, which is needed"
    return f"lattice-addons {version}, and that version or a later one is needed"


def _displaced(checkpoint: Checkpoint, key: bytes | None, where: str) -> CheckpointError:
    told = f"checkpoint {checkpoint.number} of job {checkpoint.job!r}, rank {checkpoint.rank}"
    if key is None:
        return damaged(where, f"it is {told}, and does not belong there; move it back")
    message = f"the manifest {where} is {told}, put in another's place; it is not used"
    return UntrustedError(message, key=where)
