"""What large JSON texts say, and the collector meanwhile and afterwards."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import orjson
import pytest

from lattice_addons.checkpoint._parsed import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGE = {str(number): {"rows": [[number]]} for number in range(20_000)}


@pytest.fixture(autouse=True)
def _collector_as_before() -> Iterator[None]:
    yield
    gc.enable()


def test_the_collector_rests_while_a_large_text_is_parsed() -> None:
    """It would walk through all that is being made, and there is nothing to collect; afterwards it works again."""
    text = orjson.dumps(LARGE)
    runs: list[str] = []
    gc.callbacks.append(lambda phase, _: runs.append(phase))
    try:
        assert parsed(text) == LARGE
    finally:
        gc.callbacks.pop()
    # One may come as soon as it is let go on.
    assert runs.count("start") <= 1
    assert gc.isenabled()


@pytest.mark.parametrize("text", [b"{", b'["' + b"x" * 100_000], ids=["small", "large"])
def test_what_is_no_json_leaves_the_collector_on(text: bytes) -> None:
    """A damaged manifest is an error, and no more than that."""
    with pytest.raises(orjson.JSONDecodeError):
        parsed(text)
    assert gc.isenabled()


def test_a_program_that_has_no_collector_keeps_none() -> None:
    """Who has switched it off finds it off."""
    gc.disable()
    assert parsed(orjson.dumps(LARGE)) == LARGE
    assert not gc.isenabled()
