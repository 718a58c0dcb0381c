"""An experiment is found by its name from anywhere in its project."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lattice_addons.errors import ExperimentError, ExperimentNotFoundError

from ._modules import FOLDER, imported, project_of
from ._scan import Source, scanned, sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType
    from typing import Any

    from ._experiment import Experiment

__all__ = ["experiments_of_main", "find_experiment", "find_experiments"]

_NEAR = 4
_EXAMPLES = "write RQ1, index.RQ1, path/file.py:RQ1, or package.module.RQ1"


def find_experiment(name: str, *, folder: str | None = None) -> type[Experiment]:
    """Find the experiment of a name, from anywhere in its project.

    Args:
        name: ``RQ1`` (a class, or a file that has one), ``index.RQ1`` (a class in a file, or a file in a folder),
            ``path/file.py:RQ1``, or ``package.module.RQ1``. The end of a longer name will do.
        folder: Where to begin (default: the working directory).

    Raises:
        ExperimentNotFoundError: there is none of that name, or more than one.
        ExperimentError: its file cannot be imported.
    """
    found = find_experiments(name, folder=folder)
    if len(found) > 1:
        names = tuple(each.__name__ for each in found)
        where = f"{inspect.getfile(found[0])}:{names[0]}"
        message = f"{name!r} is a file of {len(found)} experiments ({', '.join(names)}); name one: {where}"
        raise ExperimentNotFoundError(message, experiment=name, near=names)
    return found[0]


def find_experiments(name: str, *, folder: str | None = None) -> list[type[Experiment]]:
    """Find what a name means, as `find_experiment` does; the name of a file means all experiments in it."""
    folder = os.path.realpath(folder or os.getcwd())
    path, colon, qualified = name.rpartition(":")
    if colon or name.endswith(".py"):
        return _of_file(name, os.path.join(folder, path if colon else name), qualified if colon else "")
    if not all(part.isidentifier() for part in name.split(".")):
        raise ExperimentNotFoundError(f"{name!r} names no experiment; {_EXAMPLES}", experiment=name, near=())
    known: dict[str, list[str]] = {}
    for wide in _wider(folder):
        known = sources([*{source.path: source for source in wide}.values()])
        if meant := _meant(name, known, folder):
            path, names = meant
            return _runnable([_class(name, imported(path), each) for each in names])
    return _installed(name) or _refuse(name, known, folder)


def experiments_of_main(folder: str | None) -> list[type[Experiment]]:
    """Give the experiments that the program itself declares, where it is the user's: it is in that folder."""
    main = sys.modules.get("__main__")
    found = _runnable(list(_experiments_in(main))) if main is not None and folder is not None else []
    if found:
        return found
    known: dict[str, list[str]] = {}
    for wide in _wider(os.path.realpath(folder or os.getcwd())):
        known = sources([*{source.path: source for source in wide}.values()])
        if known:
            break
    near = tuple(_told(known))
    there = f": {', '.join(near[:_NEAR])}{', …' if len(near) > _NEAR else ''}" if near else f"; {_EXAMPLES}"
    raise ExperimentNotFoundError(f"name an experiment{there}", experiment="", near=near)


def _wider(folder: str) -> Iterator[list[Source]]:
    """Read the source near a folder, then that of the folders of experiments above it, then all of the project."""
    project = project_of(folder)
    near: list[Source] = []
    above = folder
    while True:
        inside = os.path.join(above, FOLDER)
        if os.path.isdir(inside):
            near += scanned(inside)
        if os.path.basename(above) == FOLDER:
            near += scanned(above)
        if above in (project, os.path.dirname(above)):
            break
        above = os.path.dirname(above)
    yield near
    yield [*near, *scanned(project)]


@dataclass(frozen=True, order=True)
class _Match:
    """How a name fits a file; the least is meant."""

    rank: tuple[bool, bool]
    path: str
    classes: tuple[str, ...]


def _meant(name: str, known: dict[str, list[str]], folder: str) -> tuple[str, tuple[str, ...]] | None:
    matches = sorted(
        match for path, classes in known.items() for match in _matches(name, path, classes, folder)
    )
    best = [match for match in matches if match.rank == matches[0].rank]
    if len(best) > 1:
        near = tuple(f"{os.path.relpath(each.path, folder)}:{each.classes[0]}" for each in best)
        message = f"{name!r} may be one of {len(best)} experiments; name one: {', '.join(near)}"
        raise ExperimentNotFoundError(message, experiment=name, near=near)
    return (best[0].path, best[0].classes) if best else None


