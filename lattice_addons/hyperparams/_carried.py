"""Values that the checkpoint has from which a program carries on: never preferred without being told to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import HyperParameterError, HyperParametersChangedError

from ._kinds import Unfit
from ._occurrence import MISSING
from ._plain import described, is_restorable, restored

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._manager import HyperParameters

__all__ = ["Carried"]

_RULES = ("current", "stored", "error")
_log = logging.getLogger("lattice_addons.hyperparams")


class Carried:
    """The values of one manager in the checkpoint, each compared with the one of now when that is first used.

    Not before: until then the program may be told others, by its command line or a file. What was used already when
    the checkpoint became known is compared then.
    """

    def __init__(
        self, manager: HyperParameters, placeholder: str, values: dict[str, Any], used: Mapping[str, Any]
    ) -> None:
        self._manager = manager
        self._name = placeholder
        self._set = values
        self._used = used
        self._where = ""
        self._rule = "current"
        self.pending: dict[str, object] = {}

    def learn(self, stored: Mapping[str, object], where: str) -> None:
        """Take what a checkpoint has."""
        self._where = where
        self.pending = {name: told for name, told in stored.items() if is_restorable(told)}
        self._look_ahead()
        if self._rule == "current":
            # What was used before the checkpoint was known is perhaps never used again.
            for name, (_, value) in self._changes(self._used).items():
                self.settle(name, value, was_set=name in self._set)

    def rule(self, resume: str) -> None:
        """Take the user's rule."""
        if resume not in _RULES:
            raise HyperParameterError(f"resume is one of {', '.join(_RULES)}, and not {resume!r}", name="")
        self._rule = resume
        self._look_ahead()

    def settle(self, name: str, value: Any, *, was_set: bool) -> Any:  # noqa: ANN401 - of any type
        """Give the value that counts, now that one is used."""
        if name not in self.pending:
            return value
        stored = self._stored(name, value)
        if self._same(stored, value):
            self.pending.pop(name, None)
            return value
        if self._rule == "error":
            raise self._error({name: (stored, value)})
        self.pending.pop(name, None)
        told = "%s: hyper-parameter %s was %r in %s, and is %s%r now"
        if was_set:
            # Somebody said so in this process.
            _log.warning(told, self._name, name, stored, self._where, "set to ", value)
            return value
        if self._rule == "current":
            _log.warning(told + "; carry_on(resume=...) says which counts", self._name, name, stored, self._where,
                         "", value)  # fmt: skip
            return value
        try:
            taken = self._taken(name, stored)
        except Unfit as error:
            _log.warning("%s: the stored value of %s is not taken: %s", self._name, name, error)
            return value
        _log.warning("%s: hyper-parameter %s is %r, as in %s; its default is %r now",
                     self._name, name, taken, self._where, value)  # fmt: skip
        self._set[name] = taken
        return taken

    def standing(self) -> dict[str, Any]:
        """Give what counts for those that nobody has used yet, and for those that are refused.

        A checkpoint has the old value of these: or a program that ends before it uses the new one would hide from
        the next start that there is a difference.
        """
        names = {*self._manager.names()} - (set() if self._rule == "error" else self._set.keys())
        return {name: restored(told) for name, told in list(self.pending.items()) if name in names}

    def _look_ahead(self) -> None:
        """Refuse at once, with the rule "error", what is known to be another value."""
        if self._rule != "error":
            return
        changes = self._changes(self.pending)
        if changes:
            raise self._error(changes)

    def _changes(self, names: Iterable[str]) -> dict[str, tuple[object, object]]:
        """Give the stored value and the one of now, as far as it is known, of each of these that is another."""
        changes: dict[str, tuple[object, object]] = {}
        for name in [each for each in list(names) if each in self.pending]:
            known = self._manager.declaration(name)
            value = self._set.get(name, MISSING if known is None else known.value)
            if value is not MISSING:
                stored = self._stored(name, value)
                if not self._same(stored, value):
                    changes[name] = (stored, value)
        return changes

    def _error(self, changes: dict[str, tuple[object, object]]) -> HyperParametersChangedError:
        told = "; ".join(
            f"{name} was {before!r}, and is {now!r} now" for name, (before, now) in changes.items()
        )
        message = (
            f"hyper-parameters of {self._name} are others than in {self._where}: {told}. "
            "Set them back, or say carry_on(resume='stored') or resume='current'"
        )
        return HyperParametersChangedError(message, name=next(iter(changes)), changes=changes)

    def _stored(self, name: str, now: object) -> Any:  # noqa: ANN401 - of any type
        stored = restored(self.pending[name])
        return tuple(stored) if isinstance(now, tuple) and isinstance(stored, list) else stored

    def _taken(self, name: str, stored: Any) -> Any:  # noqa: ANN401 - of any type
        known = self._manager.declaration(name)
        return stored if known is None else known.take(stored)

    @staticmethod
    def _same(stored: object, now: object) -> bool:
        # Of the same form: 1 and 1.0 are equal to Python, and nan is not even itself.
        return repr(described(stored)) == repr(described(now))
