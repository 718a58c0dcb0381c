"""A ``transformers.Trainer`` carries on at the very step at which its process was stopped."""

from __future__ import annotations

import dataclasses
import json
import weakref
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import transformers
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import TrainerCallback, TrainerState
from transformers.trainer_utils import TrainOutput

from lattice_addons.state import RandomnessManager, StateClosureManager, StateManagerGroup

from ._ahead import Ahead
from ._evaluations import Evaluations
from ._steps import Steps, next_key
from ._trainer_loop import TrainerLoop, as_it_is, count_on, counted, skipping_by, tell_of_more

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LatticeCallback", "autopatch"]


class LatticeCallback(TrainerCallback):
    """Make a trainer resumable: ``Trainer(…, callbacks=[LatticeCallback()])``.

    Each ``train()`` is kept in slots named ``trainer.model``, ``trainer.optimizer`` and so on, after ``key`` (the
    second one of a program in ``trainer-2.model``…). A save that falls due within a step waits for its end, and a
    restarted program's ``train()`` goes on with the next one: the same batches, random numbers, losses and weights as
    without the interruption. A ``train()`` that had ended gives its result at once. The trainer's own checkpoints stay
    as they are; what the store has goes before ``resume_from_checkpoint``.

    ``group`` is the process's one, unless another is given. With ``every``, all is saved in the background after each
    so many steps.
    """

    def __init__(
        self, group: StateManagerGroup | None = None, *, key: str = "trainer", every: int | None = None
    ) -> None:
        _patch()
        self.group: StateManagerGroup = group if group is not None else StateManagerGroup()
        self.key = key
        self.every = every
        self._run: _Run | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Restore all that the trainer has made by now."""
        del args, state, control
        if self._run is not None:
            self._run.restore(given.get("train_dataloader"))

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Count the epochs."""
        del args, state, control, given
        if self._run is not None:
            self._run.loop.next_epoch()

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Let go of the batches that the step was made of."""
        del args, control, given
        if self._run is not None:
            self._run.due = bool(self.every) and state.global_step % self.every == 0
            self._run.step_done()

    def train(self, trainer: Any, train: Any, resume_from: Any, *args: Any, **named: Any) -> Any:
        """Train, from where the store's newest checkpoint is, if there is one."""
        run = _Run(self.group, next_key(self.group, self.key), trainer)
        if run.stored is not None and run.stored["output"] is not None:
            return run.ended()
        self._run = run
        try:
            with run.hooks() as folder:
                output = train(trainer, folder or resume_from, *args, **named)
                run.end(output)  # before a signal that waits for it is served
        finally:
            self._run = None
        return output


