"""A ``lightning.Trainer`` carries on with the very batch before which its process was stopped."""

from __future__ import annotations

import logging
import signal
from functools import partial, wraps
from typing import Any

from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import SIGTERMException

from lattice_addons.state import RandomnessManager, StateClosureManager, StateManagerGroup

from ._ahead import Ahead
from ._evaluations import Evaluations
from ._logged import logged, put_back_logged
from ._steps import Steps, next_key

__all__ = ["LatticeCallback", "autopatch"]

_log = logging.getLogger("lattice_addons.integrations")
_OURS = "lattice_addons."


class LatticeCallback(Callback):
    """Make a trainer resumable: ``Trainer(…, callbacks=[LatticeCallback()])``.

    Each ``fit()`` is kept in slots named ``lightning``, ``lightning.dataloader`` and ``lightning.randomness``, after
    ``key`` (the second one of a program in ``lightning-2``…). A save that falls due within a batch waits for its end,
    and a restarted program's ``fit()`` goes on with the next one: the same batches, random numbers, metrics and
    weights as without the interruption. Lightning's own checkpoints stay as they are; what the store has goes before
    ``ckpt_path``.

    ``group`` is the process's one, unless another is given. With ``every``, all is saved in the background after each
    so many batches.
    """

    def __init__(
        self, group: StateManagerGroup | None = None, *, key: str = "lightning", every: int | None = None
    ) -> None:
        self.group: StateManagerGroup = group if group is not None else StateManagerGroup()
        self.key = key
        self.every = every
        self._run: _Run | None = None

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Have Lightning load what is stored, in the place of a checkpoint file."""
        del pl_module
        if stage == "fit":
            self._run = _Run(self.group, next_key(self.group, self.key), trainer)
            self._run.begin()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Be there before the loop's first batch."""
        del trainer, pl_module
        if self._run is not None:
            self._run.start()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a batch as done."""
        del trainer, pl_module, outputs, batch, batch_idx
        if self._run is not None:
            self._run.batch_done(self.every)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Have a validation within training finished: with half of it, its batch could not be carried on behind."""
        del pl_module
        if self._run is not None:
            self._run.terminate(trainer, later=True)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Let Lightning see again that it was told to end."""
        del pl_module
        if self._run is not None:
            self._run.terminate(trainer, later=False)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Keep what there is before Lightning takes the loop apart; after a SIGTERM, the last batch is done."""
        if self._run is not None:
            self._run.broken_off(whole=isinstance(exception, SIGTERMException))
            self.teardown(trainer, pl_module, "fit")  # Lightning does not come to it

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Keep what the training has come to."""
        del trainer, pl_module, stage
        if self._run is not None:
            self._run.end()
            self._run = None


class _Run:
    """One call of ``fit()``."""

    def __init__(self, group: StateManagerGroup, key: str, trainer: Any) -> None:
        self.group = group
        self.key = key
        self.trainer = trainer
        self.aheads: dict[str, Ahead] = {}
        self._evaluations = Evaluations()
        self._due = False
        self._done = 0
        self._settled = False  # whether the random state is that of the batch to come
        self._started = self._failed = False
        self._told_to_end = False
        self._frozen: dict[str, Any] | None = None
        self._steps = Steps(group)
        self._randomness = RandomnessManager()
        self._randomness.watch()
        if key not in group:
            group.register(key, StateClosureManager)
        self.stored: dict[str, Any] | None = group.get(key)
        self._found = self.stored  # until a batch comes after it

    # -- what is stored

    def state(self) -> dict[str, Any]:
        """Give Lightning's own checkpoint, and what it leaves out."""
        if self._frozen is not None:
            return self._frozen
        trainer = self.trainer
        checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)  # noqa: SLF001 - the connector's
        # A loader's place is in its own slot.
        checkpoint["loops"]["fit_loop"]["state_dict"].pop("combined_loader", None)
        return {
            "checkpoint": checkpoint,
            "gradients": self._gradients(),
            "logged": logged(trainer),
            "should_stop": trainer.should_stop,
            "ahead": {name: ahead.state() for name, ahead in self.aheads.items()},
            "evaluations": self._evaluations.state(),
        }

    def _gradients(self) -> dict[str, Any]:
        """Give gradients that are not used up: several batches make a step."""
        trainer = self.trainer
        model = trainer.lightning_module
        if model.automatic_optimization and not trainer.fit_loop._should_accumulate():  # noqa: SLF001
            return {}
        return {name: one.grad for name, one in model.named_parameters() if one.grad is not None}

    # -- from the start of fit() to its end

    def begin(self) -> None:
        """Stand between the trainer and its loop."""
        trainer, stored = self.trainer, self.stored
        if stored is not None:
            connector = trainer._checkpoint_connector  # noqa: SLF001

            def resume(checkpoint_path: Any = None, weights_only: Any = None) -> None:
                del weights_only, connector.resume_start
                if checkpoint_path:
                    _log.info("%s is not loaded: the store has what came after it", checkpoint_path)
                connector._ckpt_path = None  # noqa: SLF001
                connector._loaded_checkpoint = dict(stored["checkpoint"])  # noqa: SLF001

            connector.resume_start = resume
            self._evaluations.restore(stored.get("evaluations", {}))
        trainer.strategy.process_dataloader = partial(self._track, trainer.strategy.process_dataloader)
        self._steps.boundary()  # what comes before the first batch belongs to it

    def _track(self, plain: Any, loader: Any) -> Any:
        """Track a loader that trains, in the form that the strategy gives it; follow one that validates."""
        loader = plain(loader)
        if self.trainer.training:
            number = len(self.aheads) + 1
            name = f"{self.key}.dataloader" + ("" if number == 1 else f"-{number}")
            self._evaluations.leave(loader)
            self.group.track(**{name: loader})
            # Where it cannot be counted how many batches there are, one is fetched ahead of the loop.
            lookahead = int(not hasattr(loader, "__len__") or _unsized(loader))
            # Of several loaders that are gone through together, the first is asked first.
            before = {"before": self._between} if number == 1 else {}
            ahead = self.aheads[name] = Ahead(loader, lookahead=lookahead, **before)
            if self.stored is not None and name in self.stored["ahead"]:
                ahead.put_back(self.stored["ahead"][name])
        else:
            replaced = self.trainer.fit_loop.epoch_loop.val_loop._combined_loader  # noqa: SLF001 - there is no other way
            self._evaluations.follow_next(loader, id(replaced))
        return loader

    def start(self) -> None:
        """Let the loop go on in the middle of its epoch."""
        self._leave_signal()
        stored, self.stored = self.stored, None
        if stored is not None:
            self._go_on(stored)
        self._started = True
        self.group.update(self.key, self.state)

    def _go_on(self, stored: dict[str, Any]) -> None:
        trainer = self.trainer
        loop = trainer.fit_loop.epoch_loop
        put_back_logged(trainer, stored["logged"])
        trainer.should_stop = stored["should_stop"]
        parameters = dict(trainer.lightning_module.named_parameters())
        for name, gradient in stored["gradients"].items():
            parameters[name].grad = gradient.to(parameters[name].device)
        plain = loop.on_run_start

        def on_run_start(*args: Any, **named: Any) -> None:
            del loop.on_run_start
            plain(*args, **named)
            # We stand before a batch. Lightning knows restarts only after one, or in a validation: it would do again
            # what comes after a batch, and not step the schedulers at the end of this epoch.
            trainer.fit_loop.restarting = False

        loop.on_run_start = on_run_start

    def _between(self) -> None:
        """Stand before a batch: this is the safe point."""
        if not self._settled:
            # Only now: what comes before the loop of a resumed run uses random numbers, too.
            self._settled, self._found = True, None
            self.group.track_randomness(f"{self.key}.randomness")
        due, self._due = self._due, False
        self._steps.boundary(save=due)

    def batch_done(self, every: int | None) -> None:
        """Let go of a batch."""
        self._done += 1
        self._due = bool(every) and self._done % (every or 1) == 0
        for ahead in self.aheads.values():
            ahead.trained()

    def terminate(self, trainer: Any, *, later: bool) -> None:
        """Keep a SIGTERM that is known from Lightning, or give it back: it leaves a validation in its middle."""
        connector = trainer._signal_connector  # noqa: SLF001 - there is no other place
        if later:
            self._told_to_end, connector.received_sigterm = connector.received_sigterm, False
        elif self._told_to_end:
            connector.received_sigterm = True

    def broken_off(self, *, whole: bool) -> None:
        """Keep what there is before the loop is taken apart, between two batches or within one."""
        self._failed = True
        if self._settled and whole:
            self._steps.boundary()
        if self._started:
            self._frozen = self.state()

    def end(self) -> None:
        """Stand aside; what the training has come to stays in the store."""
        self._steps.end(whole=not self._failed)
        vars(self.trainer.strategy).pop("process_dataloader", None)
        vars(self.trainer._checkpoint_connector).pop("resume_start", None)  # noqa: SLF001 - the connector's
        if self._failed:
            pass  # what there was is kept already
        elif (found := self._found) is not None and (self.stored is not None or "random" in found):
            # It had ended in an earlier process; after an early stop, Lightning has seen so only behind its start.
            put_back_logged(self.trainer, found["logged"])
            self.group.track_randomness(f"{self.key}.randomness")
            if "random" in found:
                self._randomness.restore(found["random"])
            self._frozen = {**found, "random": self._randomness.capture()}
            self.group.update(self.key, self.state)
        elif self._frozen is None:
            # With the random state, whatever the program draws from it later.
            self._frozen = {**self.state(), "random": self._randomness.capture()}
        for ahead in self.aheads.values():
            ahead.release(over=not self._failed)

    def _leave_signal(self) -> None:
        """Have Lightning's handler of SIGTERM not call ours, which stands before it: the program ends in its way."""
        standing: Any = signal.getsignal(signal.SIGTERM)
        while type(standing).__module__.startswith(_OURS):
            standing = standing.previous
        handlers = getattr(standing, "signal_handlers", None)
        if isinstance(handlers, list):
            handlers[:] = [one for one in handlers if not type(one).__module__.startswith(_OURS)]


def _unsized(loader: Any) -> bool:
    try:
        len(loader)
    except (TypeError, NotImplementedError):
        return True
    return False


def autopatch() -> None:
    """Make every trainer of this process resumable, as if each had a `LatticeCallback`; once in a process."""
    from lightning.pytorch.trainer.trainer import Trainer

    plain = Trainer.fit
    if hasattr(plain, "lattice"):
        return

    @wraps(plain)
    def fit(self: Any, *args: Any, **named: Any) -> Any:
        if not any(isinstance(one, LatticeCallback) for one in self.callbacks):
            self.callbacks.insert(0, LatticeCallback())
        return plain(self, *args, **named)

    fit.lattice = True  # type: ignore[attr-defined]
    Trainer.fit = fit
