"""Of several interpreters in a process only the main one gets signals, and only its threads are waited for at exit."""

from __future__ import annotations

import _thread
import sys

from lattice_addons.errors import UnsupportedError

__all__ = ["only_in_the_main_one"]


def only_in_the_main_one() -> None:
    """Refuse a subinterpreter before anything is begun: a thread of ours that is left when it ends, ends the process.

    Raises:
        UnsupportedError: this is one.
    """
    if _is_main():
        return
    message = (
        "lattice_addons cannot save in a subinterpreter, which gets no signals: use it in the main interpreter of a "
        "process, as ProcessPoolExecutor has it, or mod_wsgi with WSGIApplicationGroup %{GLOBAL}"
    )
    raise UnsupportedError(message, what="a subinterpreter", system=sys.platform)


def _is_main() -> bool:
    # The one is there from Python 3.12 on, the other up to it, where it was built.
    is_main = getattr(_thread, "_is_main_interpreter", None)
    if is_main is not None:
        return bool(is_main())
    try:
        import _xxsubinterpreters as interpreters  # type: ignore[import-not-found]
    except ImportError:
        return True
    return bool(interpreters.get_current() == interpreters.get_main())
