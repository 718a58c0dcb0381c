"""The description of the service has all that it serves to programs."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("starlette", reason="the service is of the extra `service`")

from lattice_addons.service import make_app
from lattice_addons.service._openapi import description
from lattice_addons.storage import MemoryStore


def test_every_path_for_programs_is_described() -> None:
    """And no other; pages are for people."""
    served = {re.sub(r":\w+", "", getattr(route, "path", "")) for route in make_app(MemoryStore("x")).routes}
    for_programs = {path for path in served if path.startswith(("/v1/", "/healthz", "/metrics", "/openapi"))}
    assert description()["paths"].keys() == for_programs
