"""Which names hyper-parameters and placeholders can have."""

from __future__ import annotations

from lattice_addons.errors import HyperParameterError

__all__ = ["check_name", "check_placeholder"]


def check_name(name: str) -> str | None:
    """Say what is wrong with the name of a hyper-parameter, if anything is."""
    if not name or "" in name.split("."):
        return "the name of a hyper-parameter is not empty, nor is any part of it between dots"
    if name != name.strip() or any(letter < " " for letter in name):
        return "the name of a hyper-parameter has no space around it, and is on one line"
    return None


def check_placeholder(name: str) -> None:
    """Refuse what is no identifier, and so cannot be called."""
    if not name.isidentifier():
        raise HyperParameterError(f"a placeholder is an identifier, as _ is, and not {name!r}", name=name)
