"""What git says of this repository, and what is on the disk when the power fails, is shown elsewhere."""

from __future__ import annotations

import os

import pytest

from lattice_addons.experiments import _provenance


@pytest.fixture(autouse=True)
def _no_waiting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a runner that a test starts in this process begin at once; where git is what counts, it is asked."""
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda _: None)
    if "in_git" not in request.fixturenames:
        monkeypatch.setattr(_provenance, "_git", lambda *_: None)
