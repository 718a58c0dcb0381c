"""Large data is loaded once on a host, and every run there looks at the same memory."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons.errors import EncodeError
from lattice_addons.experiments import Experiment, _shared, _shelf, search

if TYPE_CHECKING:
    from collections.abc import Iterator

BIG = 300_000  # numbers, more than a mebibyte
loads: list[str] = []


@pytest.fixture(autouse=True)
def runner() -> Iterator[str]:
    """A runner shares data, as `run_all` does."""
    loads.clear()
    with _shared.sharing() as name:
        yield name


class Data(Experiment):
    """Settings that want data, some of it the same."""

    lr: float = search(0.1, 0.2, 0.3)
    size: int = search(BIG, 2 * BIG)

    def numbers(self) -> np.ndarray[Any, Any]:
        """Load what depends on one field."""
        loads.append("numbers")
        return np.arange(self.size, dtype=float) * self.factor

    @property
    def factor(self) -> float:
        """Read through a property."""
        return 2.0 if self.size > BIG else 1.0


def ones() -> np.ndarray[Any, Any]:
    """Load what is the same for all."""
    loads.append("ones")
    return np.ones(BIG)


def filled(size: int, value: float) -> np.ndarray[Any, Any]:
    """Load what its arguments say."""
    loads.append("filled")
    return np.full(size, value)


def test_it_is_loaded_once_for_all_settings() -> None:
    """A function of the module is called once, however many settings ask."""
    sums = [setting.shared(ones).sum() for setting in Data()]
    assert sums == [BIG] * 6
    assert loads == ["ones"]


def test_what_is_shared_cannot_be_altered() -> None:
    """Nobody spoils what the others look at."""
    array = next(iter(Data())).shared(ones)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 7
    assert next(iter(Data())).shared(ones)[0] == 1


def test_a_method_is_loaded_once_for_each_value_that_it_reads() -> None:
    """Of two searched fields the method reads one, also through a property: two loads for six settings."""
    for setting in Data():
        numbers = setting.shared(setting.numbers)
        assert len(numbers) == setting.size
        assert numbers[1] == setting.factor
    assert loads == ["numbers", "numbers"]


def test_a_lambda_that_holds_the_setting_is_known_by_what_it_reads() -> None:
    """The same lambda with another setting around it is the same data where the fields are."""
    for setting in Data():
        assert len(setting.shared(lambda: filled(setting.size, 1))) == setting.size  # noqa: B023 - called at once
    assert loads == ["filled", "filled"]


def test_reading_other_fields_in_other_cases_is_told_apart() -> None:
    """Which fields are read may depend on fields."""

    class Cases(Experiment):
        kind: str = search("a", "b")
        size: int = search(BIG, 2 * BIG)

        def data(self) -> Any:
            loads.append(self.kind)
            return np.ones(BIG) if self.kind == "a" else np.zeros(self.size)

    told = [(each.shared(each.data).sum(), len(each.shared(each.data))) for each in Cases()]
    assert told == [(BIG, BIG), (BIG, BIG), (0, BIG), (0, 2 * BIG)]
    assert loads == ["a", "b", "b"]


def test_arguments_tell_what_is_loaded_apart() -> None:
    """Partial functions with other arguments give other data, also those that `self` is bound to."""
    setting = next(iter(Data()))
    for value in (1.0, 2.0, 1.0):
        assert setting.shared(functools.partial(filled, BIG, value))[0] == value
        assert setting.shared(functools.partial(filled, BIG, value=value))[0] == value
    assert loads == ["filled"] * 4


def test_what_fails_is_tried_again_by_the_next() -> None:
    """An error is the caller's; nothing is kept of it."""
    setting = next(iter(Data()))

    def fails() -> Any:
        loads.append("fails")
        raise OSError("no such file")

    for _ in range(2):
        with pytest.raises(OSError, match="no such file"):
            setting.shared(fails)
    assert loads == ["fails", "fails"]


def test_what_cannot_be_shared_is_a_clear_error() -> None:
    """A generator lives in one process."""
    with pytest.raises(EncodeError, match="generator"):
        next(iter(Data())).shared(lambda: (each for each in range(3)))


def test_many_threads_load_once() -> None:
    """Whoever asks while it is being loaded waits for it."""

    def slow() -> Any:
        loads.append("slow")
        time.sleep(0.05)
        return np.ones(BIG)

    setting = next(iter(Data()))
    with ThreadPoolExecutor(8) as pool:
        sums = list(pool.map(lambda _: setting.shared(slow).sum(), range(8)))
    assert sums == [BIG] * 8
    assert loads == ["slow"]


