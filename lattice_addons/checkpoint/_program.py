"""Which program wrote a checkpoint: its arguments, its Python, its packages, its commit, its source."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

import lattice_addons
from lattice_addons._host import host_name

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["program"]

_PACKAGES = ("numpy", "torch", "jax", "tensorflow", "sklearn", "pandas", "transformers", "lightning", "keras")
_LONGEST_ARGUMENT = 1000
_MOST_ARGUMENTS = 100
_LONGEST_LINE, _MOST_PLACES = 200, 1000
_REFERENCES_DEEP = 5


def _working_folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None


# Asked at once: arguments are relative to a folder that the program may leave, and that may be removed then.
_BEGAN_IN = _working_folder()


def program() -> dict[str, object]:
    """Describe this process's program."""
    told: dict[str, object] = {
        "argv": [_clean(argument) for argument in sys.argv[:_MOST_ARGUMENTS]],
        "host": _clean(host_name()),
        "python": sys.version.split()[0],
        "packages": _packages(),
        "commit": _commit(_folder()),
        "pid": os.getpid(),
    }
    if "SLURM_JOB_ID" in os.environ:
        told["slurm"] = [
            _clean(os.environ.get(name, "0")) for name in ("SLURM_JOB_ID", "SLURM_RESTART_COUNT")
        ]
    places = _places()
    return told | {"hyperparams": places} if places else told


def _folder() -> str:
    """Give where the program lies; what was typed in lies where it was begun."""
    return os.path.normpath(os.path.dirname(os.path.join(_BEGAN_IN or "", sys.argv[0] if sys.argv else "")))


def _places() -> dict[str, dict[str, list[object]]]:
    """Say where hyper-parameters are declared, where the program has some: nothing is imported for it."""
    declared_at = getattr(sys.modules.get("lattice_addons.hyperparams"), "declared_at", None)
    if declared_at is None:
        return {}
    return {
        manager: {
            name: [_clean(path), line, _clean(text)[:_LONGEST_LINE]]
            for name, (path, line, text) in islice(places.items(), _MOST_PLACES)
        }
        for manager, places in declared_at().items()
    }


def _clean(argument: str) -> str:
    # A file name that is not UTF-8 comes with lone surrogates, which have no place in JSON.
    return str(argument)[:_LONGEST_ARGUMENT].encode("utf-8", "backslashreplace").decode()


def _packages() -> dict[str, str]:
    versions = {"lattice-addons": lattice_addons.__version__}
    for name in _PACKAGES:
        # Only what is loaded, by the module's own word: importlib.metadata takes 20 ms.
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            versions[name] = _clean(version)
    return versions


@lru_cache(maxsize=1)
def _commit(folder: str) -> str | None:
    """Read the git commit that is checked out where the program lies, without running git."""
    if not os.path.isabs(folder):
        return None
    try:
        for above in _upwards(folder):
            git = os.path.join(above, ".git")
            if os.path.exists(git):
                return _head(git)
    except (OSError, ValueError):  # a broken or foreign .git says nothing
        return None
    return None


def _upwards(folder: str) -> Iterator[str]:
    yield folder
    while (above := os.path.dirname(folder)) != folder:
        folder = above
        yield folder


def _head(git: str) -> str | None:
    if os.path.isfile(git):  # of a worktree or submodule: "gitdir: PATH"
        git = os.path.join(os.path.dirname(git), _text(git).partition("gitdir:")[2].strip())
    common = os.path.join(git, "commondir")
    shared = os.path.join(git, _text(common).strip()) if os.path.exists(common) else git
    told = _text(os.path.join(git, "HEAD")).strip()
    for _ in range(_REFERENCES_DEEP):
        if not told.startswith("ref:"):
            return told if len(told) in (40, 64) and told.isalnum() else None
        name = told.partition(":")[2].strip()
        loose = next(filter(os.path.isfile, (os.path.join(place, name) for place in (git, shared))), None)
        told = _text(loose).strip() if loose is not None else _packed(shared, name)
    return None


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _packed(git: str, name: str) -> str:
    for line in _text(os.path.join(git, "packed-refs")).splitlines():
        digest, _, told = line.partition(" ")
        if told == name:
            return digest
    return ""
