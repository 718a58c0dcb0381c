"""An optimizer gets its state back in the types in which it was, with the gradients that wait for its next step."""

# ruff: noqa: ANN401 - optimizers and tensors are of any type; torch says which.
from __future__ import annotations

import copy
import weakref
from typing import TYPE_CHECKING, Any

from ._mismatch import Mismatch
from ._tracked import TrackedManager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from ._dict import Stateful

    Mark: TypeAlias = "tuple[weakref.ref[Any], int]"

__all__ = ["OptimizerManager"]

# Of torch's own optimizers these have an element for each of the parameter's; what others keep may have any shape.
_ELEMENTWISE = frozenset(
    {
        "acc_delta",
        "ax",
        "exp_avg",
        "exp_avg_sq",
        "exp_inf",
        "grad_avg",
        "max_exp_avg_sq",
        "momentum_buffer",
        "prev",
        "square_avg",
        "step_size",
        "sum",
    }
)
# Where gradients that the next step needs stand in the stored state.
_GRADIENTS = "lattice_gradients"
# And whether the loop adds to gradients that a step has used.
_ADDS_UP = "lattice_gradients_add_up"


class OptimizerManager(TrackedManager):
    """Bind a ``torch.optim.Optimizer``, or what is like one."""

    __module__ = "lattice_addons.state"

    #: Where stored tensors are made: an optimizer takes them to where its parameters are.
    device = "cpu"

    def compare(self, bound: Stateful, stored: object) -> Mismatch:
        """Compare the groups of parameters, and the shapes of what belongs to each."""
        mismatch = Mismatch()
        groups: Any = getattr(bound, "param_groups", None)
        if not (isinstance(stored, dict) and isinstance(groups, list) and "param_groups" in stored):
            return mismatch
        sizes = [len(group["params"]) for group in stored["param_groups"]]
        own = [len(group["params"]) for group in groups]
        if sizes != own:
            mismatch.other.append(f"groups of {_told(sizes)} parameters are stored, and it has {_told(own)}")
        elif type(bound).__module__.startswith("torch.optim."):
            for number, parameter, state in _by_parameter(bound, stored):
                for name in _ELEMENTWISE & state.keys():
                    shape = tuple(getattr(state[name], "shape", parameter.shape))
                    if shape != tuple(parameter.shape):
                        mismatch.shapes[f"state.{number}.{name}"] = shape, tuple(parameter.shape)
        return mismatch

    def fitting(self, bound: Stateful, stored: object, mismatch: Mismatch) -> object:
        """Leave out the state of the parameters that it does not fit; all of it, where the groups differ."""
        if mismatch.other or not isinstance(stored, dict):
            return bound.state_dict()
        numbers = {name.split(".")[1] for name in mismatch.shapes}
        fitting = copy.copy(stored)
        fitting["state"] = {
            number: state for number, state in stored["state"].items() if str(number) not in numbers
        }
        return fitting

    def hold(self, value: object) -> None:
        """Bind an optimizer, and load into it what was restored."""
        super().hold(value)
        _steps_of(value)

    def capture(self) -> object:
        """Give the state; with the gradients, where some were added up for a step that is still to come."""
        state = super().capture()
        steps = _steps_of(self._bound)
        if steps is None or not isinstance(state, dict):
            return state
        # In most loops all of them are used up here, or gone.
        needed = {
            number: gradient.detach() if _has_bits(gradient) else 0
            for number, gradient in _gradients(self._bound)
            if steps.add_up or not _is(steps.used.get(number), gradient)
        }
        more = {_GRADIENTS: needed} if needed else {}
        return {**state, **more, **({_ADDS_UP: True} if steps.add_up else {})}

    def give(self, bound: Stateful, state: object) -> None:
        """Give an optimizer its state, and its parameters the gradients that the next step needs."""
        gradients: dict[int, Any] = {}
        if isinstance(state, dict):
            gradients = state.pop(_GRADIENTS, gradients)
            adds_up = state.pop(_ADDS_UP, False)
            if (steps := _steps_of(bound)) is not None:
                steps.add_up = adds_up
        super().give(bound, state)
        if not (isinstance(state, dict) and isinstance(getattr(bound, "param_groups", None), list)):
            return
        for _, parameter, stored in _by_parameter(bound, state):
            own: Any = getattr(bound, "state", {}).get(parameter)
            for name, value in stored.items() if isinstance(own, dict) else ():
                # torch makes floating numbers of the parameter's type, which loses what was finer.
                if hasattr(value, "untyped_storage") and value.dtype != getattr(
                    own.get(name), "dtype", value.dtype
                ):
                    own[name] = value.to(own[name].device)
        _give_gradients(bound, gradients, anew=bound is self._bound)


