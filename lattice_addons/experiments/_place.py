"""Where an experiment's journal, logs, results and states lie: a folder beside its source, or below any URL."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from contextlib import nullcontext
from functools import cached_property
from typing import TYPE_CHECKING

from lattice_addons.errors import ExperimentNotFoundError, NotInStoreError, StoreError
from lattice_addons.lifecycle import folder_name
from lattice_addons.settings import Settings
from lattice_addons.storage import LocalStore, MemoryStore, RemoteStore

from ._part import sync_folder

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from lattice_addons.storage import Store

    from ._journal import Journal
    from ._lock import RunnerLock

__all__ = ["Place"]

PROGRESS = "progress"
_PROJECT = ("pyproject.toml", "setup.py", "setup.cfg", ".git")


class Place:
    """The place of one experiment, by its class or name; below ``root``, a folder or URL, where that is given.

    Without a root it is ``experiments/progress/<module>/<Class>/``: in the ``experiments`` folder in which the source
    lies, else in the one at the top of its project. Nothing is made before it is used.
    """

    __module__ = "lattice_addons.experiments"

    def __init__(self, experiment: type | str, root: str | os.PathLike[str] | None = None) -> None:
        if isinstance(experiment, str):
            experiment = _class_of(experiment)
        told = _told(experiment)
        self.module: str = told[0]
        self.name: str = told[1]
        self.root: str = _absolute(told[2] if root is None else os.fspath(root))

    @classmethod
    def named(cls, module: str, name: str, root: str) -> Place:
        """Give the place that has these folders below a root; its class is not looked for."""
        place = cls.__new__(cls)
        place.module, place.name, place.root = module, name, _absolute(root)
        return place

    def __getstate__(self) -> dict[str, str]:
        """Give what it is known by; each process opens its own store."""
        return {"module": self.module, "name": self.name, "root": self.root}

    def __repr__(self) -> str:
        """Say where it is."""
        return f"<Place {self.url}>"

    @property
    def url(self) -> str:
        """Give the folder, or the URL, in which everything of this experiment is."""
        return f"{self.root}/{self.module}/{self.name}"

    @property
    def experiment(self) -> str:
        """Give the experiment's name, as the command line takes it."""
        return f"{self.module}.{self.name}"

    @property
    def local(self) -> bool:
        """Say whether it is a folder of this machine, or one that it shares with others."""
        return "://" not in self.root

    @cached_property
    def store(self) -> Store:
        """Give the store that has all of it; a folder is made."""
        if self.local:
            return LocalStore(_with_parents(self.url))
        if self.root.startswith("memory://"):
            return MemoryStore(self.url.removeprefix("memory://"))
        return RemoteStore(self.url, Settings.from_environ().options)

    @cached_property
    def folder(self) -> str:
        """Give the folder of this machine for what is written piece by piece: the place itself, if it is local."""
        if self.local:
            return LocalStore(_with_parents(self.url)).root
        from blake3 import blake3

        spool = os.path.join(Settings.from_environ().spool, "experiments")
        return LocalStore(_with_parents(os.path.join(spool, blake3(self.url.encode()).hexdigest()[:32]))).root

    def waiting(self) -> AbstractContextManager[None]:
        """Let this thread wait, in a block, for a place elsewhere that is away for a moment, as a service is."""
        if self.local:
            return nullcontext()
        from lattice_addons.storage import waiting

        return waiting()

    def settings(self, identity: str) -> Settings:
        """Give the settings under which the state of one setting is kept: those of the environment, in this place."""
        environ = {name: text for name, text in os.environ.items() if name not in _NOT_FOR_RUNS}
        settings = Settings.from_environ(environ)
        if self.local:
            # A run by hand may be the first to need a folder here.
            kind, root = "local", _with_parents(os.path.join(self.url, "states"))
        else:
            scheme = self.root.partition("://")[0]
            kind = scheme if scheme in ("s3", "memory") else "fsspec"
            root = f"{self.url}/states".removeprefix("memory://")
        return dataclasses.replace(
            settings, type=kind, root=root, job_id=identity, run_id=None, options=_options(environ)
        )

    def exists(self) -> bool:
        """Say whether a runner has ever been here; nothing is made."""
        if self.local and not os.path.isdir(self.url):
            return False
        return bool(self.store.list("journal"))

    def take_log(self, key: str) -> bool:
        """Bring a log here that a worker has left on this machine; say whether there is one, with anything in it."""
        path = os.path.join(self.folder, key)
        if not os.path.exists(path) or not os.path.getsize(path):
            return False
        if not self.local:
            with open(path, "rb") as file:
                self.store.replace(key, file.read())
            os.unlink(path)
        return True

    def journal(self) -> Journal:
        """Give the journal of what was run."""
        from ._journal import Journal

        return Journal(self)

    @cached_property
    def damaged(self) -> set[tuple[str, bytes]]:
        """Give the lines of the journal that were told to be damaged, each with its part."""
        return set()

    def lock(self) -> RunnerLock:
        """Give the right to run this experiment, for a ``with`` block: one live runner has it at a time."""
        from ._lock import RunnerLock

        return RunnerLock(self)

    def clear(self, *folders: str) -> None:
        """Remove everything that runs have left here, or only these folders; for who holds the lock."""
        for each in folders or ("journal", "logs", "results", "states", "reports"):
            # The journal goes first: what is left after a crash must not count as done without its results.
            if self.local:
                shutil.rmtree(os.path.join(self.url, each), ignore_errors=True)
            else:
                self.store.delete(self.store.list(each))
                shutil.rmtree(os.path.join(self.folder, each), ignore_errors=True)

    def forget_state(self, identity: str) -> None:
        """Remove the state of a setting that is done."""
        if self.local:
            shutil.rmtree(os.path.join(self.url, "states", identity), ignore_errors=True)
            return
        try:
            self.store.delete(self.store.list(f"states/{identity}"))
        except NotInStoreError:
            return


