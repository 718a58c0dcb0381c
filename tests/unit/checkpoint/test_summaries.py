"""What a manifest says of arrays is what is in them, costs a look at a few elements, and is nowhere in the clear."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lattice_addons.checkpoint import Summary, _summaries, _summary
from lattice_addons.encoding import Encoded
from lattice_addons.errors import CheckpointError
from tests.unit.checkpoint.encrypted import encrypted
from tests.unit.checkpoint.lines import forge, fresh, line_of, manifest, save, values

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Checkpoint, Line
    from lattice_addons.storage import Store

RANDOM = np.random.default_rng(7)


def only(checkpoint: Checkpoint, name: str) -> Summary:
    """Give the summary of a slot that is one array."""
    (summary,) = checkpoint.slots[name].summaries
    return summary


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the paths of the arrays whose elements are looked at."""
    paths: list[str] = []
    summarized = _summary.summarized

    def counted(path: str, *facts: object) -> Summary:
        paths.append(path)
        return summarized(path, *facts)  # type: ignore[arg-type]

    monkeypatch.setattr(_summaries, "summarized", counted)
    return paths


@pytest.mark.parametrize("kind", ["f2", "<f4", ">f4", "f8", "i1", "u2", "<i8", "?", "longdouble"])
def test_a_small_array_is_looked_at_wholly(store: Store, kind: str) -> None:
    """Range, mean and histogram are those of its elements, and they are there when it is read again."""
    array = RANDOM.uniform(0, 100, (12, 50)).astype(kind)
    line = line_of(store)
    save(line, array=array)
    summary = only(line.load(1), "array")
    numbers = array.astype("f8")
    assert (summary.shape, summary.sampled, summary.whole) == ((12, 50), 600, True)
    assert (summary.low, summary.high) == pytest.approx((numbers.min(), numbers.max()))
    assert summary.mean == pytest.approx(numbers.mean())
    bins = np.histogram(numbers, len(summary.histogram))[0]
    assert np.abs(np.cumsum(summary.histogram) - np.cumsum(bins)).max() <= 600 * 0.05
    assert sum(summary.histogram) == 600


def test_what_is_not_finite_is_counted(store: Store) -> None:
    """The rest has its range; an array of nothing else has none."""
    array = np.arange(10.0)
    array[[2, 5]] = np.nan, np.inf
    line = line_of(store)
    save(
        line,
        some=array,
        all=np.full(4, np.nan),
        huge=np.array([1e308, -1e308, 1e308]),
        tiny=np.array([5e-324, 0]),
    )
    checkpoint = line.load(1)
    some, nothing = only(checkpoint, "some"), only(checkpoint, "all")
    assert (some.nonfinite, some.low, some.high) == (2, 0, 9)
    assert (nothing.nonfinite, nothing.low, nothing.histogram) == (4, None, ())
    assert (only(checkpoint, "huge").high, sum(only(checkpoint, "huge").histogram)) == (1e308, 3)
    assert sum(only(checkpoint, "tiny").histogram) == 2


@pytest.mark.parametrize("shape", [(3_000_000,), (2048, 1024), (1000, 1000), (7, 4096, 100), (1, 5_000_000)])
def test_a_large_array_is_sampled_evenly(store: Store, shape: tuple[int, ...]) -> None:
    """Its columns and its rows have their part, and no more than so many elements are looked at."""
    array = np.add.outer(np.zeros(shape[:-1]), np.arange(shape[-1], dtype="f4"))
    line = line_of(store)
    summary = only(save(line, array=array), "array")
    assert 1024 <= summary.sampled <= 64 * 1024
    assert not summary.whole
    assert summary.mean == pytest.approx(shape[-1] / 2, rel=0.15)
    assert min(summary.histogram) > 0
    assert only(save(line, array=array.T.copy().T), "array").shape == shape


def test_only_what_has_changed_is_looked_at_again(store: Store, looked: list[str]) -> None:
    """By the chunks it lies in, be the save detached from the program or not."""
    arrays = {name: RANDOM.random(1_000_000) for name in "abc"}
    line = line_of(store)
    save(line, **arrays)
    assert len(looked) == 3
    before = save(line, **arrays)
    assert len(looked) == 3
    for detached in (False, True, True):
        looked.clear()
        arrays["b"][:] = -5
        arrays["b"][600_000] = detached + len(looked)
        arrays["b"][-1] = RANDOM.random()
        slots = {name: fresh(array) for name, array in arrays.items()}
        taken = line.detach(slots) if detached else slots
        assert taken is not None
        if detached:
            arrays["b"][:] = 77  # goes into the next one
        after = line.commit(taken, parent=None, reason="manual")
        assert len(looked) == 1
        assert only(after, "b").low == -5
        assert only(after, "b").mean == pytest.approx(-5, abs=0.1)
        assert after.slots["a"].summaries == before.slots["a"].summaries


def test_a_part_that_was_not_copied_is_known_from_before(store: Store) -> None:
    """Where one chunk of an array has changed, the elements of the others are those of the last save."""
    array = np.concatenate([np.full(524_288, value, "f8") for value in (1.0, 2.0, 3.0, 4.0)])
    line = line_of(store)
    save(line, array=array)
    array[:524_288] = 9
    taken = line.detach({"array": fresh(array)})
    assert taken is not None
    array[:] = 77
    summary = only(line.commit(taken, parent=None, reason="manual"), "array")
    assert (summary.low, summary.high) == (2, 9)
    assert summary.mean == pytest.approx((9 + 2 + 3 + 4) / 4, rel=0.02)