def test_frames_keep_their_types_and_share_their_memory() -> None:
    """pandas, polars and arrow tables come back equal; not even their texts are copied into a process."""
    pd, pl, pa = (
        pytest.importorskip(name, reason=f"{name} makes the frame")
        for name in ("pandas", "polars", "pyarrow")
    )
    columns = {"number": np.arange(BIG), "text": [f"a text of some length {each}" for each in range(BIG)]}
    frames = {"pandas": pd.DataFrame(columns), "polars": pl.DataFrame(columns), "arrow": pa.table(columns)}
    back = _shared.unpack_values(_shared.pack_values({"frames": frames, "one": 1}))
    assert back["one"] == 1
    assert back["frames"]["polars"].equals(frames["polars"])
    assert back["frames"]["arrow"].equals(frames["arrow"])
    pd.testing.assert_frame_equal(back["frames"]["pandas"], frames["pandas"])
    held = sum(os.path.getsize(path) for path in _files() if path.endswith(("-0", "-1", "-2")))
    assert held > 3 * BIG * 25


def test_an_array_travels_as_its_place_and_is_put_there_once(runner: str) -> None:
    """Two settings have two views of one array: it is one file, and a task is some bytes."""
    import pickle

    array = np.arange(BIG, dtype=float)
    tasks = [_shared.pack_values({"x": array.view(), "lists": [array.view(), 1]}) for _ in range(3)]
    assert len(pickle.dumps(tasks)) < 2000
    assert sum("value-" in path for path in _files()) == 1
    for task in tasks:
        back = _shared.unpack_values(task)
        assert (back["x"] == array).all()
        assert back["lists"][1] == 1
        assert not back["x"].flags.writeable
    assert runner in _files()[0]


def test_small_values_stay_as_they_are() -> None:
    """Nothing is shared that is cheaper to send."""
    values = {"x": np.ones(10), "name": "text", "nested": {"y": (1, 2)}}
    assert _shared.pack_values(values) == values
    assert not [path for path in _files() if "value-" in path]


def test_a_large_field_is_told_shortly_in_records() -> None:
    """A record has no room for it."""
    assert str(_shared.pack_values({"x": np.ones((BIG, 2))})["x"]) == f"<ndarray {BIG}×2 float64>"


def test_everything_is_gone_at_the_end() -> None:
    """Memory is given back when the last runner of this process ends."""
    next(iter(Data())).shared(ones)
    folder = os.path.dirname(_files()[0])
    with _shared.sharing():
        pass
    assert os.path.isdir(folder)  # another runner of this process goes on
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_shared.current().close).result()
    assert not os.path.exists(folder)


def test_a_forked_child_uses_its_parents_data_and_takes_none_away() -> None:
    """As workers of a forking executor: they find what is there, and their end removes nothing."""
    setting = next(iter(Data()))
    setting.shared(ones)
    child = os.fork()
    if child == 0:  # pragma: no cover - it ends by _exit
        total = setting.shared(ones).sum()
        with _shared.sharing():
            pass
        os._exit(0 if total == BIG and loads == ["ones"] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert setting.shared(ones).sum() == BIG
    assert loads == ["ones"]


def test_another_process_maps_the_same_memory(runner: str) -> None:
    """A worker joins its runner's data: it loads nothing, and its own memory stays small."""
    _shared.current().put("big", np.ones(50_000_000 // 8))
    program = (
        "import psutil, numpy; from lattice_addons.experiments import _shared; import lattice_addons.encoding\n"
        f"_shared.join({runner!r}); p = psutil.Process()\n"
        "before = p.memory_info(); x = _shared.current().get('big'); s = x.sum(); after = p.memory_info()\n"
        "grown = lambda m: m.rss - m.shared\n"
        "print(s, (grown(after) - grown(before)) / 1e6)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    total, grown = map(float, told.stdout.split())
    assert total == 50_000_000 // 8
    assert grown < 20
    assert _shared.current().path("big")  # it went, and took nothing away


def _files() -> list[str]:
    name = _shared.current().name
    found = []
    for base in _shelf._bases():
        folder = os.path.join(base, name)
        if os.path.isdir(folder):
            found += [os.path.join(folder, each) for each in sorted(os.listdir(folder))]
    return found
