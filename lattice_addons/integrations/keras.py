"""``model.fit`` carries on at the batch at which its process was stopped, with the bits that it would have had."""

from __future__ import annotations

import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from lattice_addons.errors import StateMismatchError, UnkeepableError
from lattice_addons.state import (
    NoValue,
    RandomnessManager,
    StateClosureManager,
    StateDictManager,
    StateManagerGroup,
)

from ._leaves import Leaves

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LatticeCallback"]

_BACKENDS = ("jax", "torch")
# What a callback is told anew in each process: by Keras, or by the file to which it appends.
_TOLD = ("params", "append_header")


class LatticeCallback(keras.callbacks.Callback):
    """Make ``fit`` resumable: ``model.fit(…, callbacks=[…, LatticeCallback()])``, as the last one of the list.

    Slot ``key`` has the weights, the optimizer, the metrics, the random states and the place in the data, slot
    ``KEY.callbacks`` what other callbacks (early stopping, the history) have come to. The second ``fit`` with the same
    callback has slots ``KEY-2`` and ``KEY-2.callbacks``, and so on. A save that falls due within a batch waits for its
    end. With ``every``, all is saved in the background after each so many batches.

    In a restarted program epochs that were done are left out. In the one that was interrupted, batches are drawn in the
    order that they had, and those that were done are not trained on. The backends ``jax`` and ``torch`` can do this.

    Raises:
        UnkeepableError: Keras runs on another backend.
        StateMismatchError: the stored variables are those of another model.
    """

    def __init__(
        self, group: StateManagerGroup | None = None, *, key: str = "keras", every: int | None = None
    ) -> None:
        super().__init__()
        if keras.backend.backend() not in _BACKENDS:
            raise UnkeepableError(
                f"a fit() on the backend {keras.backend.backend()} cannot be carried on; set KERAS_BACKEND to jax or "
                "torch"
            )
        self._group = group if group is not None else StateManagerGroup()
        self._key = key
        self._every = every
        self._fits = 0
        self._epoch = self._batch = 0
        self._logs: dict[str, Any] = {}
        self._randomness = RandomnessManager()
        self._randomness.watch()
        self._begun: object = None  # the random states with which the epoch began
        self._still: Leaves | None = (
            None  # what is given at any time: before the first batch, and after the last
        )
        self._at_rest = False
        self._restored: Leaves | None = None
        self._others: list[Any] = []
        self._others_restored: list[dict[str, Any]] | None = None
        self._trains: Callable[..., Any] | None = None
        self._slot: str | None = None  # that of the fit that runs

    # -- what Keras calls

    def on_train_begin(self, logs: Any = None) -> None:
        """Find what is stored for this fit."""
        del logs
        self._leave()  # where the one before broke off
        self._fits += 1
        key = self._key if self._fits == 1 else f"{self._key}-{self._fits}"
        owner = sys._getframe(1).f_locals.get("self")  # noqa: SLF001 - who calls us has the list of all callbacks
        self._others = [other for other in getattr(owner, "callbacks", ()) if other is not self]
        self._epoch = self._batch = 0
        self._still = self._restored = None
        self._slot, self._at_rest = key, False
        self._group.register(f"{key}.callbacks", StateClosureManager)
        self._others_restored = self._group.get(f"{key}.callbacks")
        self._group.register(key, StateDictManager)
        self._group.update(key, self)
        self._group.update(f"{key}.callbacks", self._of_others)
        if self._restored is not None:
            self._epoch, self._batch = self._restored.value("epoch"), self._restored.value("batch")
            _check(_variables(self.model), self._restored)
            self._model._initial_epoch = self._epoch  # noqa: SLF001 - as Keras's own BackupAndRestore does

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Stand before an epoch, or before the rest of one."""
        del logs
        self._model._initial_epoch = None  # noqa: SLF001 - it counts for this fit only
        self._epoch = epoch
        if self._restored is None:
            self._batch = 0
            self._begun = self._randomness.capture()
            self._between()
        elif self._batch:
            _assign(self.model, self._restored)
            self._begun = self._restored.value("begun")
            self._randomness.restore(self._begun)
            self._hold_still()
        else:
            self._go_on()
            self._begun = self._randomness.capture()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stand between two batches."""
        if self._restored is not None:
            if batch + 1 >= self._batch:
                self._go_on()
            return
        self._batch, self._logs = batch + 1, dict(logs or {})
        self._between(save=bool(self._every) and self._batch % (self._every or 1) == 0)

    def on_train_end(self, logs: Any = None) -> None:
        """Keep the end of this fit, whatever becomes of the model later."""
        del logs
        if self._restored is not None:
            self._go_on()
        elif self._batch:
            self._epoch, self._batch = self._epoch + 1, 0
        self._still = self._captured().copy()
        self._leave()
        self._model._initial_epoch = None  # noqa: SLF001 - it counts for this fit only
        self._group.safe_point(last=True)

    def _leave(self) -> None:
        """Let the slots of a fit have what it came to, or what is stored of it, whatever a later one does."""
        slot, self._slot = self._slot, None
        if slot is not None:
            self._group.update(slot, _Left(self._still))
            others = None if self._still is None else self._of_others()
            self._group.update(f"{slot}.callbacks", _Left(others).state_dict)

    # -- what is stored

    def state_dict(self) -> Leaves:
        """Give all that the fit goes on from, or raise `NoValue` in the middle of a batch."""
        if self._still is not None:
            return self._still
        if not self._at_rest:
            raise NoValue
        return self._captured()

    def load_state_dict(self, stored: Leaves) -> None:
        """Keep what is stored until the fit has come to where it was; until then it is what is saved, too."""
        self._restored = self._still = stored

    def _captured(self) -> Leaves:
        leaves = Leaves()
        for name in ("epoch", "batch", "logs", "begun"):
            leaves.put(name, getattr(self, f"_{name}"))
        leaves.put("now", self._randomness.capture())
        for name, variable in _variables(self.model).items():
            leaves.put_array(name, keras.ops.convert_to_numpy(variable.value))
        return leaves

    def _of_others(self) -> list[dict[str, Any]]:
        if self._others_restored is not None:
            return self._others_restored
        if self._still is None and not self._at_rest:
            raise NoValue
        return [_kept(other) for other in self._others]

    def _between(self, *, save: bool = False) -> None:
        self._at_rest = True
        try:
            if save:
                self._group.async_save()
            self._group.safe_point()
        finally:
            self._at_rest = False

    # -- coming to where it was

    def _hold_still(self) -> None:
        """Go through batches without training."""
        self._trains = self._model.train_function
        of_jax = keras.backend.backend() == "jax"
        per_call = self._model.steps_per_execution

        def passed_over(given: Any, batches: Any = None) -> Any:
            if not of_jax:
                return self._logs
            for _ in range(per_call):
                next(batches, None)
            return self._logs, given

        self._logs = self._restored.value("logs") if self._restored is not None else {}
        self._model.train_function = passed_over

    def _go_on(self) -> None:
        """Be where it was."""
        if self._trains is not None:
            self._model.train_function, self._trains = self._trains, None
        for other, kept in zip(self._others, self._others_restored or (), strict=False):
            if kept["class"] == type(other).__qualname__:
                vars(other).update(kept["values"])
        restored, self._restored, self._still, self._others_restored = self._restored, None, None, None
        if restored is not None:
            _assign(self.model, restored)
            self._randomness.restore(restored.value("now"))


