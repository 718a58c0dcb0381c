"""No bytes that may stand in a manifest's place raise anything but our errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lattice_addons.checkpoint import Checkpoint, Chunk, Entry, Summary
from lattice_addons.checkpoint._manifest import parse, to_text
from lattice_addons.checkpoint._seal import seal
from lattice_addons.errors import CheckpointError

PLACE = ("job", 0, 7)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
clean = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
whole = st.integers(0, 2**63 - 1)
chunks = st.builds(
    Chunk,
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.integers(1, 4 * 2**20),
    st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=26, max_size=26),
    whole,
)
buffers = st.lists(st.lists(chunks, max_size=3).map(tuple), min_size=1, max_size=3).map(tuple)
inline_values = st.one_of(st.integers(-(2**63), 2**64 - 1), clean, st.lists(clean, max_size=3)).map(
    lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
)
finite = st.floats(allow_nan=False, allow_infinity=False)
summaries = st.builds(
    lambda path, shape, bare, range_, mean, bins, lost: (
        Summary(path, "float32", tuple(shape))
        if bare
        else Summary(
            path, "<f4", tuple(shape), sum(bins) + lost, lost, min(range_), max(range_), mean, tuple(bins)
        )
    ),
    clean,
    st.lists(st.integers(0, 2**40), max_size=3),
    st.booleans(),
    st.tuples(finite, finite),
    finite,
    st.lists(st.integers(1, 2**20), min_size=1, max_size=24),
    st.integers(0, 5),
)
entries = st.builds(
    Entry,
    clean,
    clean,
    clean,
    whole,
    st.none(),
    buffers,
    summaries=st.lists(summaries, max_size=2).map(tuple),
) | st.builds(Entry, clean, clean, clean, whole, inline_values, st.just(()) | buffers)
checkpoints = st.builds(
    Checkpoint,
    job=st.just("job"),
    rank=st.just(0),
    number=st.just(7),
    parent=st.none() | st.integers(1, 2**63 - 1),
    created=clean,
    reason=clean,
    notes=st.lists(clean, max_size=3).map(tuple),
    program=st.dictionaries(clean, clean, max_size=3),
    metrics=st.dictionaries(clean, whole, max_size=3),
    slots=st.dictionaries(clean, entries, max_size=4),
)
keys = st.none() | st.just(b"a key for signing")


def good() -> dict[str, Any]:
    """Give the fields of a good manifest."""
    known = Summary("['w']", "float32", (2, 3), 6, 1, -1.0, 2.5, 0.5, (2, 3)), Summary("", "str32", (2,))
    entry = Entry("m", "pickle", "t", 3, None, ((Chunk("0" * 64, 3, "0" * 26, 0),),), summaries=known)
    plain = Entry("m", "json", "t", 1, b"1", ())
    text = to_text(Checkpoint("job", 0, 7, 6, "now", "exit", (), {}, {}, {"a": entry, "b": plain}), None)
    fields: dict[str, Any] = json.loads(text)
    del fields["digest"]
    return fields


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Give the path to each value inside."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def read(text: bytes, key: bytes | None = None) -> Checkpoint | None:
    """Parse it, and look at every slot; None when it is refused as it should be."""
    try:
        checkpoint = parse(text, key, "the file", PLACE)
        dict(checkpoint.slots)
    except CheckpointError:
        return None
    return checkpoint


@given(checkpoints, keys)
def test_what_is_written_is_read(checkpoint: Checkpoint, key: bytes | None) -> None:
    """Whatever the names and texts are."""
    assert read(to_text(checkpoint, key), key) == checkpoint


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data: bytes) -> None:
    """Sealed or not."""
    assert read(data) is None
    assert read(seal(data, None)) is None
    assert read(seal(b'{\n"format": 1,\n' + data, None)) is None


@given(json_values)
def test_any_json_is_refused(value: object) -> None:
    """Also where the digest is right."""
    text = json.dumps(value).encode()
    assert read(seal(text, None)) is None
    assert read(seal(text.removesuffix(b"}"), None)) is None


@given(st.sampled_from(places(good())), json_values, st.booleans())
def test_any_value_in_any_place_is_refused_or_read(
    path: tuple[Any, ...], value: object, remove: bool
) -> None:
    """Sealed anew, a manifest with another value somewhere is one that can be written, or it is damage."""
    fields = good()
    inner: Any = fields
    for step in path[:-1]:
        inner = inner[step]
    if remove:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in fields.items())
    checkpoint = read(seal(b"{\n" + lines.encode(), None))
    if checkpoint is not None:
        assert read(to_text(checkpoint, None)) == checkpoint


@given(checkpoints, keys, st.data())
def test_any_change_of_bytes_is_refused(
    checkpoint: Checkpoint, key: bytes | None, data: st.DataObject
) -> None:
    """A cut, an insertion, or other bytes somewhere."""
    text = to_text(checkpoint, key)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    changed = text[:start] + data.draw(st.binary(max_size=8)) + text[end:]
    if changed != text:
        assert read(changed, key) is None


def test_a_key_for_nothing_reads_nothing() -> None:
    """An empty file is refused with a key as well."""
    with pytest.raises(CheckpointError):
        parse(b"", b"key", "the file", PLACE)
