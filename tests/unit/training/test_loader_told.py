"""What is not exact after a restart is told, and what can be is made exact."""

from __future__ import annotations

import sys
import threading
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch", reason="these tests are about torch's loaders")

from torch.utils.data import DataLoader  # noqa: E402 - behind the skip

from lattice_addons.training import loader_position  # noqa: E402 - behind the skip

from .loader_lives import Noisy, begin, seeded  # noqa: E402 - behind the skip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lattice_addons import StateManagerGroup

pytestmark = pytest.mark.frameworks


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., StateManagerGroup]]:
    """Give a function that begins the program's next life."""
    groups: list[StateManagerGroup] = []

    def started(**objects: Any) -> StateManagerGroup:
        for group in groups:
            group.close()
        groups[:] = [begin(tmp_path)]
        groups[0].track(**objects)
        return groups[0]

    yield started
    groups[0].close()


def numbers(samples: int = 6) -> Any:
    """Make a loader of a few numbers, in their order."""
    return DataLoader(list(range(samples)))


def parts() -> dict[str, Any]:
    """Make what a program trains with."""
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    return {"model": model, "optimizer": optimizer, "train": numbers(3), "test": numbers(4)} | {
        "scheduler": torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    }


@pytest.mark.parametrize("at", [0, 2])
def test_code_between_two_loaders_is_undone(
    at: int, start: Callable[..., StateManagerGroup], caplog: pytest.LogCaptureFixture
) -> None:
    """A scheduler's step before validation is made again on the way back, and counts once; so do random numbers."""

    def run(made: dict[str, Any], group: StateManagerGroup, stop: int | None) -> list[Any]:
        group.track_randomness()
        seen: list[Any] = []
        for _ in group.resume(range(2), "epochs"):
            made["optimizer"].step()
            made["scheduler"].step()
            list(made["train"])
            made["scheduler"].step()
            torch.rand(3)
            for batch in made["test"]:
                seen.append((batch.item(), made["scheduler"].get_last_lr(), torch.rand(()).item()))
                if batch == stop:
                    group.save()
                    return seen
        return seen

    torch.manual_seed(0)
    whole = run(made := parts(), start(**made), None)
    start(**parts()).complete()
    torch.manual_seed(0)
    begun = run(made := parts(), start(**made), at)
    torch.manual_seed(1)
    rest = run(made := parts(), start(**made), None)
    assert begun + rest == whole
    assert "the loop over 'train' was finished" in caplog.text


def test_what_a_program_changes_by_itself_stays(
    start: Callable[..., StateManagerGroup], caplog: pytest.LogCaptureFixture
) -> None:
    """A rate that is set between track() and the loop is no step made again: it is told, and not undone."""
    made = parts()
    group = start(**made)
    for batch in made["train"]:
        if batch == 1:
            group.save()
            break
    made = parts()
    group = start(**made)
    made["optimizer"].param_groups[0]["lr"] = 0.25
    assert [batch.item() for batch in made["train"]] == [2]
    assert made["optimizer"].param_groups[0]["lr"] == 0.25
    assert "'optimizer': changed by the program" in caplog.text


def ahead(batches: Any) -> Any:
    """Give each batch when the next one is there."""
    last = None
    for batch in batches:
        if last is not None:
            yield last
        last = batch
    yield last


def onwards(batches: Any) -> Any:
    """Give each batch."""
    for batch in batches:
        yield batch + 0


class Ahead:
    """Asks for a batch when it is made, and for another each time it gives one."""

    def __init__(self, batches: Any) -> None:
        self._batches = iter(batches)
        self._next = next(self._batches, None)

    def __iter__(self) -> Ahead:
        """Be an iterator."""
        return self

    def __next__(self) -> Any:
        """Give the last one."""
        last, self._next = self._next, next(self._batches, None)
        if last is None:
            raise StopIteration
        return last


