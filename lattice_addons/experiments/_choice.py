"""Which settings are run: those that are not done, and those that are asked for again."""

from __future__ import annotations

import difflib
import fnmatch
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lattice_addons.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._experiment import Experiment
    from ._journal import Known

__all__ = ["Choice"]

_STATUSES = ("done", "failed", "killed", "pruned")
_SHORTEST = 4  # digits of an identity that stand for it


@dataclass(frozen=True)
class Choice:
    """Judges settings by what the journal knows of them.

    What is done or pruned is left out, and so is what failed, for it would fail again; a setting whose worker was
    killed is run again. ``rerun`` asks for more: by status, by name (also with ``*``), or by identity. Without
    ``resume`` everything is run, in a new round: what an earlier one has found counts for nothing, also for who carries
    on with it.
    """

    known: Mapping[str, Known]
    resume: bool = True
    rerun: tuple[str, ...] = ()
    round: int = 0

    def judge(self, setting: Experiment) -> Literal["run", "done", "waiting"]:
        """Say whether a setting is to be run, is done, or has failed and waits to be asked for."""
        identity = setting.identity
        known = self.known.get(identity)
        if known is None or not self._counts(known) or self._asked(identity, known):
            return "run"
        if known.status in ("done", "pruned"):
            return "done"
        return "run" if known.status == "killed" else "waiting"

    def statuses(self) -> dict[str, str]:
        """Give how the settings ended that count in this round, by identity."""
        return {identity: known.status for identity, known in self.known.items() if self._counts(known)}

    def attempt(self, identity: str) -> int:
        """Give the number of a setting's next attempt."""
        known = self.known.get(identity)
        return 1 if known is None else known.attempt + 1

    def check(self, experiment: str) -> None:
        """Refuse to run again what nobody has run."""
        for asked in self.rerun:
            if asked in _STATUSES or any(_fits(asked, key, each) for key, each in self.known.items()):
                continue
            names = [each.name for each in self.known.values()]
            near = difflib.get_close_matches(asked, names, n=3)
            hint = f"; near it: {', '.join(near)}" if near else ""
            message = (
                f"{experiment}: nothing of the name {asked!r} was run before{hint}. To run again is asked for by a "
                f"setting's name, which may have a *, by its identity, or by {', '.join(_STATUSES)}"
            )
            raise SettingError(message, experiment=experiment, field="rerun")

    def _counts(self, known: Known) -> bool:
        return self.resume and known.round >= self.round

    def _asked(self, identity: str, known: Known) -> bool:
        return any(known.status == asked or _fits(asked, identity, known) for asked in self.rerun)


def _fits(asked: str, identity: str, known: Known) -> bool:
    if asked == known.name or fnmatch.fnmatchcase(known.name, asked):
        return True
    return len(asked) >= _SHORTEST and identity.startswith(asked)
