"""The checkpoint service, the dashboard, and what both and the command line show of a store's jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons._doors import later

if TYPE_CHECKING:
    from lattice_addons.service.access import (
        Access,
        Audit,
        Limits,
        Token,
        Tokens,
        check_certificate,
        check_listening,
        is_loopback,
    )
    from lattice_addons.service.view import (
        CheckpointFacts,
        Jobs,
        JobView,
        RankView,
        arrays_text,
        changed_hyperparams,
        changed_slots,
        jobs,
        mean_text,
        nonfinite_text,
        range_text,
        sample_text,
        shape_text,
    )

    from ._app import make_app
    from ._extra import need_service_extra
    from ._root import open_root
    from ._run import serve
    from .dashboard import dashboard_app

__all__ = [
    "Access",
    "Audit",
    "CheckpointFacts",
    "JobView",
    "Jobs",
    "Limits",
    "RankView",
    "Token",
    "Tokens",
    "arrays_text",
    "changed_hyperparams",
    "changed_slots",
    "check_certificate",
    "check_listening",
    "dashboard_app",
    "is_loopback",
    "jobs",
    "make_app",
    "mean_text",
    "need_service_extra",
    "nonfinite_text",
    "open_root",
    "range_text",
    "sample_text",
    "serve",
    "shape_text",
]

_LATER = {
    **dict.fromkeys(
        ("arrays_text", "mean_text", "nonfinite_text", "range_text", "sample_text", "shape_text"), "view"
    ),
    "Access": "access._access",
    "Audit": "access._audit",
    "CheckpointFacts": "view",
    "JobView": "view",
    "Jobs": "view",
    "Limits": "access._limits",
    "RankView": "view",
    "Token": "access._tokens",
    "Tokens": "access._tokens",
    "check_certificate": "access._certificate",
    "changed_hyperparams": "view",
    "changed_slots": "view",
    "check_listening": "access._access",
    "dashboard_app": "dashboard",
    "is_loopback": "access._origin",
    "jobs": "view",
    "make_app": "_app",
    "need_service_extra": "_extra",
    "open_root": "_root",
    "serve": "_run",
}

later(globals(), _LATER)