class _Left:
    """What came of a fit."""

    def __init__(self, stored: Any) -> None:
        self._stored = stored

    def state_dict(self) -> Any:
        """Give it, or raise `NoValue` where it broke off: what is stored of it stays."""
        if self._stored is None:
            raise NoValue
        return self._stored

    def load_state_dict(self, stored: Any) -> None:
        """Take it back."""
        self._stored = stored


def _variables(model: Any) -> dict[str, Any]:
    """Name all variables that a fit changes; by number, for names depend on what was made before."""
    groups = {
        "model": model.variables,
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }
    return {
        f"{group}.{n}": variable
        for group, variables in groups.items()
        for n, variable in enumerate(variables)
    }


def _check(own: dict[str, Any], stored: Leaves) -> None:
    shapes = {
        name: (tuple(stored.told[name]["shape"]), tuple(variable.shape))
        for name, variable in own.items()
        if name in stored.told and tuple(stored.told[name]["shape"]) != tuple(variable.shape)
    }
    missing = [name for name in own if name not in stored.told]
    unexpected = [name for name, told in stored.told.items() if "dtype" in told and name not in own]
    if shapes or missing or unexpected:
        told = [
            f"{name} {own[name].path} (stored {there}, here {here})" for name, (there, here) in shapes.items()
        ]
        told += [f"{name} {own[name].path} (not stored)" for name in missing]
        told += [f"{name} (stored, and the model has no such variable)" for name in unexpected]
        message = (
            f"the stored variables are those of another model: {', '.join(told)}. Make the model and compile it as it "
            "was, or use another key"
        )
        raise StateMismatchError(message, type="Model", shapes=shapes, missing=missing, unexpected=unexpected)


def _assign(model: Any, stored: Leaves) -> None:
    for name, variable in _variables(model).items():
        variable.assign(np.array(stored.array(name)))


def _kept(callback: Any) -> dict[str, Any]:
    """Give what a callback has come to, where that is plain data, arrays, or functions with a name."""
    values = {name: value for name, value in vars(callback).items() if name not in _TOLD and _keepable(value)}
    return {"class": type(callback).__qualname__, "values": values}


def _keepable(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _keepable(each) for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_keepable, value))
    if isinstance(value, FunctionType):
        # How a monitored value is compared: found out once, in a way that must not be gone twice.
        return "<" not in value.__qualname__
    return value is None or isinstance(value, (bool, int, float, str, np.ndarray, np.generic, np.ufunc))
