"""Whatever the values of many slots are, and however they change, each comes back exactly as it was."""

from __future__ import annotations

import copy
import math
import os
import shutil
import tempfile
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.encoding import encode_table
from lattice_addons.encoding._plain import from_json, to_json

MEMORY = "/dev/shm"  # noqa: S108 - a folder of our own in it
SLOTS = 1040
texts = st.text(max_size=6) | st.sampled_from(["$", "$float", "null", "[", "{", '"$', "\ud800"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
flat = scalars | st.lists(scalars, max_size=3) | st.dictionaries(texts, scalars, max_size=3)
nested = st.recursive(
    flat, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
odd = (
    st.tuples(scalars)
    | st.binary(max_size=4)
    | st.dictionaries(st.integers(), scalars, max_size=2)
    | st.floats().map(np.float64)
    | st.builds(lambda item: [item, item], st.lists(scalars, max_size=2))
    | st.builds(lambda text, count: text * count, st.sampled_from("aä"), st.sampled_from([900, 1100, 70_000]))
)
values = flat | flat | nested | odd


def same(one: Any, other: Any) -> bool:
    """Compare with types, order of keys, signs of zeros, and what is at two places."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, (list, tuple)):
        if isinstance(one, list) and [item is one[0] for item in one if type(item) is list] != [
            item is other[0] for item in other if type(item) is list
        ]:
            return False
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or repr(one) == repr(other)
    return bool(one == other)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(values, min_size=1, max_size=12),
    st.lists(st.dictionaries(st.integers(0, SLOTS - 1), values, max_size=8), max_size=3),
    st.data(),
)
def test_many_slots_come_back(some: list[Any], changes: list[dict[int, Any]], data: st.DataObject) -> None:
    """After any changes, some of them in place, and with starts in between."""
    root = tempfile.mkdtemp(dir=MEMORY if os.access(MEMORY, os.W_OK) else None)
    try:
        chosen = Settings(root=root, job_id="job", signals=(), atexit_saving=False)
        model = {f"slot {n}": copy.deepcopy(some[n % len(some)]) for n in range(SLOTS)}
        group = StateManagerGroup(chosen)
        for key, value in model.items():
            group.register(key)
            group.update(key, copy.deepcopy(value))
        group.save()
        for change in changes:
            for n, value in change.items():
                model[f"slot {n}"] = value
                group.update(f"slot {n}", copy.deepcopy(value))
            live: Any = group.get("slot 0")
            if type(live) is list:
                live.append(1)
                model["slot 0"] = [*model["slot 0"], 1]
            group.save()
            if data.draw(st.booleans()):
                group = started(group, chosen, model)
        group = started(group, chosen, model)
        for key, value in model.items():
            assert same(group.get(key), value), key
        group.close()
    finally:
        shutil.rmtree(root)


def started(group: StateManagerGroup, chosen: Settings, model: dict[str, Any]) -> StateManagerGroup:
    """Start again, after a crash."""
    group.close()
    group = StateManagerGroup(chosen)
    for key in model:
        group.register(key)
    return group


@given(st.lists(values, max_size=5), st.lists(values, max_size=5))
def test_a_table_is_right_or_none(before: list[Any], after: list[Any]) -> None:
    """What it gives for values, whatever was there before, is what each would be by itself."""
    table = encode_table(after, encode_table(before))
    if table is not None:
        texts = [to_json(value) for value in after]
        assert table.text == b"[" + b",".join(text for text in texts if text is not None) + b"]"
        assert same([from_json(text) for text in texts if text is not None], after)
