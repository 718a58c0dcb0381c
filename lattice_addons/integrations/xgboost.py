"""XGBoost trains on from the round at which its process was stopped, and grows the same trees."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from xgboost import Booster
from xgboost.callback import TrainingCallback

from lattice_addons.errors import UnkeepableError
from lattice_addons.state import NoValue

from ._rounds import Rounds

if TYPE_CHECKING:
    from lattice_addons.state import StateManagerGroup

__all__ = ["LatticeCallback"]


class LatticeCallback(TrainingCallback):
    """Make it resumable: ``xgboost.train(…, callbacks=[LatticeCallback()])``, or ``XGBClassifier(callbacks=[…])``.

    The slot ``key`` has the trees and what was evaluated, saved after ``every`` so many rounds (None: when the group's
    settings say so). In a restarted program the rounds that were done are gone through without training, with the
    evaluations that they had: other callbacks, as early stopping, come to where they were. Then it trains on.

    What XGBoost draws at random (``subsample``, ``colsample_bytree``, dropped trees) is drawn from the seed and the
    number of the round (``seed_per_iteration``), for the state of its generator cannot be kept. Where nothing is drawn,
    the trees are those of a training without this callback.

    Raises:
        DuplicateSlotError: the key is that of another training of this process.
        UnkeepableError: it is ``xgboost.cv`` that trains, or a ``gblinear`` whose features are not taken in turn.
    """

    def __init__(
        self, group: StateManagerGroup | None = None, *, key: str = "xgboost", every: int | None = 1
    ) -> None:
        super().__init__()
        self._group = group
        self._key = key
        self._every = every
        self._rounds: Rounds | None = None
        self._kind: type | None = None
        self._ours = 0  # how many rounds an earlier process had done
        self._training: int | None = None  # the thread that is within a round

    def before_training(self, model: Any) -> Any:
        """Find what an earlier process had done."""
        if not isinstance(model, Booster):
            raise UnkeepableError(
                f"a {type(model).__name__} cannot be kept: make each fold of xgboost.cv() a train() of its own, "
                "with a LatticeCallback(key=…) for each"
            )
        model.set_param({"seed_per_iteration": True})
        self._kind = type(model)
        self._rounds = rounds = Rounds(self._group, self._key, self._every)
        if rounds.stored is None:
            rounds.begun = rounds.done = model.num_boosted_rounds()
        else:
            self._ours = rounds.done - rounds.begun
            _set_class(model, _held(self._kind, rounds.log))
        return model

    def before_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Hold the model still in a round that was done; train it in the others."""
        del evals_log
        # Not before training, where early stopping asks how many rounds the model began with.
        if epoch == 0 and self._rounds is not None:
            self._give_trees(model, self._rounds)
        if epoch == self._ours and self._kind is not None:
            _set_class(model, self._kind)
        self._training = threading.get_ident() if epoch >= self._ours else None
        return False

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Keep the round that was trained."""
        del model
        self._training = None
        if self._rounds is not None and epoch >= self._ours:
            log = {
                data: {metric: [float(value) for value in values] for metric, values in metrics.items()}
                for data, metrics in evals_log.items()
            }
            self._rounds.finished(self._rounds.begun + epoch + 1, log)
        return False

    def after_training(self, model: Any) -> Any:
        """Leave the model as it is."""
        if self._kind is not None:
            _set_class(model, self._kind)
        if self._rounds is not None:
            self._rounds.end()
        return model

    def _give_trees(self, model: Any, rounds: Rounds) -> None:
        config = model.save_config()
        kind = json.loads(config)["learner"]["gradient_booster"]
        _refuse(kind)
        only_grows = kind["name"] == "gbtree" and not _drops(kind.get("dart_train_param", {}))
        if rounds.stored is not None:
            # The program's parameters hold, also where they were changed since.
            model.load_model(bytearray(rounds.stored.trees))
            model.load_config(config)

        def trees(done: int) -> bytes:
            if self._training is None:
                return bytes(model.save_raw("ubj"))
            # Within a round another thread may be changing the model just now; and only where trees stay as they are
            # can the newest ones be left out.
            if self._training != threading.get_ident() or not only_grows:
                raise NoValue
            whole = model.num_boosted_rounds() == done
            return bytes((model if whole else model[:done]).save_raw("ubj"))

        rounds.trees_of = trees


def _drops(dropout: dict[str, str]) -> bool:
    """Say whether trees are dropped: newer versions of XGBoost tell by this alone what is no ``gbtree``."""
    return any(float(dropout.get(name, 0)) for name in ("rate_drop", "one_drop"))


def _refuse(kind: dict[str, Any]) -> None:
    """Refuse an order of features that XGBoost does not find again when it goes on from a model."""
    if kind["name"] != "gblinear":
        return
    selector = kind["updater"]["linear_train_param"]["feature_selector"]
    if selector != "cyclic":
        raise UnkeepableError(
            f"a gblinear with feature_selector={selector} cannot be carried on exactly: XGBoost takes features in "
            "another order after a restart. Use feature_selector=cyclic, or train without LatticeCallback"
        )


def _set_class(model: Any, kind: type) -> None:
    model.__class__ = kind


def _held(kind: Any, log: dict[str, dict[str, list[float]]]) -> type:
    """Give the class of a model that goes through rounds without training, and finds what it had found."""

    class Held(kind):
        def update(self, *args: object, **options: object) -> None:
            del self, args, options

        boost = save_model = update

        def eval_set(self, evals: object, iteration: int = 0, *args: object, **options: object) -> str:
            del self, evals, args, options
            # As XGBoost writes it, and reads it again for its callbacks.
            found = [
                f"{data}-{metric}:{values[iteration]!r}"
                for data, metrics in log.items()
                for metric, values in metrics.items()
            ]
            return "\t".join([f"[{iteration}]", *found])

    Held.__name__, Held.__qualname__, Held.__module__ = kind.__name__, kind.__qualname__, kind.__module__
    return Held
