"""How a training state looks on a terminal: one line a field, and under each model what it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from rich.text import Text
from rich.tree import Tree

from lattice_addons._amounts import size
from lattice_addons._html import preformatted
from lattice_addons.training._unwrap import unwrapped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lattice_addons.training._state import State

__all__ = ["html", "shown"]

#: So many of a metric's last values are shown.
_LAST = 3
_WIDTH = 120


def shown(state: State) -> Tree:
    """Draw a state."""
    tree = Tree(Text(type(state).__name__, style="bold"))
    for name in type(state).model_fields:
        value = getattr(state, name)
        if value is None:
            tree.add(_line(name, "–"), style="dim")
        elif isinstance(value, torch.nn.Module):
            _add_model(tree, name, value)
        elif isinstance(value, torch.optim.Optimizer):
            _add_optimizer(tree, name, value)
        elif name == "history":
            _add_history(tree, name, value)
        else:
            tree.add(_line(name, _brief(value)))
    return tree


def html(state: State) -> str:
    """Draw a state for a notebook."""
    from io import StringIO

    from rich.console import Console

    drawn = StringIO()
    Console(file=drawn, width=_WIDTH, color_system=None).print(shown(state))
    return preformatted(drawn.getvalue())


def _line(name: str, text: str) -> Text:
    return Text.assemble((name, "cyan"), f"  {text}")


def _add_model(tree: Tree, name: str, wrapped: Any) -> None:
    model = unwrapped(wrapped)
    within = "" if model is wrapped else f" in {type(wrapped).__name__}"
    branch = tree.add(_line(name, f"{type(model).__name__}{within}, {_amount(model)}"))
    for part_name, part in model.named_children():
        branch.add(_line(part_name, f"{type(part).__name__}({part.extra_repr()}), {_amount(part)}"))


def _amount(model: Any) -> str:
    """Count parameters, each once, and the bytes of them and of the buffers."""
    parameters = list(model.parameters())
    known, buffers = map(_made, (parameters, model.buffers()))
    count = sum(each.numel() for each in known)
    trained = sum(each.numel() for each in known if each.requires_grad)
    taken = sum(each.numel() * each.element_size() for each in [*known, *buffers])
    told = f"{count:,} parameters"
    if trained != count:
        told += f" ({trained:,} trained)"
    if len(known) < len(parameters):
        told += f" and {len(parameters) - len(known)} not made yet"
    return f"{told}, {size(taken)}"


def _made(tensors: Iterable[Any]) -> list[Any]:
    return [each for each in tensors if not torch.nn.parameter.is_lazy(each)]


def _add_optimizer(tree: Tree, name: str, optimizer: Any) -> None:
    tensors = [each for state in optimizer.state.values() for each in state.values() if torch.is_tensor(each)]
    taken = sum(each.numel() * each.element_size() for each in tensors)
    branch = tree.add(_line(name, f"{type(optimizer).__name__}, {size(taken)} of state"))
    for number, group in enumerate(optimizer.param_groups):
        settings = ", ".join(f"{key}={_brief(value)}" for key, value in group.items() if key != "params")
        branch.add(_line(str(number), f"{len(group['params'])} tensors, {settings}"))


def _add_history(tree: Tree, name: str, history: dict[str, list[float]]) -> None:
    branch = tree.add(_line(name, f"{len(history)} metrics"))
    for metric, values in history.items():
        last = ", ".join(f"{each:.6g}" for each in values[-_LAST:])
        dots = "… " if len(values) > _LAST else ""
        branch.add(_line(metric, f"{len(values)} values: {dots}{last}"))


def _brief(value: object) -> str:
    from rich.pretty import pretty_repr

    try:
        return pretty_repr(value, max_length=8, max_string=80, max_depth=2)
    except Exception as error:  # noqa: BLE001 - a repr of the program's own, and only to be looked at
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
