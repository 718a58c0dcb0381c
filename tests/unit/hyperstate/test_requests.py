"""Requests to a running program, where the store that they come through is away for a moment."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import pytest
from pydantic import AfterValidator

from lattice_addons.errors import NotInStoreError, UnreachableError
from lattice_addons.hyperstate import HyperState, Requests
from lattice_addons.hyperstate._held import HeldConfig
from lattice_addons.hyperstate._live import serve
from lattice_addons.storage import LocalStore
from tests.unit.hyperstate.runs import load

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lattice_addons.storage import Store


def is_known(number: int) -> int:
    """Give a number that is known; of another one it is not said what happens."""
    return {1: 1}[number]


@dataclass
class Config:
    """What is asked to be changed."""

    lr: float = 0.1
    count: int = 1
    known: Annotated[int, AfterValidator(is_known)] = 1
    env: dict[str, int] = field(default_factory=dict)
    either: int | dict[str, int] = 1


class Away(LocalStore):
    """A store of which some keys cannot be reached now."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.away = ""

    def _meet(self, *keys: str) -> None:
        if self.away and any(self.away in key for key in keys):
            raise UnreachableError("away", url=self.url)

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Read, where it can be reached."""
        self._meet(key)
        return super().read(key, start, stop)

    def replace(self, key: str, data: bytes) -> None:  # type: ignore[override]
        """Write, where it can be reached."""
        self._meet(key)
        super().replace(key, data)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove, where they can be reached."""
        keys = list(keys)
        self._meet(*keys)
        super().delete(keys)


@pytest.fixture
def store(tmp_path: Path) -> Away:
    """Give a store."""
    return Away(tmp_path / "store")


def both(store: Store) -> tuple[Requests, HeldConfig[Config]]:
    """Give what a program has: its requests, and its config."""
    return Requests(store, "job/rank-00000/"), HeldConfig(Config, {}, key=None)


def test_a_request_that_cannot_be_read_now_is_not_refused(
    store: Away, caplog: pytest.LogCaptureFixture
) -> None:
    """It waits, and is taken over when it can be."""
    requests, config = both(store)
    requests.ask(["lr=0.5"])
    store.away = "requests/"
    assert serve(requests, config) == []
    assert "could not be read" in caplog.text
    store.away = ""
    (taken,) = serve(requests, config)
    assert taken.request is not None
    assert (taken.request.overrides, config.value.lr) == (("lr=0.5",), 0.5)


@pytest.mark.parametrize(
    "override",
    ["count=0x_", f"count={'9' * 5000}", 'env["\\x"]=1', f"env[{'9' * 5000}]=1", "known=2", "either+={a: 1}"],
    ids=lambda override: override[:12],
)
def test_what_nobody_can_read_is_refused(store: Away, override: str) -> None:
    """It ends no program, now or at its next start: it is answered."""
    requests, config = both(store)
    name = requests.ask([override])
    assert serve(requests, config) == []
    answer = requests.answer_to(name)
    assert answer is not None
    assert not answer[0]
    assert requests.waiting() == []
    assert config.value == Config()


def test_a_request_that_is_taken_back_while_it_is_read_is_none(
    store: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody answers it."""
    requests, config = both(store)
    requests.ask(["lr=0.5"])

    def gone(key: str, *_: object) -> bytes:
        raise NotInStoreError("gone", url=store.url, key=key)

    monkeypatch.setattr(store, "read", gone)
    assert serve(requests, config) == []
    assert store.list("job/rank-00000/answers/") == []


@pytest.mark.parametrize("away", ["answers/", "requests/"])
def test_an_answer_that_cannot_be_given_stops_no_program(
    store: Away, away: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether it could not be written, or the request not be removed after it: the next look answers it."""
    requests, config = both(store)
    name = requests.ask(["lr=high"])
    read = requests.waiting()
    monkeypatch.setattr(requests, "waiting", lambda: read)
    store.away = away
    with caplog.at_level(logging.WARNING):
        assert serve(requests, config) == []
    assert "could not be answered: away" in caplog.text
    store.away = ""
    assert serve(requests, config) == []
    told = requests.answer_to(name)
    assert told is not None
    assert told[0] is False
    assert store.list("job/rank-00000/requests/") == []


def test_a_step_that_is_saved_is_no_error_when_nobody_can_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint is there, the config has changed, and who has asked is told at the next step."""
    run: HyperState[object, object] = load(tmp_path)  # type: ignore[assignment]
    assert run._requests is not None
    name = run._requests.ask(["batch=4"])
    answer = run._requests.answer

    def away(*_: object, **__: object) -> None:
        raise UnreachableError("away", url="")

    monkeypatch.setattr(run._requests, "answer", away)
    made = run.step()
    assert made is not None
    assert made.notes[0].startswith("set batch: 16 → 4")
    monkeypatch.setattr(run._requests, "answer", answer)
    again = run.step()
    assert again is not None
    assert again.notes == ()
    assert run._requests.answer_to(name) == (True, "it was so already")
    run.close()
