"""A wrapped model has the state of the one within: no name of a wrapper stands in a store."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["unwrapped"]

# Wrappers by name, so that none of these libraries is imported to find out that a model is not wrapped. FSDP1 is not
# among them: its state dict has the plain names already, and only it can put its flat parameters together.
_WITHIN = {
    "deepspeed.runtime.engine.DeepSpeedEngine": "module",
    "torch._dynamo.eval_frame.OptimizedModule": "_orig_mod",
    "torch.nn.parallel.data_parallel.DataParallel": "module",
    "torch.nn.parallel.distributed.DistributedDataParallel": "module",
}


def unwrapped(module: Any) -> Any:
    """Give the model within ``DistributedDataParallel``, ``torch.compile`` and the like; else what was given.

    A model some parts of which are wrapped is given as an object that has its ``state_dict`` and ``load_state_dict``
    under the plain names, and is the model itself in all else.
    """
    while (within := _within(module)) is not None:
        module = getattr(module, within)
    cuts = set(_cuts(module))
    return _PlainNames(module, cuts) if cuts else module


def _within(module: object) -> str | None:
    for kind in type(module).__mro__:
        name = _WITHIN.get(f"{kind.__module__}.{kind.__qualname__}")
        if name is not None:
            return name
    return None


def _cuts(module: Any) -> Iterator[str]:
    """Give the paths of what wrappers within a model hold, as they stand in the names of its parameters."""
    named = getattr(module, "named_modules", None)
    # Under each of its names, where one part stands at several places.
    for path, part in named(remove_duplicate=False) if callable(named) else ():
        within = _within(part)
        if within is not None:
            yield f"{path}.{within}"


class _PlainNames:
    """A model with wrapped parts, as if none were."""

    def __init__(self, module: Any, cuts: set[str]) -> None:
        self.module = module
        self._cuts = cuts

    def __getattr__(self, name: str) -> Any:
        """Be the model itself in all else."""
        return getattr(self.module, name)

    def state_dict(self) -> OrderedDict[str, Any]:
        """Give the model's state under plain names."""
        state = self.module.state_dict()
        plain: Any = OrderedDict((self._plain(name), value) for name, value in state.items())
        if hasattr(state, "_metadata"):
            plain._metadata = _renamed(state._metadata, self._plain)  # noqa: SLF001 - where torch puts it
        return plain  # type: ignore[no-any-return]

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **how: Any) -> Any:
        """Load a state that has plain names into the model."""
        wrapped = {self._plain(name): name for name in self.module.state_dict()}
        given: Any = OrderedDict((wrapped.get(name, name), value) for name, value in state_dict.items())
        versions = getattr(state_dict, "_metadata", None)
        if versions is not None:
            paths = [path for path, _ in self.module.named_modules(remove_duplicate=False)]
            known = {path: versions.get(self._plain(path)) for path in paths}
            given._metadata = OrderedDict((path, one) for path, one in known.items() if one is not None)  # noqa: SLF001
        return self.module.load_state_dict(given, *args, **how)

    def _plain(self, name: str) -> str:
        """Leave out of a dotted name what stands for a wrapper."""
        parts = name.split(".")
        return ".".join(part for end, part in enumerate(parts, 1) if ".".join(parts[:end]) not in self._cuts)


def _renamed(mapping: Mapping[str, Any], name: Callable[[str], str]) -> OrderedDict[str, Any]:
    # A wrapper comes before what it holds, whose entry is the one that counts.
    return OrderedDict((name(key), value) for key, value in mapping.items())
