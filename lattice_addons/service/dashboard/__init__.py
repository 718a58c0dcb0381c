"""The dashboard: what the jobs of a store do, as pages that a browser shows without anything from elsewhere."""

from __future__ import annotations

from ._routes import dashboard_app, routes

__all__ = ["dashboard_app", "routes"]
