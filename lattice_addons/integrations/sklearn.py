"""An estimator that is fitted in parts carries on at the first part that was not finished."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from lattice_addons.errors import DecodeError
from lattice_addons.state import StateManagerGroup

from ._bound import BoundManager

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["EstimatorManager", "partial_fit"]

Estimator = TypeVar("Estimator")
_log = logging.getLogger("lattice_addons.integrations.sklearn")
_PLAIN = (bool, int, float, str, type(None))


def partial_fit(
    estimator: Estimator,
    batches: Iterable[Any],
    *,
    key: str = "estimator",
    group: StateManagerGroup | None = None,
    **options: Any,
) -> Estimator:
    """Call ``estimator.partial_fit`` for each batch, and give the estimator; what was finished is not done again.

    A batch is what ``partial_fit`` takes: a tuple of its arguments (``(X, y)``), or ``X`` alone. ``options`` are given
    to each call, such as ``classes``. The estimator is in the slot ``key``, how far the loop is in ``KEY.batches``. In
    a restarted program ``batches`` must give the same once more; those that were finished are passed over.

    Raises:
        SequenceChangedError: the batches are not those of the earlier process, where that can be seen.
        DuplicateSlotError: the key is that of a loop that went to its end in this process.
        DecodeError: what is stored is an estimator of another class.
    """
    group = group if group is not None else StateManagerGroup()
    kept: Any = estimator
    tracked: dict[str, Any] = {key: estimator}
    group.track(**tracked)
    for batch in group.resume(batches, f"{key}.batches"):
        given = batch if isinstance(batch, tuple) else (batch,)
        kept.partial_fit(*given, **options)
    return estimator


class EstimatorManager(BoundManager):
    """Bind an estimator: its parameters and what it was fitted to are stored, and go back into it.

    `StateManagerGroup.track` takes estimators.
    """

    __module__ = "lattice_addons.integrations.sklearn"

    def state_of(self, bound: Any) -> object:
        """Give what scikit-learn itself would pickle, and the class."""
        return {"class": _name(bound), "state": bound.__getstate__()}

    def give(self, bound: Any, stored: Any) -> None:
        """Let an estimator be what is stored; parameters that were changed since are told, and are as stored.

        Raises:
            DecodeError: it is of another class.
        """
        if stored["class"] != _name(bound):
            message = (
                f"a {stored['class']} is stored, and the program's estimator is a {_name(bound)}; give one of the "
                "stored class, or use another key"
            )
            raise DecodeError(message, type=stored["class"])
        given = bound.get_params(deep=False)
        bound.__setstate__(stored["state"])
        kept = bound.get_params(deep=False)
        changed = [
            f"{name}={kept[name]!r} (the program says {value!r})"
            for name, value in given.items()
            if isinstance(value, _PLAIN) and isinstance(kept.get(name), _PLAIN) and _differ(kept[name], value)
        ]
        if changed:
            _log.warning("%s goes on with the parameters it had: %s", _name(bound), ", ".join(changed))


def _differ(kept: object, given: object) -> bool:
    return kept != given and str(kept) != str(given)  # NaN is not equal to itself


def _name(estimator: object) -> str:
    kind = type(estimator)
    return f"{kind.__module__}.{kind.__qualname__}"
