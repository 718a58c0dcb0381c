"""Two values are the same when a run that carries on from one ends with the same bits as from the other."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch.nn.utils.parametrize import type_before_parametrizations

from lattice_addons.training._unwrap import unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["same", "trained"]

_ATOMS = (type(None), bool, int, str, bytes, complex, range, type)
# Of a module these are compared by themselves, or are what others have noted on it: its hooks, that it is compiled.
_NOT_OF_MODULE = ("_parameters", "_buffers", "_modules", "_compile", "_is_", "_fsdp", "_ddp", "_dynamo")


def same(one: object, other: object) -> bool:
    """Say whether two values decide a run alike; never raises.

    Tensors and arrays are compared bit by bit, wherever they are; a wrapped model as the one within; whatever has a
    state dict by its class and that.
    """
    try:
        return _Comparing().same(one, other)
    except Exception:  # noqa: BLE001 - values are the program's: what cannot be compared is not known to be the same
        return False


class _Comparing:
    """One comparison; a pair of objects that was met before is not compared again."""

    def __init__(self) -> None:
        # The objects stay with their pair: the id of one that is gone may become another's.
        self._met: dict[tuple[int, int], tuple[object, object]] = {}
        self._partners: dict[tuple[str, int], object] = {}

    def same(self, one: Any, other: Any) -> bool:
        if one is other:
            return True
        if isinstance(one, (float, *_ATOMS)):
            alike = type(one) is type(other)
            # NaN is NaN, and 0.0 is not -0.0.
            return alike and bool(one.hex() == other.hex() if isinstance(one, float) else one == other)
        one, other = unwrapped(one), unwrapped(other)
        if _class_of(one) is not _class_of(other):
            return False
        pair = (id(one), id(other))
        if pair in self._met:
            return True  # else the comparison would have ended
        self._met[pair] = (one, other)
        return self._by_kind(one, other)

    def _by_kind(self, one: Any, other: Any) -> bool:
        for kinds, compare in self._KINDS:
            if isinstance(one, kinds):
                return compare(self, one, other)
        return self._arrays(one, other) if _is_array(one) else self._objects(one, other)

    def _attributes(self, names: Iterable[str], one: Any, other: Any) -> bool:
        return all(self.same(getattr(one, name), getattr(other, name)) for name in names)

    def _mappings(self, one: Any, other: Any) -> bool:
        return one.keys() == other.keys() and all(self.same(one[key], other[key]) for key in one)

    def _all(self, one: Any, other: Any) -> bool:
        return len(one) == len(other) and all(map(self.same, one, other))

    def _arrays(self, one: Any, other: Any) -> bool:
        return (one.dtype, one.shape) == (other.dtype, other.shape) and (
            self._all(one.tolist(), other.tolist())
            if one.dtype.hasobject
            else one.tobytes() == other.tobytes()
        )

    def _tensors(self, one: Any, other: Any) -> bool:
        if not self._are_partners(one, other):
            return False
        if one.is_nested and other.is_nested:
            return self._all(one.unbind(), other.unbind())
        if (one.dtype, one.shape, one.layout) != (other.dtype, other.shape, other.layout):
            return False
        if one.requires_grad != other.requires_grad or one.is_meta != other.is_meta:
            return False
        return bool(one.is_meta or _same_bits(one.detach(), other.detach()))

    def _are_partners(self, one: Any, other: Any) -> bool:
        """Say whether two parameters stand at the same places: one that is tied learns for all of its places."""
        if not isinstance(one, torch.nn.Parameter):
            return True
        partners = (("one", id(one)), other), (("other", id(other)), one)
        return all(self._partners.setdefault(place, partner) is partner for place, partner in partners)

    def _modules(self, one: Any, other: Any) -> bool:
        """Compare parameters, all buffers, parts, and what plain attributes say of a module and its parts."""
        if not all(
            self._all(list(left), list(right)) and all(self.same(left[name], right[name]) for name in left)
            for at in ("_parameters", "_buffers", "_modules")
            for left, right in [(getattr(one, at), getattr(other, at))]
        ):
            return False
        return self.same(_settings(one), _settings(other))

    def _functions(self, one: Any, other: Any) -> bool:
        if one.__code__ is not other.__code__ and one.__code__ != other.__code__:
            return False
        cells = [[cell.cell_contents for cell in each.__closure__ or ()] for each in (one, other)]
        return self.same(cells[0], cells[1]) and self._attributes(
            ("__defaults__", "__kwdefaults__"), one, other
        )

    def _objects(self, one: Any, other: Any) -> bool:
        if callable(getattr(one, "state_dict", None)):
            if not self.same(one.state_dict(), other.state_dict()):
                return False
            # A state dict leaves out functions, such as those of LambdaLR.
            return self.same(_functions_of(one), _functions_of(other))
        if any("__eq__" in vars(kind) for kind in type(one).__mro__[:-1]):
            # What has NaN or arrays in it may say that it is not, or raise: then its contents decide.
            with suppress(Exception):
                if one == other:
                    return True
        reduced = [each.__reduce_ex__(4) for each in (one, other)]
        return isinstance(reduced[0], tuple) and self.same(*(list(each[:3]) for each in reduced))

    #: How values of a kind are compared; the first that fits counts.
    _KINDS: ClassVar[tuple[tuple[Any, Callable[[_Comparing, Any, Any], bool]], ...]] = (
        (torch.Tensor, _tensors),
        (torch.nn.Module, _modules),
        (torch.Generator, lambda self, one, other: self.same(one.get_state(), other.get_state())),
        (Mapping, _mappings),
        (AbstractSet, lambda _, one, other: bool(one == other)),
        (Sequence, _all),
        (FunctionType, _functions),
        (MethodType, lambda self, one, other: self._attributes(("__func__", "__self__"), one, other)),
        (partial, lambda self, one, other: self._attributes(("func", "args", "keywords"), one, other)),
        (weakref.ref, lambda self, one, other: self.same(one(), other())),
    )


def trained(model: Any, optimizer: Any) -> list[list[str | None]]:
    """Say which parameters of a model an optimizer changes: a new model with an old optimizer learns nothing."""
    if model is None or optimizer is None:
        return []
    names = {id(parameter): name for name, parameter in unwrapped(model).named_parameters()}
    return [[names.get(id(each)) for each in group["params"]] for group in optimizer.param_groups]


def _class_of(value: object) -> type:
    """Give the class; each module that has a parametrization got one of its own from torch, which decides nothing."""
    if isinstance(value, torch.nn.Module):
        return cast("type", type_before_parametrizations(value))
    return type(value)


def _is_array(value: object) -> bool:
    return all(hasattr(value, name) for name in ("dtype", "shape", "tobytes"))


def _settings(module: Any) -> dict[str, object]:
    own = vars(module)
    names = (name for name in sorted(own) if not name.startswith(_NOT_OF_MODULE) and "_hook" not in name)
    return {name: own[name] for name in names}


def _functions_of(thing: Any) -> list[object]:
    found: list[object] = []
    for name, value in sorted(getattr(thing, "__dict__", {}).items()):
        # Not one that stands in place of a method: a scheduler puts its own around its optimizer's step.
        if not name.startswith("_") and not hasattr(type(thing), name):
            several = value if isinstance(value, (list, tuple)) else [value]
            found += [each for each in several if isinstance(each, (FunctionType, partial))]
    return found


def _same_bits(one: Any, other: Any) -> bool:
    if one.is_quantized:
        return bool(torch.equal(one, other)) and _same_bits(one.int_repr(), other.int_repr())
    if one.layout is not torch.strided:
        return all(map(_same_bits, _components(one), _components(other)))
    if hasattr(one, "full_tensor"):  # sharded: each rank compares what all have
        one, other = one.full_tensor(), other.full_tensor()
    left, right = map(_bytes, (one, other))
    return bool(torch.equal(left, right))


def _bytes(tensor: Any) -> Any:
    plain = tensor.cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return plain.view(torch.uint8)


def _components(tensor: Any) -> list[Any]:
    if tensor.is_mkldnn:
        return [tensor.to_dense()]
    if tensor.layout is torch.sparse_coo:
        tensor = tensor.coalesce()
        return [tensor.indices(), tensor.values()]
    if tensor.layout in {torch.sparse_csr, torch.sparse_bsr}:
        return [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
    return [tensor.ccol_indices(), tensor.row_indices(), tensor.values()]