def _matches(name: str, path: str, classes: list[str], folder: str) -> Iterator[_Match]:
    """Give how a name fits a file: as the file itself, or as a class in it; a whole name counts before an end."""
    parts = name.split(".")
    words = _words(path)
    for of_class, wanted, names in (
        (False, parts, tuple(classes)),
        (True, parts[:-1], tuple(each for each in classes if each == parts[-1])),
    ):
        if names and words[len(words) - len(wanted) :] == wanted:
            rest = words[: len(words) - len(wanted)]
            whole = rest == _words(folder) or rest[-1:] == [FOLDER]
            yield _Match((not whole, of_class), path, names)


def _words(path: str) -> list[str]:
    words = os.path.normpath(path).split(os.sep)
    words[-1] = words[-1].removesuffix(".py")
    return words[:-1] if words[-1] in ("__init__", "__main__") else words


def _of_file(name: str, path: str, qualified: str) -> list[type[Experiment]]:
    if not os.path.isfile(path):
        message = f"{name!r}: there is no file {os.path.normpath(path)}"
        near = _like(os.path.basename(path), _entries(os.path.dirname(path)))
        raise ExperimentNotFoundError(message + _hint(near), experiment=name, near=near)
    module = imported(path)
    if qualified:
        return [_class(name, module, qualified)]
    found = list(_experiments_in(module))
    if not found:
        raise ExperimentNotFoundError(f"{path} has no experiment in it", experiment=name, near=())
    return _runnable(found)


def _runnable(found: list[type[Experiment]]) -> list[type[Experiment]]:
    """Leave out of a file's experiments those that are only parts of others: they have no ``run``."""
    from ._experiment import Experiment

    return [each for each in found if each.run is not Experiment.run] or found


def _class(name: str, module: ModuleType, qualified: str) -> type[Experiment]:
    from ._experiment import Experiment

    found: Any = module
    for part in qualified.split("."):
        found = getattr(found, part, None)
    if isinstance(found, type) and issubclass(found, Experiment):
        return found
    near = _like(qualified, [each.__name__ for each in _experiments_in(module)])
    what = "has no" if found is None else "has something else than an experiment that is called"
    message = f"{name!r}: {getattr(module, '__file__', module.__name__)} {what} {qualified}{_hint(near)}"
    raise ExperimentNotFoundError(message, experiment=name, near=near)


def _experiments_in(module: ModuleType) -> Iterator[type[Experiment]]:
    """Give the experiments that a module itself declares, in order."""
    from ._experiment import Experiment

    for each in vars(module).values():
        if isinstance(each, type) and issubclass(each, Experiment) and each.__module__ == module.__name__:
            yield each


def _installed(name: str) -> list[type[Experiment]]:
    """Look for ``package.module.Class`` where Python imports from."""
    where, dot, qualified = name.rpartition(".")
    if not dot:
        return []
    try:
        module = sys.modules.get(where) or importlib.import_module(where)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f"{where}.".startswith(f"{error.name}."):
            return []  # it is not there, or one of the packages above it
        # As for a file of the project: it may raise whatever it likes.
        message = f"{where} cannot be imported ({type(error).__name__}: {error})"
        raise ExperimentError(message, experiment=name) from error
    return [_class(name, module, qualified)]


def _refuse(name: str, known: dict[str, list[str]], folder: str) -> list[type[Experiment]]:
    there = _told(known)
    plain = {each.rpartition(".")[2]: each for each in there}
    near = _like(name, there) or tuple(plain[each] for each in _like(name.rpartition(".")[2], plain))
    if not there:
        hint = f"; {_EXAMPLES}"
    else:
        hint = _hint(near) or f"; there are {', '.join(there[:_NEAR])}{', …' if len(there) > _NEAR else ''}"
    message = f"no experiment is called {name!r} in {project_of(folder)}{hint}"
    raise ExperimentNotFoundError(message, experiment=name, near=near)


def _told(known: dict[str, list[str]]) -> list[str]:
    return [f"{_words(path)[-1]}.{each}" for path, classes in known.items() for each in classes]


def _like(name: str, there: Iterable[str]) -> tuple[str, ...]:
    lower = {each.lower(): each for each in there}
    return tuple(lower[each] for each in difflib.get_close_matches(name.lower(), lower, n=_NEAR))


def _hint(near: tuple[str, ...]) -> str:
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _entries(folder: str) -> list[str]:
    return [each for each in os.listdir(folder) if each.endswith(".py")] if os.path.isdir(folder) else []