class _Steps:
    """Notes which gradients a step has used: those that are the same at a save need not be stored.

    They must be where the step found the very tensors of the step before: then the loop adds to them, or makes them
    zero in place, and a parameter without one is not what a parameter with zeros is.
    """

    def __init__(self, optimizer: Any) -> None:
        # What is there now may wait for the next step: no step has seen it as it is.
        self.used = {number: (weakref.ref(one), -1) for number, one in _gradients(optimizer)}
        self.add_up = False

    def __call__(self, optimizer: Any, *_: object) -> None:
        """Note what a step has used."""
        now = dict(_gradients(optimizer))
        # From then on: it may drop them now and then, and add to them between.
        self.add_up |= any(mark[0]() is now.get(number, mark) for number, mark in self.used.items())
        self.used = {number: _mark(gradient) for number, gradient in now.items()}


def _steps_of(optimizer: Any) -> _Steps | None:
    """Give what notes an optimizer's steps, one for all who keep it; None of what does not tell of its steps."""
    hooks = getattr(optimizer, "__dict__", {}).get("_optimizer_step_post_hooks")
    if hooks is None:
        return None
    steps = next((hook for hook in hooks.values() if isinstance(hook, _Steps)), None)
    if steps is None:
        optimizer.register_step_post_hook(steps := _Steps(optimizer))
    return steps


def _parameters(optimizer: Any) -> list[Any]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _gradients(optimizer: Any) -> Iterator[tuple[int, Any]]:
    """Give the gradients that are there, each with the number of its parameter."""
    for number, parameter in enumerate(_parameters(optimizer)):
        if parameter.grad is not None:
            yield number, parameter.grad


def _has_bits(gradient: Any) -> bool:
    """Say whether a gradient is more than zeros, as which it need not be stored; a sparse one may be of any size."""
    # Of one that is spread over ranks a rank sees its own part, and all must store it alike.
    spread = hasattr(gradient, "to_local")
    return spread or str(gradient.layout) != "torch.strided" or bool((gradient != 0).any())


def _give_gradients(optimizer: Any, gradients: dict[int, Any], *, anew: bool) -> None:
    """Let parameters have the gradients that wait for the next step; ``anew``: and no others."""
    for number, parameter in enumerate(_parameters(optimizer)):
        gradient = gradients.get(number)
        if anew and gradient is None:
            parameter.grad = None
        elif isinstance(gradient, int):
            parameter.grad = parameter.detach().new_zeros(parameter.shape)
        elif gradient is not None and gradient.shape == parameter.shape:
            parameter.grad = gradient.to(parameter.device, copy=True)


def _mark(gradient: Any) -> Mark:
    """Give what changes when a gradient does; torch counts its changes in place."""
    return weakref.ref(gradient), gradient._version  # noqa: SLF001 - there is no other


def _is(mark: Mark | None, gradient: Any) -> bool:
    return mark is not None and mark == (mark[0], gradient._version) and mark[0]() is gradient  # noqa: SLF001 - as above


def _by_parameter(bound: Any, state: dict[str, Any]) -> Iterator[tuple[object, Any, dict[str, Any]]]:
    """Give the number, the parameter and the stored state of each parameter that has one."""
    numbers = [number for group in state["param_groups"] for number in group["params"]]
    parameters = [parameter for group in bound.param_groups for parameter in group["params"]]
    for number, parameter in zip(numbers, parameters, strict=True):
        found = state["state"].get(number)
        if isinstance(found, dict):
            yield number, parameter, found


def _told(sizes: list[int]) -> str:
    return " + ".join(map(str, sizes)) or "no"
