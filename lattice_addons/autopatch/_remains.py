"""What no state dict has: parameters outside of every module, and gradients that wait for a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Remains"]


class Remains:
    """The parameters and gradients of optimizers, as far as nobody else keeps them.

    ``list_optimizers`` gives the optimizers with their names, and ``is_kept`` says of a parameter whether it is one
    of a module that is tracked.
    """

    def __init__(
        self, list_optimizers: Callable[[], Iterator[tuple[str, Any]]], is_kept: Callable[[Any], bool]
    ) -> None:
        self._optimizers = list_optimizers
        self._is_kept = is_kept
        # Optimizers whose last event was a step, and those that have been told to zero their gradients.
        self._stepped: set[int] = set()
        self._round: set[int] = set()
        self._zeroing = False

    def stepped(self, optimizer: object) -> None:
        """Note that an optimizer has used its gradients."""
        self._stepped.add(id(optimizer))
        self._round.add(id(optimizer))

    def round_is_done(self) -> bool:
        """Say whether each optimizer has made a step since the last one at which this was so."""
        known = {id(optimizer) for _, optimizer in self._optimizers()}
        done = known <= self._round
        if done:
            self._round.clear()
        return done

    def zeroed(self) -> None:
        """Note that the program zeroes gradients: those that were used are then of no more use."""
        self._zeroing = True
        self._stepped.clear()

    def drop_gradients(self) -> None:
        """Let go of what was computed in vain: an optimizer tracked with it would seem changed when it goes."""
        for _, optimizer in self._optimizers():
            for _, parameter in _parameters(optimizer):
                parameter.grad = None

    def state_dict(self) -> dict[str, dict[str, dict[int, Any]]]:
        """Give what is to be stored."""
        loose: dict[str, dict[int, Any]] = {}
        gradients: dict[str, dict[int, Any]] = {}
        for name, optimizer in self._optimizers():
            used = self._zeroing and id(optimizer) in self._stepped
            for index, parameter in _parameters(optimizer):
                if not self._is_kept(parameter):
                    loose.setdefault(name, {})[index] = parameter.detach()
                if parameter.grad is not None and not used:
                    gradients.setdefault(name, {})[index] = parameter.grad
        return {"loose": loose, "gradients": gradients}

    def load_state_dict(self, state: dict[str, dict[str, dict[int, Any]]]) -> None:
        """Put it back; a gradient that was not stored is none."""
        import torch

        with torch.no_grad():
            for name, optimizer in self._optimizers():
                loose, gradients = state["loose"].get(name, {}), state["gradients"].get(name, {})
                for index, parameter in _parameters(optimizer):
                    if index in loose:
                        parameter.copy_(loose[index])
                    gradient = gradients.get(index)
                    parameter.grad = None if gradient is None else gradient.to(parameter.device, copy=True)


def _parameters(optimizer: Any) -> list[tuple[int, Any]]:
    return list(enumerate(each for group in optimizer.param_groups for each in group["params"]))
