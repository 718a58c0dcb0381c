"""The service is built on packages that the extra `service` brings."""

from __future__ import annotations

from importlib import import_module

from lattice_addons.errors import MissingExtraError

__all__ = ["need_service_extra"]


def need_service_extra() -> None:
    """Refuse to go on where one of them is missing, with the command that installs it."""
    for package in ("starlette", "uvicorn", "jinja2"):
        try:
            import_module(package)
        except ImportError as error:
            message = f"the service needs {package} ({error}): pip install 'lattice-addons[service]'"
            raise MissingExtraError(message, package=package, extra="service") from error
