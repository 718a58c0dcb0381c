"""Whatever the value, what comes back is what was encoded."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice_addons.encoding import encode, is_plain
from lattice_addons.testing._encoders import restored

TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["$", "$$", "$int", "$float", "$$int"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.sampled_from([2**63, 2**64, 2**64 - 1, -(2**63), -(2**63) - 1])
    | st.floats()
    | TEXT
    | st.sampled_from(["nan", "inf", "-inf", "12"])
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(TEXT, inner, max_size=6),
    max_leaves=40,
)
HASHABLE = st.recursive(
    SCALARS | st.binary() | st.text() | st.complex_numbers(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=4),
    max_leaves=8,
)
ANYTHING = st.recursive(
    HASHABLE | st.dates() | st.decimals() | st.fractions() | st.uuids() | st.builds(bytearray, st.binary()),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner)
        | st.dictionaries(HASHABLE, inner, max_size=5)
        | st.sets(HASHABLE, max_size=4)
    ),
    max_leaves=25,
)


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal in every type, order and sign, NaN included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            same(left, right)
            for pair in zip(one.items(), other.items(), strict=True)
            for left, right in [pair]
        )
    return repr(one) == repr(other) if not isinstance(one, (set, frozenset)) else len(one) == len(other)


def refused_constant(name: str) -> None:
    """Fail at what is no JSON."""
    raise AssertionError(name)


def has_shared_parts(value: Any) -> bool:
    """Tell whether a list or dict stands at two places, as Hypothesis sometimes makes them."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, (list, dict)):
            if id(item) in seen:
                return True
            seen.add(id(item))
            waiting += item.values() if isinstance(item, dict) else item
    return False


@settings(max_examples=200, deadline=None)
@given(PLAIN)
def test_plain_data_is_json_and_comes_back_exactly(value: Any) -> None:
    """Values, types, order of keys, signs of zeros; the text is strict JSON; the value is left alone."""
    before = repr(value)
    encoded = encode(value)
    assert (encoded.encoding == "json") == (not has_shared_parts(value)) == is_plain(value)
    if encoded.value is not None:
        json.loads(encoded.value, parse_constant=refused_constant)
        assert same(value, restored(encoded, trust="safe"))
    assert same(value, restored(encoded))
    assert repr(value) == before


@settings(max_examples=150, deadline=None)
@given(ANYTHING)
def test_anything_comes_back(value: Any) -> None:
    """Pickled where JSON would alter it."""
    encoded = encode(value, copy=True)
    assert encoded.encoding in {"json", "pickle"}
    assert same(value, restored(encoded))
    assert encoded.size == sum(map(len, encoded.buffers)) + len(encoded.value or b"")  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_arrays_come_back(data: st.DataObject) -> None:
    """Of any dtype, shape, order and stride."""
    from hypothesis.extra import numpy as hnp

    dtypes = hnp.scalar_dtypes() | hnp.array_dtypes() | hnp.nested_dtypes() | hnp.byte_string_dtypes()
    array = data.draw(hnp.arrays(data.draw(dtypes), hnp.array_shapes(min_dims=0, min_side=0, max_side=4)))
    if array.ndim:
        array = array[data.draw(hnp.basic_indices(array.shape, allow_newaxis=True))]
    array = np.asarray(array).T if data.draw(st.booleans()) else np.asarray(array)
    for value in (array, (array,)):
        back: Any = restored(encode(value, copy=data.draw(st.booleans())))
        back = back[0] if isinstance(value, tuple) else back
        assert back.dtype == array.dtype
        assert back.shape == array.shape
        assert back.tobytes() == array.tobytes()
