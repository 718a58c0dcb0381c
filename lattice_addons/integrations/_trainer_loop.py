"""A trainer knows its epoch from its steps alone: where an epoch's length is not known, that is told to it here."""

from __future__ import annotations

import logging
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import transformers.trainer
from transformers.trainer_callback import ExportableState
from transformers.trainer_utils import has_length

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["TrainerLoop", "as_it_is", "count_on", "counted", "skipping_by", "tell_of_more"]

_log = logging.getLogger("lattice_addons.integrations")
# What a trainer counts between two lines of its log, and since when; some versions keep some of it elsewhere.
_COUNTS = (
    "_globalstep_last_logged",
    "_initial_global_step",
    "_initial_num_input_tokens_seen",
    "_total_loss_scalar",
    "_tr_loss",
    "current_flos",
)


class TrainerLoop:
    """Which epoch it is, how many of its batches are done, and the gradients of those that made no step yet."""

    def __init__(self, stored: dict[str, Any] | None) -> None:
        self._stored: list[int] | None = None if stored is None else stored.get("place")
        self._epoch, self._batches = -1, 0
        self._sized = True  # whether an epoch's length is known
        self._fetched = 0  # how many batches the step is made of that is under way
        self._gradients: dict[str, Any] = {}

    def state(self) -> dict[str, Any]:
        """Give all of it, but for what the number of steps tells: that, too, when an epoch's last step is done."""
        place = self._stored or [self._epoch, self._batches]
        told = self._sized or place[0] < 0
        return {"place": None if told else place, "gradients": self._gradients}

    def begin(self, model: Any, loader: Any, stored: dict[str, Any] | None) -> None:
        """Be before the first epoch, or within the one that is stored."""
        self._sized = has_length(loader)
        self._gradients = {} if stored is None else stored.get("gradients", {})
        parameters = dict(model.named_parameters())
        for name, gradient in self._gradients.items():
            parameters[name].grad = gradient.to(parameters[name].device)

    def place(self, plain: Any, *args: Any, **named: Any) -> Any:
        """Be the method with which a trainer finds out in which epoch it is, and at which batch."""
        found = plain(*args, **named)
        self._stored = self._stored or list(found)
        return tuple(self._stored)

    def next_epoch(self) -> None:
        """Begin an epoch, or go on within the stored one."""
        self._epoch, self._batches = self._stored or (self._epoch + 1, 0)
        self._stored = None

    def fetched(self, count: int) -> None:
        """Be told of a step's batches."""
        self._fetched = count

    def done(self) -> None:
        """Count a step's batches as done."""
        self._batches += self._fetched
        self._fetched = 0

    def within(self) -> bool:
        """Say whether some of the epoch's batches are done."""
        return self._batches > 0

    def hold_gradients(self, model: Any) -> None:
        """Take what batches left that made no step: the last ones of an epoch whose length is not known."""
        self._gradients = {
            name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None
        }


def counted(trainer: Any) -> dict[str, Any]:
    """Give what a trainer and its callbacks have counted."""
    return {
        "counts": {name: getattr(trainer, name) for name in _COUNTS if hasattr(trainer, name)},
        "callbacks": [[type(one).__name__, one.state()["attributes"]] for one in _stateful(trainer)],
    }


def count_on(trainer: Any, stored: dict[str, Any]) -> None:
    """Let a trainer and its callbacks count on from where they were."""
    for name, value in stored["counts"].items():
        if hasattr(trainer, name):
            setattr(trainer, name, value.to(trainer.args.device) if hasattr(value, "to") else value)
    for (name, attributes), one in zip(stored["callbacks"], _stateful(trainer), strict=False):
        if type(one).__name__ == name:
            vars(one).update(attributes)


def tell_of_more(key: str, trainer: Any) -> None:
    """Warn somebody who asks for another length than that of the training that had ended."""
    state, args = trainer.state, trainer.args
    if args.max_steps > 0:
        had, asked, what = state.max_steps, args.max_steps, "steps"
    else:
        had, asked, what = state.num_train_epochs, math.ceil(args.num_train_epochs), "epochs"
    if asked != had:
        _log.warning(
            "the training %r had ended, with %s %s, and the program now asks for %s: it is not trained any further. "
            "For another training use another key, or say that this work is done (StateManagerGroup().complete())",
            *(key, had, what, asked),
        )


@contextmanager
def skipping_by(skip: Callable[..., Any]) -> Iterator[None]:
    """Have a trainer that goes on take its loader as it is; one that is restored begins with the right batch."""
    module = transformers.trainer
    plain = module.skip_first_batches
    module.skip_first_batches = skip
    try:
        yield
    finally:
        module.skip_first_batches = plain


def as_it_is(loader: Any, num_batches: int = 0) -> Any:
    """Give a loader as it is."""
    del num_batches
    return loader


def _stateful(trainer: Any) -> list[Any]:
    return [one for one in trainer.callback_handler.callbacks if isinstance(one, ExportableState)]