def test_arrays_within_containers_have_paths(store: Store) -> None:
    """Those in pickles, too, if they have 16 KiB; reading them takes no pickle."""
    held = {"layers": [np.full(3000, 1.5), np.arange(6000).reshape(60, 100).T], "name": {1, 2}}
    line = line_of(store)
    save(line, held=held, text="no array")
    checkpoint = line.load(1)
    found = {summary.path: summary for summary in checkpoint.slots["held"].summaries}
    assert set(found) == {"['layers'][0]", "['layers'][1]"}
    assert found["['layers'][1]"].shape == (100, 60)
    assert (found["['layers'][1]"].low, found["['layers'][0]"].mean) == (0, 1.5)
    assert checkpoint.slots["text"].summaries == ()


def test_other_arrays_are_told_of_without_a_range(store: Store) -> None:
    """Texts, times, complex numbers, records and empty ones."""
    record = np.zeros(3, [("a", "f4"), ("b", "i2")])
    given = {"t": np.array(["x", "yz"]), "c": np.ones(3, complex), "d": np.zeros(2, "M8[s]"), "r": record}
    line = line_of(store)
    save(line, **given, e=np.zeros((0, 3)))
    checkpoint = line.load(1)
    told = {name: only(checkpoint, name) for name in (*given, "e")}
    assert {summary.sampled for summary in told.values()} == {0}
    assert (told["c"].dtype, told["e"].shape) == ("complex128", (0, 3))


def test_many_arrays_are_told_of_up_to_a_number(store: Store) -> None:
    """The largest of a slot, and so many of all."""
    many = {f"k{n}": np.zeros(2048 + n) for n in range(300)}
    line = line_of(store)
    checkpoint = save(line, **{f"s{n}": (many, {1}) for n in range(6)})
    first = checkpoint.slots["s0"].summaries
    assert len(first) == 256
    assert {summary.shape[0] for summary in first} == set(range(2048 + 44, 2048 + 300))
    assert sum(len(entry.summaries) for entry in checkpoint.slots.values()) == 1024


def test_a_failure_keeps_nothing_from_being_saved(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Summaries are for people."""
    monkeypatch.setattr(_summaries, "summarized", lambda *_: 1 / 0)
    line = line_of(store)
    checkpoint = save(line, array=np.arange(5))
    assert checkpoint.slots["array"].summaries == ()
    assert list(values(line, checkpoint)["array"]) == [0, 1, 2, 3, 4]  # type: ignore[call-overload]


def test_numpy_is_not_imported_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not there, an array is what its header says."""
    monkeypatch.delitem(sys.modules, "numpy")
    encoded = fresh_header()
    looks = _summaries.Summaries().look("a", encoded, 0)
    assert looks.summaries([[]]) == (Summary("", "<f4", (2, 3)),)
    assert "numpy" not in sys.modules


def fresh_header() -> Encoded:
    """Give an encoded array as it is in a program that reads no array."""
    header = b'{"dtype":"<f4","shape":[2,3],"order":"C"}'
    return Encoded("numpy", "numpy.ndarray", header, (bytes(24),))


def test_with_a_key_nothing_of_them_can_be_read(store: Store) -> None:
    """They are in the part of the manifest that is encrypted."""
    line = encrypted(store)
    save(line, array=np.full(1000, 123456.5))
    assert only(line.load(1), "array").mean == 123456.5
    text = store.read(manifest(1))
    assert b"summaries" not in text
    assert b"123456" not in text
    taken = line.detach({"array": fresh(np.full(100_000, 654321.5))})
    assert taken is not None
    assert only(line.commit(taken, parent=None, reason="manual"), "array").mean == 654321.5


@pytest.mark.parametrize(
    "told",
    [
        b"7", b"[1]", b"[{}]", b'[{"path":"","dtype":"f","shape":[-1]}]', b'[{"path":1,"dtype":"f","shape":[]}]',
        b'[{"path":"","dtype":"f","shape":[],"min":1}]', b'[{"path":"","dtype":"f","shape":[],"more":1}]',
        b'[{"path":"","dtype":"f","shape":[3],"sampled":3,"nonfinite":0,"min":1,"max":2,"mean":1,"histogram":[2]}]',
    ],
)  # fmt: skip
def test_what_is_never_written_is_damage(store: Store, told: bytes) -> None:
    """A slot that is asked for is checked."""
    line: Line = line_of(store)
    save(line, array=np.arange(3.0))
    text = store.read(manifest(1))
    begin = text.index(b'"summaries":') + len(b'"summaries":')
    forge(store, 1, text[begin : text.index(b"}\n", begin)], told)
    with pytest.raises(CheckpointError, match=r"summaries|should be list"):
        line.load(1).slots["array"]


def test_a_manifest_without_them_is_read(store: Store) -> None:
    """As those of before there were any."""
    line = line_of(store)
    save(line, array=np.arange(3.0))
    text = store.read(manifest(1))
    begin = text.index(b',"summaries":')
    forge(store, 1, text[begin : text.index(b"}\n", begin)], b"")
    checkpoint = line.load(1)
    assert checkpoint.slots["array"].summaries == ()
    assert list(values(line, checkpoint)["array"]) == [0, 1, 2]  # type: ignore[call-overload]
