"""A framework is patched at the moment at which the program has imported it, and never imported for it."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["KNOWN", "install", "wanted", "when_imported"]

#: The frameworks that are known: the module after whose import the patches are put on, and what puts them on.
KNOWN: Final[dict[str, tuple[str, str]]] = {
    "torch": ("torch", "lattice_addons.autopatch._torch:put_on"),
    "transformers": ("transformers.trainer", "lattice_addons.autopatch._frameworks:transformers"),
    "lightning": ("lightning.pytorch.trainer.trainer", "lattice_addons.autopatch._frameworks:lightning"),
}


def wanted(names: str | None) -> list[str]:
    """Read which frameworks are meant; all of them where nothing is said."""
    given = [name.strip() for name in (names or "all").split(",") if name.strip()]
    if "all" in given:
        return list(KNOWN)
    unknown = [name for name in given if name not in KNOWN]
    if unknown:
        from lattice_addons.errors import SettingsError

        known = ", ".join(KNOWN)
        raise SettingsError(
            f"LATTICE_AUTOPATCH={names}: no patches are known for {', '.join(unknown)}; known: {known}, all"
        )
    return given


def install(names: Iterable[str]) -> None:
    """Patch each framework once the program has imported it; at once where it has."""
    for name in names:
        when_imported(*KNOWN[name])


def when_imported(trigger: str, patches: str) -> None:
    """Call ``module:function`` with a module once the program has imported that; at once where it has."""
    if trigger in sys.modules:
        _called(patches)(sys.modules[trigger])
        return
    finder = next((each for each in sys.meta_path if isinstance(each, _Finder)), None)
    if finder is None:
        finder = _Finder()
        sys.meta_path.insert(0, finder)
    finder.waiting[trigger] = patches


def _called(place: str) -> Callable[[ModuleType], None]:
    module, _, name = place.partition(":")
    found: Callable[[ModuleType], None] = getattr(import_module(module), name)
    return found


class _Finder:
    """Finds what others find, for the modules that are waited for; these are then patched after they ran."""

    def __init__(self) -> None:
        self.waiting: dict[str, str] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Give the spec that the others give, with a loader that patches the module."""
        patches = self.waiting.pop(name, None)
        if patches is None:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if finder is self or find is None else find(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, patches)  # type: ignore[assignment]
                return spec
        self.waiting[name] = patches  # It is not there: perhaps later, from another path.
        return None


class _Loader:
    """Loads as another loader does, and then has the module patched."""

    def __init__(self, loader: Any, patches: str) -> None:
        self._loader = loader
        self._patches = patches

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Make the module as the loader does."""
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Run the module with its own loader in its place, and patch it."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _called(self._patches)(module)