class _Run:
    """One call of ``train()``: how far it is, and what it is made of."""

    def __init__(self, group: StateManagerGroup, key: str, trainer: Any) -> None:
        self.group = group
        self.key = key
        self.trainer = trainer
        self.due = False  # whether the last step is one after which all is saved
        self._skipped = 0  # how many batches a checkpoint of the trainer's own has of its epoch
        self._settled = False  # whether the random state is that of the step to come
        self._steps = Steps(group)
        self._ahead: Ahead | None = None
        self._evaluations = _evaluations_of(trainer)
        self._ended: dict[str, Any] | None = None
        self._progress = f"{key}.progress"
        if self._progress not in group:
            group.register(self._progress, StateClosureManager)
        self.stored: dict[str, Any] | None = group.get(self._progress)
        self.loop = TrainerLoop(self.stored)

    def progress(self) -> dict[str, Any]:
        """Give the trainer's counters and log, and the batches that it holds and has not trained on."""
        if self._ended is not None:
            return self._ended
        trainer = self.trainer
        return self.loop.state() | {
            "state": dataclasses.asdict(trainer.state),
            **counted(trainer),
            "ahead": None if self._ahead is None else self._ahead.state(),
            "evaluations": self._evaluations.state(),
            "output": None,
        }

    @contextmanager
    def hooks(self) -> Iterator[str | None]:
        """Stand between the trainer and its loop; give the folder from which it learns at which step it is."""
        trainer, stored = self.trainer, self.stored
        before, plain = trainer.args.eval_on_start, trainer.get_batch_samples
        mine: dict[str, Any] = {"get_batch_samples": partial(self.fetch, plain)}
        with TemporaryDirectory(prefix="lattice-") as folder:
            if stored is not None:
                Path(folder, TRAINER_STATE_NAME).write_text(json.dumps(stored["state"]), encoding="utf-8")
                # All but the step is ours to restore, when the trainer has made it.
                mine |= dict.fromkeys(("_load_from_checkpoint", "_load_callback_state"), _nothing)
                trainer.args.eval_on_start = False  # it was done in the process that began
            if hasattr(trainer, "_init_training_state"):
                mine["_init_training_state"] = partial(self.loop.place, trainer._init_training_state)  # noqa: SLF001
            vars(trainer).update(mine)
            whole = False
            self._steps.boundary()  # what comes before the first step belongs to it
            try:
                with skipping_by(self.skip if stored is None else as_it_is):
                    yield folder if stored is not None else None
                whole = True
            finally:
                self._steps.end(whole=whole)
                self._release(whole=whole)
                trainer.args.eval_on_start = before
                for name in mine:
                    vars(trainer).pop(name, None)

    def restore(self, loader: Any) -> None:
        """Bind what the trainer has made, and load into it what is stored."""
        trainer, stored = self.trainer, self.stored
        parts = {
            "model": trainer.model,
            "optimizer": trainer.optimizer,
            "scheduler": trainer.lr_scheduler,
            "scaler": getattr(trainer.accelerator, "scaler", None),
            # Accelerate's loader fetches one batch more than it gives, from the one within.
            "dataloader": getattr(loader, "base_dataloader", loader),
        }
        self.group.track(**{f"{self.key}.{name}": part for name, part in parts.items() if part is not None})
        within = parts["dataloader"]
        self._ahead = Ahead(within, lookahead=int(within is not loader))
        self.loop.begin(trainer.model, loader, stored)
        if stored is not None:
            self._ahead.put_back(stored["ahead"])
            self._evaluations.restore(stored.get("evaluations", {}))
            count_on(trainer, stored)
            self.stored = None
        self.group.update(self._progress, self.progress)

    def skip(self, loader: Any, num_batches: int = 0) -> Any:
        """Pass over batches later, in the loader that is tracked: the trainer would make another."""
        self._skipped = num_batches
        return loader

    def fetch(self, plain: Any, batches: Any, *args: Any, **named: Any) -> Any:
        """Get a step's batches; before that is the safe point, where the trainer is done with the step before."""
        if not self._settled:
            # Only now: what comes before the loop of a resumed run uses random numbers, too.
            self._settled = True
            self.group.track_randomness(f"{self.key}.randomness")
        self.step_done()  # also of batches that made no step
        if self._skipped:
            # No safe point: the trainer puts its random states back only behind these.
            for _ in range(self._skipped):
                next(batches, None)
            self._skipped = 0
            self.step_done()
        # At the end of an epoch of unknown length nothing comes, again and again: what ends it is yet to be done.
        elif not (self._ahead is not None and self._ahead.ended and self.loop.within()):
            self.loop.hold_gradients(self.trainer.model)
            self._steps.boundary(save=self.due)
            self.due = False
        found = plain(batches, *args, **named)
        self.loop.fetched(len(found[0]))
        return found

    def _release(self, *, whole: bool) -> None:
        """Let go of the loader; of a training that broke off all stays as it is, whatever the program does next."""
        if self._ahead is not None:
            if not whole:
                self._ended = self.progress()
            self._ahead.release(over=whole)

    def step_done(self) -> None:
        """Count the batches of a step as done."""
        self.loop.done()
        if self._ahead is not None:
            self._ahead.trained()

    def end(self, output: TrainOutput) -> None:
        """Keep what came of it, and the random state, whatever the program does with the trainer later."""
        randomness = RandomnessManager()
        randomness.watch()
        self._ended = {**self.progress(), "output": list(output), "random": randomness.capture()}

    def ended(self) -> TrainOutput:
        """Give the result of a training that ended in an earlier process."""
        trainer, stored = self.trainer, self.stored
        assert stored is not None  # noqa: S101 - the output stands in it
        trainer.state = TrainerState(**stored["state"])
        tell_of_more(self.key, trainer)
        self.group.track(**{f"{self.key}.model": trainer.model})
        self.group.track_randomness(f"{self.key}.randomness")
        self._evaluations.restore(stored.get("evaluations", {}))
        RandomnessManager().restore(stored["random"])
        return TrainOutput(*stored["output"])


_EVALUATIONS: weakref.WeakKeyDictionary[Any, Evaluations] = weakref.WeakKeyDictionary()


def _evaluations_of(trainer: Any) -> Evaluations:
    """Give those of a trainer: their loaders are the same in each of its trainings, and outside of them."""
    return _EVALUATIONS.setdefault(trainer, Evaluations())


def _nothing(*args: Any, **named: Any) -> None:
    """Be a method in whose place we do the work."""
    del args, named


def _callback_of(trainer: Any) -> LatticeCallback | None:
    for one in trainer.callback_handler.callbacks:
        if isinstance(one, LatticeCallback):
            return one
    return None


_EVERY_TRAINER = "_lattice_every_trainer"


def autopatch() -> None:
    """Make every trainer of this process resumable, as if each had a `LatticeCallback`."""
    _patch()
    setattr(transformers.Trainer, _EVERY_TRAINER, True)


def _patch() -> None:
    """Have a trainer's callback asked first when it trains, and told of the loaders of its evaluations; once."""
    plain, evaluate = transformers.Trainer.train, transformers.Trainer.evaluation_loop
    if hasattr(plain, "lattice"):
        return

    @wraps(evaluate)
    def evaluation_loop(self: Any, dataloader: Any, *args: Any, **named: Any) -> Any:
        if _callback_of(self) is not None or getattr(self, _EVERY_TRAINER, False):
            # Those whose workers live on: the others are made anew for each evaluation.
            for name, kept in getattr(self, "_eval_dataloaders", {}).items():
                if kept is dataloader:
                    _evaluations_of(self).follow(name, dataloader)
        return evaluate(self, dataloader, *args, **named)

    @wraps(plain)
    def train(self: Any, resume_from_checkpoint: Any = None, *args: Any, **named: Any) -> Any:
        callback = _callback_of(self)
        if callback is None and getattr(self, _EVERY_TRAINER, False):
            callback = LatticeCallback()
            self.add_callback(callback)
        trial = args[0] if args else named.get("trial")
        if callback is None or trial is not None:  # the trials of a search begin anew by themselves
            return plain(self, resume_from_checkpoint, *args, **named)
        return callback.train(self, plain, resume_from_checkpoint, *args, **named)

    train.lattice = True  # type: ignore[attr-defined]
    transformers.Trainer.train, transformers.Trainer.evaluation_loop = train, evaluation_loop
