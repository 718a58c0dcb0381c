"""What is compressed comes back, whatever it is."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lattice_addons.checkpoint._squeeze import expand, squeeze


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=3000), st.integers(0, 60)), max_size=6))
def test_what_is_compressed_comes_back(parts: list[tuple[bytes, int]]) -> None:
    """And is at most two thirds as long; what is not compressed is not touched."""
    data = b"".join(part * times for part, times in parts)
    squeezed = squeeze(data)
    if squeezed is not None:
        assert len(squeezed) * 1.5 <= len(data)
        assert expand(squeezed, len(data)) == data
