"""fsspec knows our file system by its entry point; and by this, where the package runs without being installed."""

from __future__ import annotations

from lattice_addons._service_url import SCHEMES

__all__ = ["know_lattice"]

_CLASS = "lattice_addons.storage.LatticeFileSystem"


def know_lattice() -> None:
    """Have ``lattice://`` within another URL, such as ``zip://x.zip::lattice://…``, opened by our file system."""
    from fsspec.registry import known_implementations

    for scheme in SCHEMES:
        known_implementations.setdefault(scheme, {"class": _CLASS})
