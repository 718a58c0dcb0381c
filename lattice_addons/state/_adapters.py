"""The manager of an object is found by the name of its class, so that nothing need be imported to know it."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from lattice_addons.errors import NotAManagerError

from ._manager import StateManager, not_a_manager
from ._tracked import TrackedManager

__all__ = ["ADAPTERS", "adapter_for", "named", "register_adapter"]

_STATE, _TRAINING = "lattice_addons.state", "lattice_addons.training"
_INTEGRATIONS = "lattice_addons.integrations"

#: The full name of a class, and where the manager of its objects is. It is looked up when such an object is tracked.
ADAPTERS: Final[dict[str, str]] = {
    "random.Random": f"{_STATE}:RandomManager",
    "numpy.random._generator.Generator": f"{_STATE}:RandomManager",
    "numpy.random.mtrand.RandomState": f"{_STATE}:RandomManager",
    "torch._C.Generator": f"{_STATE}:RandomManager",
    "torch.nn.modules.module.Module": f"{_STATE}:ModuleManager",
    "torch.optim.optimizer.Optimizer": f"{_STATE}:OptimizerManager",
    "torch.utils.data.dataloader.DataLoader": f"{_TRAINING}:LoaderManager",
    "torchdata.stateful_dataloader.stateful_dataloader.StatefulDataLoader": f"{_TRAINING}:LoaderManager",
    "lattice_addons.training.State": f"{_TRAINING}._parts:PartsManager",
    "sklearn.base.BaseEstimator": f"{_INTEGRATIONS}.sklearn:EstimatorManager",
    "flax.nnx.pytreelib.Pytree": f"{_INTEGRATIONS}.jax:NNXManager",
    "flax.nnx.object.Object": f"{_INTEGRATIONS}.jax:NNXManager",
}


def register_adapter(qualified_class_name: str, manager: str) -> None:
    """Have `StateManagerGroup.track` keep the objects of a class, and of its subclasses, by a manager of their own.

    Both are named, so that neither need be imported: the class by its ``__module__`` and ``__qualname__`` with a dot
    between them, the manager as ``"module:Class"``. Of several bases of a class the nearest counts. A manager may say
    in ``ranks`` or ``merge`` which rule its slots have by default.

    Raises:
        NotAManagerError: the manager is not named in this way.
    """
    module, _, name = manager.partition(":")
    if not (module and name and "." in qualified_class_name):
        message = (
            f"register_adapter({qualified_class_name!r}, {manager!r}): name the class with its module, and the "
            'manager as "module:Class"'
        )
        raise NotAManagerError(message, slot=None)
    ADAPTERS[qualified_class_name] = manager


def adapter_for(value: object) -> type[StateManager]:
    """Give the class of the manager that keeps such an object: one that binds it by its state dict, by default.

    Raises:
        NotAManagerError: what is registered for its class is no manager.
    """
    for kind in type(value).__mro__:
        found = ADAPTERS.get(f"{kind.__module__}.{kind.__qualname__}")
        if found is not None:
            manager = named(found)
            if not (isinstance(manager, type) and issubclass(manager, StateManager)):
                raise not_a_manager(manager)
            return manager
    return TrackedManager


def named(place: str) -> Any:  # noqa: ANN401 - whatever has the name
    """Give what is named ``"module:name"``."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
