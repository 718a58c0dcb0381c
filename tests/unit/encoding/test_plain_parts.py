"""The text of a large plain value comes in parts, and is the same as in one go."""

from __future__ import annotations

import random
import tracemalloc
from typing import Any

import pytest

from lattice_addons.encoding import _plain_parts as parts
from lattice_addons.encoding._plain import to_json
from lattice_addons.encoding._plain_parts import NotPlainError, text_in_parts

MIB = 2**20
TEXTS = ("", "$", "$a", "é", "x" * 30, '"\\', "y" * 500)


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have parts end soon."""
    monkeypatch.setattr(parts, "_PART", 200)
    monkeypatch.setattr(parts, "_ENOUGH", 50)
    monkeypatch.setattr(parts, "_FEWEST", 4)


def anything(source: random.Random, depth: int, bad: list[Any]) -> Any:
    """Make a value, which is mostly plain; with something ``bad`` in it, it may be not."""
    kind = source.random()
    if depth and kind < 0.25:
        return [anything(source, depth - 1, bad) for _ in range(source.choice([0, 1, 3, 10, 60]))]
    if depth and kind < 0.5:
        keys = [source.choice(TEXTS) + str(source.randrange(99)) for _ in range(source.choice([0, 3, 40]))]
        return {key: anything(source, depth - 1, bad) for key in keys}
    if kind < 0.51 and bad:
        return source.choice(bad)
    return source.choice([None, True, 1, 2**70, 1.5, float("nan"), source.choice(TEXTS), source.random()])


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("seed", range(8))
def test_it_is_the_same_text(seed: int) -> None:
    """And where there is none, that is found, too."""
    source = random.Random(seed)
    shared: list[Any] = [1, {"x": []}]
    bad = [(1, 2), b"x", {1: 2}, "\ud800", shared, shared[1], shared[1]["x"]] if seed % 2 else []
    for _ in range(10):
        value = [anything(source, 3, bad) for _ in range(5)]
        want = to_json(value)
        try:
            found = b"".join(text_in_parts(value))
        except NotPlainError:
            assert want is None
        else:
            assert found == want


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("text", ["$" * 1000, 'a"\n\N{SNOWMAN}\U0001f600' * 300])
def test_a_long_text_comes_in_parts(text: str) -> None:
    """As a value, as an item, and as a key."""
    for value in ([text, 1], {"a": text}, {text: 1, "b": [text] * 3}):
        assert b"".join(text_in_parts(value)) == to_json(value)
    assert b"".join(text_in_parts(text)) == to_json(text)


@pytest.mark.usefixtures("_short")
def test_the_same_container_at_two_places_is_not_plain() -> None:
    """However far they are from each other, and whatever else refers to others."""
    held = [[number] for number in range(500)]
    value: dict[str, Any] = {"first": list(held), "second": [[number] for number in range(500)]}
    assert b"".join(text_in_parts(value)) == to_json(value)
    for other in (held[0], held[499], value["second"], value):
        value["third"] = [other]
        assert to_json(value) is None
        with pytest.raises(NotPlainError):
            list(text_in_parts(value))


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("kind", [list, dict])
def test_a_change_meanwhile_is_noticed(kind: type) -> None:
    """It would be part of both what was and what is."""
    items = [(str(number), number) for number in range(500)]
    for change in ("more", "less"):
        value: Any = dict(items) if kind is dict else [number for _, number in items]
        pieces = text_in_parts(value)
        next(pieces)
        if change == "less":
            value.pop("499" if kind is dict else 0)
        elif kind is dict:
            value["new"] = 1
        else:
            value.append(1)
        with pytest.raises(RuntimeError):
            list(pieces)


def test_little_is_in_memory() -> None:
    """Neither of the text nor of copies of what the value holds."""
    value = {"records": [{"number": number, "texts": [f"{number:0500}", "x"]} for number in range(12_000)]}
    text = to_json(value)
    assert text is not None
    size = len(text)
    del text
    tracemalloc.start()
    try:
        assert sum(map(len, text_in_parts(value))) == size > 6 * MIB
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()


def test_much_more_is_not_taken_for_one_part() -> None:
    """Long texts behind many short items, and short ones behind long ones."""
    value = [*range(20_000), *["x" * 100_000] * 50, *range(20_000), "y" * 5 * MIB]
    lengths = list(map(len, text_in_parts(value)))
    assert max(lengths) <= 2 * MIB
    assert len(lengths) < 500