# A program's own checkpoints and name are not those of the settings that it runs.
_NOT_FOR_RUNS = frozenset({"LATTICE_CHECKPOINT_TYPE", "LATTICE_JOB_ID", "LATTICE_RUN_ID"})


def _options(environ: dict[str, str]) -> dict[str, str]:
    return dict(Settings.from_environ(environ).options)


def _class_of(name: str) -> type:
    from ._find import find_experiment

    return find_experiment(name)


def _told(experiment: type) -> tuple[str, str, str]:
    """Give the names of a class's module and its own, as folders, and where the seed's folder for it is."""
    source = getattr(sys.modules.get(experiment.__module__), "__file__", None)
    name = folder_name(experiment.__qualname__.replace(".<locals>", ""))
    if not source:
        here = os.path.join(os.getcwd(), "experiments", PROGRESS)
        return folder_name(experiment.__module__), name, here
    source = os.path.abspath(source)
    top = _experiments_above(source)
    beside = top or os.path.join(_project_of(source), "experiments")
    inside = os.path.relpath(source, top or _project_of(source))
    parts = os.path.splitext(inside)[0].split(os.sep)
    if parts[-1] in ("__init__", "__main__") and len(parts) > 1:
        parts.pop()
    return folder_name(".".join(parts)), name, os.path.join(beside, PROGRESS)


def _experiments_above(source: str) -> str | None:
    """Give the nearest folder named ``experiments`` around a file; one that is a package of a library is none."""
    folder = os.path.dirname(source)
    while folder != os.path.dirname(folder):
        if os.path.basename(folder) == "experiments":
            return folder
        folder = os.path.dirname(folder)
    return None


def _project_of(source: str) -> str:
    """Give the top of the project in which a file lies: where its settings or its history are, else its folder."""
    folder = start = os.path.dirname(source)
    while folder != os.path.dirname(folder):
        if any(os.path.exists(os.path.join(folder, name)) for name in _PROJECT):
            return folder
        folder = os.path.dirname(folder)
    return start


def _absolute(root: str) -> str:
    if "://" in root and not root.startswith("file://"):
        return root.rstrip("/")
    path = os.path.abspath(os.path.expanduser(root.removeprefix("file://")))
    if os.path.exists(path) and not os.path.isdir(path):
        message = f"root={root!r} is a file; name a folder, or a URL, for journals, logs and results"
        raise ExperimentNotFoundError(message, near=())
    return path


def _with_parents(path: str) -> str:
    """Make the folders above one that a store makes, durably, as it is."""
    missing = []
    above = os.path.dirname(path)
    while not os.path.isdir(above) and above != os.path.dirname(above):
        missing.append(above)
        above = os.path.dirname(above)
    try:
        for folder in reversed(missing):
            os.makedirs(folder, exist_ok=True)
            sync_folder(os.path.dirname(folder))
    except OSError as error:
        message = f"the folder {path} for the experiment cannot be made: {error.strerror}; give another root="
        raise StoreError(message, url=path, errno=error.errno) from error
    return path
