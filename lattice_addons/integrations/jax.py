"""A pytree of JAX arrays is stored by its leaves, and comes back laid out and sharded as the program has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import jax
import numpy as np
from jax import numpy as jnp
from jax.tree_util import keystr, tree_flatten_with_path, tree_unflatten

from lattice_addons.errors import StateMismatchError, UnkeepableError
from lattice_addons.state import NoValue, StateManager, StateManagerGroup

from ._bound import BoundManager
from ._leaves import Leaves

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NNXManager", "PytreeManager", "carry_on"]

Pytree = TypeVar("Pytree")


def carry_on(state: Pytree, *, key: str = "state", group: StateManagerGroup | None = None) -> Pytree:
    """Give the stored pytree, or this one where none is stored; `StateManagerGroup.update` keeps each next one.

    It is laid out as ``state``: each stored leaf goes to where ``state`` has one of the same path, with its sharding.
    Leaves are arrays, also sharded over several devices of this process; keys of ``jax.random``; and plain data. What
    is no leaf (functions, as in a Flax ``TrainState``) is taken from ``state``, and not stored.

    Raises:
        StateMismatchError: the stored leaves have other paths, shapes or types than ``state``.
        UnkeepableError: a leaf is neither an array nor plain data, or lies on devices of other processes.
    """
    group = group if group is not None else StateManagerGroup()
    if key not in group:
        group.register(key, PytreeManager)
    group.update(key, state)
    restored: Pytree = group.get(key)
    return restored


class PytreeManager(StateManager):
    """Keep the latest pytree that the program gave; after a restart the first one is replaced by what is stored."""

    __module__ = "lattice_addons.integrations.jax"

    restore_first = True
    _stored: Leaves | None = None
    _began: Mapping[str, str] | None = None

    def hold(self, value: object) -> None:
        """Take hold of this pytree, or of what is stored in its place.

        Raises:
            StateMismatchError: what is stored is laid out otherwise.
        """
        if self._began is None:
            self._began = _types(value)
        super().hold(value if self._stored is None else _filled(value, self._stored))
        self._stored = None

    def capture(self) -> object:
        """Give the leaves, or raise `NoValue`: also while a step has taken their memory for its result."""
        return self._stored if self._stored is not None else _leaves(super().capture(), self._began)

    def restore(self, stored: Any) -> None:
        """Wait for a pytree to go into; one that is there gives its form."""
        self._stored = stored
        try:
            like = super().capture()
        except NoValue:
            return
        self.hold(like)

    def value(self) -> object:
        """Give the pytree, or what is stored of it before there is one, or raise `NoValue`."""
        return self._stored if self._stored is not None else super().capture()


class NNXManager(BoundManager):
    """Bind an object of ``flax.nnx`` (a module, an optimizer, ``Rngs``): its state is stored, and goes back into it.

    `StateManagerGroup.track` takes such objects.
    """

    __module__ = "lattice_addons.integrations.jax"

    _began: Mapping[str, str] | None = None

    def hold(self, value: object) -> None:
        """Bind an object, and let it be what was stored; one that is bound already stays as it is."""
        from flax import nnx

        if value is not self._bound:
            self._began = _types(nnx.state(value))
        super().hold(value)

    def state_of(self, bound: Any) -> object:
        """Give the arrays of an object."""
        from flax import nnx

        return _leaves(nnx.state(bound), self._began)

    def give(self, bound: Any, stored: Any) -> None:
        """Put the stored arrays into an object.

        Raises:
            StateMismatchError: they have other paths, shapes or types than its own.
        """
        from flax import nnx

        nnx.update(bound, _filled(nnx.state(bound), stored))


def _types(tree: object) -> dict[str, str]:
    """Give the types of the arrays that a program begins with."""
    leaves = tree_flatten_with_path(tree)[0]
    return {keystr(steps): leaf.dtype.name for steps, leaf in leaves if isinstance(leaf, jax.Array)}


def _leaves(tree: object, began: Mapping[str, str] | None = None) -> Leaves:
    leaves = Leaves()
    for steps, leaf in tree_flatten_with_path(tree)[0]:
        path = keystr(steps)
        _put(leaves, path, leaf)
        told = leaves.told[path]
        # As moments do in the first step, where gradients are of another type than what they are of.
        first = (began or {}).get(path)
        if first and "key" not in told and told.get("dtype", first) != first:
            told["began"] = first
    return leaves


def _put(leaves: Leaves, path: str, leaf: Any) -> None:
    if isinstance(leaf, (np.ndarray, np.generic)):
        leaves.put_array(path, leaf)
    elif not isinstance(leaf, jax.Array):
        leaves.put(path, leaf)
    elif leaf.is_deleted():
        raise NoValue
    elif not leaf.is_fully_addressable:
        raise UnkeepableError(
            f"the leaf {path} lies on devices of other processes; gather it first: "
            "jax.experimental.multihost_utils.process_allgather(leaf, tiled=True)"
        )
    elif jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaves.put_array(path, jax.random.key_data(leaf), key=str(jax.random.key_impl(leaf)))
    else:
        leaves.put_array(path, leaf, weak=bool(leaf.weak_type))


def _filled(like: Any, stored: Leaves) -> Any:
    """Give a pytree of this form with the stored leaves; see first that they fit."""
    found, form = tree_flatten_with_path(like)
    here = {keystr(steps): leaf for steps, leaf in found}
    own = _leaves(like).told
    shapes = {
        path: (tuple(stored.told[path].get("shape", ())), tuple(own[path].get("shape", ())))
        for path in own.keys() & stored.told.keys()
        if not _fit(own[path], stored.told[path])
    }
    missing = [path for path in own if path not in stored.told]
    unexpected = [path for path in stored.told if path not in own]
    if shapes or missing or unexpected:
        raise _mismatch(own, stored.told, shapes, missing, unexpected)
    return tree_unflatten(form, [_leaf(leaf, path, stored) for path, leaf in here.items()])


def _fit(own: Mapping[str, Any], there: Mapping[str, Any]) -> bool:
    if "dtype" in own and "dtype" in there:
        return own["dtype"] in (there["dtype"], there.get("began")) and all(
            own.get(name) == there.get(name) for name in ("shape", "key")
        )
    # A number that the program begins with becomes an array without dimensions in its first step.
    return not own.get("shape") and not there.get("shape") and "key" not in own and "key" not in there


def _leaf(like: Any, path: str, stored: Leaves) -> Any:
    told = stored.told[path]
    if "dtype" not in told:
        return stored.value(path)
    array = np.array(stored.array(path))  # the memory that was read is not ours for as long as the leaf lives
    if "key" not in told and "weak" not in told:
        return array[()] if isinstance(like, np.generic) else array
    if "key" in told:
        made = jax.random.wrap_key_data(jnp.asarray(array), impl=told["key"])
    elif told["weak"]:
        # An array of this kind comes of a Python number; what is put into it leaves it so.
        zero = jnp.broadcast_to(jnp.asarray(array.dtype.type(0).item()), array.shape)
        made = zero.at[...].set(array) if zero.dtype == array.dtype else jnp.asarray(array)
    else:
        made = jnp.asarray(array)
    placed = isinstance(like, jax.Array) and getattr(like, "committed", True)
    return jax.device_put(made, like.sharding) if placed else made


def _mismatch(
    own: Mapping[str, Any],
    there: Mapping[str, Any],
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]],
    missing: list[str],
    unexpected: list[str],
) -> StateMismatchError:
    parts = [
        *(f"{path} (stored {_kind(there[path])}, here {_kind(own[path])})" for path in shapes),
        *(f"{path} (not stored)" for path in missing),
        *(f"{path} (stored, and the program has no such leaf)" for path in unexpected),
    ]
    message = (
        f"the stored leaves do not fit the pytree: {', '.join(parts)}. Give one that is laid out as it was, or use "
        "another key"
    )
    return StateMismatchError(message, type="pytree", shapes=shapes, missing=missing, unexpected=unexpected)


def _kind(told: Mapping[str, Any]) -> str:
    kind = told.get("key") or told.get("dtype") or "plain data"
    return f"{kind}{told['shape']}" if "shape" in told else kind
