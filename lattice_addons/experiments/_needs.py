"""What an extra brings is imported when it is used; one that is missing is named, with how to get it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lattice_addons.errors import MissingExtraError

__all__ = ["needed"]

#: The extra that brings a package; of others the package itself is what to install.
_EXTRAS = {
    "distributed": "dask",
    "loky": "experiments",
    "optuna": "optuna",
    "pandas": "experiments",
    "pyarrow": "experiments",
}


def needed(module: str) -> Any:
    """Import a module of a package that not everybody has.

    Raises: `MissingExtraError`
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        extra = _EXTRAS.get(package, "")
        what = f"lattice-addons[{extra}]" if extra else package
        message = f"this needs {package}, which cannot be imported ({error}): pip install '{what}'"
        raise MissingExtraError(message, package=package, extra=extra) from error
