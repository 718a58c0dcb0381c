"""What the package logs is shown from the level on that the settings say."""

from __future__ import annotations

import logging

__all__ = ["log_from"]

_log = logging.getLogger("lattice_addons")


class _Unless(logging.StreamHandler):  # type: ignore[type-arg]  # a generic only for type checkers
    """Writes to stderr as long as the program has set up no logging of its own."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record that nobody else shows."""
        if not logging.getLogger().handlers:
            super().emit(record)


def log_from(level: str) -> None:
    """Log from this level on, unless the program has said for itself from which.

    Python shows warnings of a program without a logging set-up, but nothing below them: what the user asked for by
    a lower level would go nowhere.
    """
    if _log.level == logging.NOTSET:
        _log.setLevel(level)
        if _log.level < logging.WARNING and not _log.handlers:
            handler = _Unless()
            handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
            _log.addHandler(handler)