@pytest.mark.parametrize(
    ("around", "who"),
    [
        (iter, None),
        (onwards, None),
        (enumerate, None),
        (lambda batches: enumerate(map(abs, onwards(batches))), None),
        (ahead, "a generator asks"),
        (lambda batches: onwards(ahead(batches)), "a generator asks"),
        (lambda batches: ahead(onwards(batches)), "a generator asks"),
        (Ahead, "the program asks"),
    ],
)
def test_reading_ahead_is_told(
    around: Callable[[Any], Any],
    who: str | None,
    start: Callable[..., StateManagerGroup],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whoever asks for a batch before the step on the one before; and nobody else."""
    made = parts()
    loader = numbers()
    start(**made, loader=loader)
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        for _ in range(2):
            for _ in around(loader):
                made["optimizer"].step()
        assert sys.gettrace() is None
    finally:
        sys.settrace(tracer)
    assert caplog.text.count("asks for the next batch") == (who is not None)
    assert (who or "") in caplog.text


def test_adding_up_gradients_is_not_reading_ahead(
    start: Callable[..., StateManagerGroup], caplog: pytest.LogCaptureFixture
) -> None:
    """Several batches for each step, the last ones fewer."""
    made = parts()
    loader = DataLoader(list(range(9)))
    start(**made, loader=loader)
    for number, _ in enumerate(loader):
        if number % 2:
            made["optimizer"].step()
    made["optimizer"].step()
    assert caplog.text == ""


def test_another_thread_is_told(
    start: Callable[..., StateManagerGroup], caplog: pytest.LogCaptureFixture
) -> None:
    """Batches that a thread asks for come before the program wants them."""
    loader = numbers()
    start(loader=loader)
    feeder = threading.Thread(target=lambda: list(loader), name="feeder")
    feeder.start()
    feeder.join()
    assert "thread 'feeder' asks for the next batch" in caplog.text


@pytest.mark.parametrize(
    ("around", "told"),
    [
        (lambda loader: islice(loader, 3), "islice() counts them anew"),
        (enumerate, "enumerate() counts from 0"),
        (lambda loader: enumerate(onwards(loader)), "enumerate() counts from 0"),
        (lambda loader: zip(range(9), loader, strict=False), "zip() puts them beside"),
        (lambda loader: enumerate(loader, loader_position(loader).batch), None),
        (iter, None),
        (onwards, None),
    ],
)
def test_what_counts_batches_anew_is_told(
    around: Callable[[Any], Any],
    told: str | None,
    start: Callable[..., StateManagerGroup],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What stands around the loader in a loop that is carried on, and only there."""
    loader = numbers()
    group = start(loader=loader)
    for number, _ in enumerate(around(loader)):
        if number == 1:
            group.save()
            break
    assert caplog.text == ""

    loader = numbers()
    start(loader=loader)
    list(around(loader))
    assert ("goes on after 2 batches" in caplog.text) == (told is not None)
    assert (told or "") in caplog.text


@pytest.mark.parametrize("by_hand", [True, False], ids=["in the body", "past the grace"])
def test_validation_within_a_batch_is_whole_or_not_at_all(
    by_hand: bool, start: Callable[..., StateManagerGroup], caplog: pytest.LogCaptureFixture
) -> None:
    """What is left of it is not taken for the next one; and that is told."""
    made = parts()
    group = start(**made)

    def run(stop: tuple[int, int] | None) -> Iterator[tuple[int, int]]:
        for batch in made["train"]:
            for other in made["test"]:
                yield batch.item(), other.item()
                if (batch, other) == stop:
                    group.save() if by_hand else group._session.save("signal:SIGTERM")
                    return

    list(run((1, 2)))
    made = parts()
    group = start(**made)
    first = 2 if by_hand else 1
    assert list(run(None)) == [(n, m) for n in range(first, 3) for m in range(4)]
    assert "saved in the middle of the loop over 'test' within one batch of 'train'" in caplog.text


def test_workers_that_live_on_after_a_break(start: Callable[..., StateManagerGroup]) -> None:
    """What they had made ahead is gone, and what they draw afterwards is as in a run that was not stopped."""

    def make() -> Any:
        seeded(1)
        return DataLoader(Noisy(12), batch_size=2, shuffle=True, num_workers=1, persistent_workers=True)

    def run(loader: Any, group: StateManagerGroup, stop: int | None) -> Iterator[Any]:
        group.track_randomness()
        for epoch in group.resume(range(3), "epochs"):
            if epoch == stop:
                group._session.save("signal:SIGTERM")
                return
            for batch in loader:
                yield epoch, batch.tolist()
                if loader_position(loader).batch >= 1:
                    break
            list(map(abs, other))

    other = numbers(1)
    whole = list(run(loader := make(), start(loader=loader, other=other), None))
    del loader
    other = numbers(1)
    start().complete()
    begun = list(run(loader := make(), start(loader=loader, other=other), 1))
    del loader
    other = numbers(1)
    rest = list(run(loader := make(), start(loader=loader, other=other), None))
    assert begun + rest == whole


def test_a_resumed_loop_within_a_round_of_the_loader(start: Callable[..., StateManagerGroup]) -> None:
    """A loader that goes round and round within one element stands where it first stood, until that element is over."""
    loader = numbers(2)
    group = start(loader=loader)

    def rounds() -> Any:
        while True:
            yield from loader

    batches = rounds()
    for step in group.resume(range(5), "steps"):
        assert next(batches).item() == step % 2
        if step == 2:
            track = loader.__dict__["_lattice_track"]
            assert track.begun_at == track.loop().place  # the later round stands where the first one began
            assert track.loop().has_others_within()
