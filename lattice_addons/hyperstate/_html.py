"""Config and state show themselves in a notebook; what was not read from the checkpoint stays unread."""

from __future__ import annotations

import dataclasses
from typing import Any

from lattice_addons._html import brief, code, preformatted, table
from lattice_addons.errors import HyperStateError

from ._dump import dump_config

__all__ = ["html"]


def html(where: str, config: Any, state: Any) -> str:
    """Give the config as the text of a file, and the state as a table of its fields."""
    try:
        text = dump_config(config)
    except HyperStateError:  # a value that no file can say
        text = brief(config)
    # Not by getattr, which would make the value of a lazy field.
    made = {
        each.name: vars(state)[each.name] for each in dataclasses.fields(state) if each.name in vars(state)
    }
    rows = ((name, code(brief(value))) for name, value in made.items())
    return "".join((table((), (), above=where), preformatted(text), table(("state", "value"), rows)))
