"""Every name that is imported from here is a manager's: ``from lattice_addons.hyperparams.m import _``.

Nothing else may have a name in this module, or no manager could have it.
"""


def __getattr__(name: str):  # noqa: ANN202 - a type would be a name, too: it stands in m.pyi
    """Give the manager whose placeholder has this name."""
    if name.startswith("__") and name.endswith("__"):
        # What the import system and introspection ask any module for.
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ._process import manager

    return manager(name)
