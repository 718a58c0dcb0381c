"""What all tasks of one runner have in common travels to each worker once, and is read there once."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import pickle
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._carried import Told, arrived
from ._fields import hints_of
from ._identity import class_label

if TYPE_CHECKING:
    from lattice_addons.lifecycle import Owner

    from ._experiment import Experiment
    from ._place import Place

__all__ = ["Course", "course_of"]


@dataclass(frozen=True)
class Course:
    """One start of a runner, as its workers know it."""

    #: Tells this start from every other one.
    run: str
    experiment: type[Experiment]
    place: Place
    n_proc: int
    runner: Owner
    #: Where workers ask whether a run is worth going on, and the secret that lets them in; None: nobody is asked.
    reports: tuple[Any, bytes] | None = None
    #: Names the data that its workers share on a host.
    shelf: str = ""
    #: The classes of the experiments that its settings may hold.
    nested: tuple[type[Experiment], ...] = ()

    def packed(self, *, by_value: bool = False) -> bytes:
        """Give it as bytes; a class by its name and file, or (from a prompt, a script, a function) by value."""
        facts = {
            name: getattr(self, name) for name in ("run", "place", "n_proc", "runner", "reports", "shelf")
        }
        module = self.experiment.__module__ if by_value else None
        codes = [_code(each, by_value=each.__module__ == module) for each in (self.experiment, *self.nested)]
        return pickle.dumps((codes, facts))


@functools.lru_cache(maxsize=4)
def course_of(packed: bytes) -> Course:
    """Give a course from its bytes; the same object for the same bytes."""
    codes, facts = pickle.loads(packed)  # noqa: S301 - our runner's
    experiment, *nested = map(pickle.loads, codes)
    return Course(experiment=experiment, nested=tuple(nested), **facts)


def _code(cls: type, *, by_value: bool) -> bytes:
    import cloudpickle

    named = None if by_value else _named(cls)
    return named or bytes(cloudpickle.dumps(_ByValue(cls)))


class _ByValue:
    """A class with what its program knows of it; unpickled as the class."""

    def __init__(self, cls: type) -> None:
        self._told = cls, Told(class_label(cls), hints_of(cls))

    def __reduce__(self) -> tuple[Any, ...]:
        return arrived, self._told


def _named(cls: type) -> bytes | None:
    """Give what finds a class in another process; None where only its value would do."""
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__ or file is None:
        return None
    found: Any = module
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    return (
        pickle.dumps(_Named(cls.__module__, cls.__qualname__, os.path.abspath(file)))
        if found is cls
        else None
    )


class _Named:
    """A class by its module's name and file; unpickled as the class."""

    def __init__(self, module: str, name: str, file: str) -> None:
        self._told = module, name, file

    def __reduce__(self) -> tuple[Any, ...]:
        return find_class, self._told


def find_class(module: str, name: str, file: str) -> Any:
    """Import a class by its module's name, or where that is not known here, from its file."""
    found: Any = sys.modules.get(module)
    if found is None:
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise
            found = _from_file(module, file)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _from_file(module: str, file: str) -> Any:
    """Import a file as the module that the runner has made of it; what stands beside it can be imported, too."""
    folder = os.path.dirname(file)
    if folder not in sys.path:
        sys.path.append(folder)
    spec = importlib.util.spec_from_file_location(module, file)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"no module named {module!r}, and none in {file}", name=module)
    found = sys.modules[module] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(found)
    except BaseException:
        # Else the next import would find half of it.
        del sys.modules[module]
        raise
    return found
