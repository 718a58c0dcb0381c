"""A program's config and state: loaded from its newest checkpoint, and saved at each step."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lattice_addons.errors import DamagedError, HyperStateError
from lattice_addons.lifecycle import world_size
from lattice_addons.state import StateManagerGroup

from ._again import close_earlier, note_loaded
from ._edited import open_dicts
from ._folder import is_folder, read_folder, write_folder
from ._held import HeldConfig
from ._key import key_of
from ._live import LiveFile, answer, serve
from ._parts import Parts
from ._place import line_of, settings_of
from ._read import read_text
from ._requests import Requests
from ._sound import ABOUT, CONFIG, STATE, go_back, see_that_newest_is_whole
from ._state_text import from_text, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lattice_addons.checkpoint import Checkpoint, Line
    from lattice_addons.settings import Settings

    from ._lazy import Rule
    from ._live import Taken

__all__ = ["HyperState"]

C = TypeVar("C")
S = TypeVar("S")
# What `load` is given: through the class, which has no config yet, its own are not known.
Config = TypeVar("Config")
State = TypeVar("State")
log = logging.getLogger("lattice_addons.hyperstate")


class HyperState(Generic[C, S]):
    """The config and state of a program; `load` makes one, and each `step` saves a checkpoint of it.

    ``config`` is the same object for as long as the program runs: schedules and changes from outside are written into
    it at each `step`. ``state`` is the program's to change.
    """

    __module__ = "lattice_addons.hyperstate"

    state: S

    def __init__(
        self,
        settings: Settings,
        config_clz: type[C],
        state_clz: type[S],
        key: str | None,
        ranks: Rule | None = None,
    ) -> None:
        self._settings, self._config_clz, self._state_clz, self._key = settings, config_clz, state_clz, key
        self._ranks = ranks
        self._line: Line | None = line_of(settings)
        # Of several ranks, none goes back alone.
        self._alone = world_size() == 1
        if self._alone and self._line is not None and not settings.disabled:
            see_that_newest_is_whole(self._line, self._check)
        self._group = StateManagerGroup(settings)
        self._line = self._line or line_of(settings)
        self._parts = Parts(self._group, (), self._hurt, ranks=ranks)
        self._requests = Requests(self._line.store, self._line.folder) if self._line is not None else None
        self._live: LiveFile | None = None
        self._last: int | None = None
        self._taken: list[Taken] = []
        self._closed = False
        for slot in (CONFIG, STATE, ABOUT):
            self._group.register(slot, ranks=ranks)

    @classmethod
    def load(  # noqa: PLR0913, PLR0917 - the names are what people know
        cls,
        config_clz: type[Config],
        state_clz: type[State],
        initial_state: Callable[[Config], State],
        path: str | os.PathLike[str],
        checkpoint_dir: str | os.PathLike[str] | None = None,
        checkpoint_key: str | None = None,
        overrides: Sequence[str] | None = None,
        ranks: Rule | None = None,
    ) -> HyperState[Config, State]:
        """Carry on from the newest checkpoint; without one, begin with a config file and its initial state.

        ``path`` is a config file, or a folder that `view` or ``lattice edit`` wrote. ``checkpoint_dir`` is the root of
        the store, a folder or a URL; without it the ``LATTICE_*`` variables say where. ``checkpoint_key`` names an
        int field of the state (dotted) that says how far the program is. ``overrides`` (``["optimizer.lr=0.1"]``)
        change the config, also that of a checkpoint. A checkpoint of which a part is damaged is not used: the part is
        named in a warning, and the newest whole one before it is loaded.

        In a job of several ranks ``ranks="replicated"`` says that config and state are the same on all of them, and are
        stored once; without it each rank has its own, but for fields of which `lazy` says otherwise.

        Raises:
            ConfigError: the file, what is stored, or an override's value does not fit the classes; all faults are told.
            OverrideError: an override names no field, or is none.
            HyperStateError: ``checkpoint_key`` names no int field of the state.
            LeaseHeldError: another live process has these checkpoints.
            DamagedError: there are checkpoints, and none is whole.
        """
        settings = settings_of(checkpoint_dir)
        close_earlier(sys._getframe(1), settings)  # noqa: SLF001 - a notebook's cell, or the program
        make: type[HyperState[Any, Any]] = cls
        made: HyperState[Config, State] = make(settings, config_clz, state_clz, checkpoint_key, ranks)
        note_loaded(made)
        try:
            made._begin(initial_state, os.fspath(path), list(overrides or ()))
        except BaseException:
            made.close()
            raise
        return made

    @property
    def config(self) -> C:
        """The config; its numbers follow their schedules."""
        return self._held.value

    def step(self) -> Checkpoint | None:
        """Save config and state as they are now, then let the config be that of the next step; give the checkpoint.

        All is on disk when this returns. Two steps at one key make two checkpoints, of which the later one counts. A
        step with a smaller key than the last is saved as well, with a warning and a note in the checkpoint.

        Raises:
            HyperStateError: the key is no int; nothing was saved.
            NotSavedError: a blob could not be stored; nothing was saved, for a checkpoint is of one instant.
            StoreError: the store cannot be written; the checkpoints before are untouched.
        """
        if self._closed:
            message = "this HyperState is closed, and saves nothing; HyperState.load opens it again"
            raise HyperStateError(message)
        notes = self._keyed()
        # Those of a step that could not be saved are told in the next one.
        self._taken += self._changes()
        self._held.follow(self.state)
        self._offer()
        notes += [note for each in self._taken for note in each.notes]
        checkpoint = self._group.save(notes=notes, whole=True)
        if self._key is not None:
            self._last = key_of(self.state, self._key)
        taken, self._taken = self._taken, []
        for each in taken:
            for note in each.notes:
                log.info("%s", note)
            if each.request is not None and self._requests is not None:
                told = "; ".join(each.notes) or "it was so already"
                answer(self._requests, each.request, told, accepted=True)
        return checkpoint

    def view(self, folder: str | os.PathLike[str], format: str = "yaml") -> None:  # noqa: A002 - as in files
        """Write the newest checkpoint as a folder: config and state as text, and blobs beside them with digests.

        ``format`` is ``yaml``, ``ron`` or ``json``. The folder can be edited, and be given to `load` as ``path``, or
        committed by ``lattice edit --commit FOLDER``.
        """
        checkpoint = self._line.newest() if self._line is not None else None
        if self._line is None or checkpoint is None:
            message = "there is no checkpoint yet; step() makes one"
            raise HyperStateError(message)
        write_folder(self._line, checkpoint, os.fspath(folder), format)

    def _repr_html_(self) -> str:
        from ._html import html

        return html(f"HyperState in {self._settings.root}", self.config, self.state)

    def close(self) -> None:
        """Let another process have these checkpoints; nothing is saved."""
        self._closed = True
        self._group.close()

    # -- loading

    def _begin(self, initial_state: Callable[[C], S], path: str, overrides: list[str]) -> None:
        kept = self._group.get(STATE)
        if kept is not None:
            texts = {name: self._group.get(name) for name in (CONFIG, STATE, ABOUT)}
            where = f"the newest checkpoint in {self._settings.root}"
            self._held = self._hold(texts[CONFIG], overrides, where)
            self.state = from_text(self._state_clz, kept, where)
            lazies = (texts[ABOUT] or {}).get("lazy", ())
            self._parts = Parts(self._group, lazies, self._hurt, ranks=self._ranks)
        elif is_folder(path):
            found = read_folder(path, self._settings.trust)
            self._held = self._hold(found.config, overrides, path)
            self.state = from_text(self._state_clz, found.state, path)
            self._put_blobs(found.blobs, found.lazy)
        else:
            document = read_text(path)
            self._held = self._hold(document.data, overrides, path, document.lines)
            self.state = initial_state(self._held.value)
        self._parts.bind(self._held.value, self.state)
        if self._key is not None:
            self._last = key_of(self.state, self._key) if kept is not None else None
            key_of(self.state, self._key)
        self._held.follow(self.state)
        self._live = LiveFile(path) if os.path.isfile(path) else None

    def _hold(self, data: object, overrides: list[str], where: str, lines: Any = None) -> HeldConfig[C]:
        return HeldConfig(
            self._config_clz, data, key=self._key, overrides=overrides, lines=lines, where=where
        )

    def _put_blobs(self, blobs: dict[str, Callable[[], object]], lazy: Sequence[str]) -> None:
        """Let blobs come from the files of a folder; they go into the store with the first step."""
        self._parts = Parts(self._group, lazy, self._hurt, blobs, self._ranks)

    def _check(self, texts: dict[str, object]) -> None:
        """See that what was edited fits the classes."""
        HeldConfig(self._config_clz, texts[CONFIG], key=self._key, where="the edited config")
        state = from_text(self._state_clz, texts[STATE], "the edited state")
        if self._key is not None:
            key_of(state, self._key)

    # -- stepping

    def _keyed(self) -> list[str]:
        if self._key is None:
            return []
        key, last = key_of(self.state, self._key), self._last
        if last is None or key >= last:
            return []
        told = f"{self._key} went back from {last} to {key}"
        log.warning("%s: it is saved all the same, and a restart carries on from here", told)
        return [told]

    def _changes(self) -> list[Taken]:
        known = {each.request for each in self._taken}
        taken = serve(self._requests, self._held, known) if self._requests is not None else []
        return taken + (self._live.serve(self._held) if self._live is not None else [])

    def _offer(self) -> None:
        made = self._parts.offer(self._held.value, self.state)
        text = to_text(self.state)
        config = self._held.plain()
        about = {"lazy": made, "key": self._key, "dicts": open_dicts(self._held.value, self.state)}
        self._group.update(CONFIG, config)
        self._group.update(STATE, text)
        self._group.update(ABOUT, about)

    def _hurt(self, path: str, damage: DamagedError) -> Exception:
        """Let the checkpoint before the damaged one be the newest, and say that this run cannot go on."""
        self.close()
        newest = self._line.newest() if self._line is not None and self._alone else None
        if self._line is None or newest is None:
            return damage
        try:
            back = go_back(self._line, newest, damage, self._check, all_of_it=True)
        except DamagedError as error:
            return error
        message = (
            f"blob {path!r} of checkpoint {newest.number} is damaged, and what was loaded beside it is of the same "
            f"instant; start the program again: it carries on from checkpoint {back.parent} ({damage})"
        )
        return DamagedError(message, key=damage.key)
