"""The class of an experiment travels to hosts that may have its file, another version of that, or none."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._course import course_of

if TYPE_CHECKING:
    from ._course import Course

__all__ = ["Courses", "courses_of", "readable"]


@dataclass(frozen=True)
class Courses:
    """A course with its class by name, and by value (None where that cannot be), and which file that was."""

    named: bytes
    by_value: bytes | None = None
    module: str = ""
    file: str = ""
    digest: str = ""


# The modules that were imported here by name, and of which version of their files.
_versions: dict[str, str] = {}


def courses_of(course: Course) -> Courses:
    """Give the class by its name, and where it can be by its value: a host may have another file than this one."""
    import cloudpickle

    module = sys.modules.get(course.experiment.__module__)
    file = getattr(module, "__file__", None)
    named = course.packed()
    if module is None or file is None or module.__name__ == "__main__":
        return Courses(named)  # by value already
    try:
        cloudpickle.register_pickle_by_value(module)
        try:
            by_value = course.packed(by_value=True)
        finally:
            cloudpickle.unregister_pickle_by_value(module)
    except Exception:  # noqa: BLE001 - something in the module cannot be pickled: hosts need its file
        return Courses(named)
    return Courses(named, by_value, module.__name__, os.path.abspath(file), _digest_of(file))


def readable(courses: Courses) -> bytes:
    """Give the course as this process can read it: by the name of its class only if that leads to the runner's code.

    A worker may be older than the latest change to the file, and its host may have another file, or none.
    """
    if courses.by_value is None:
        return courses.named
    if courses.module not in _versions and courses.module not in sys.modules:
        if _digest_of(courses.file) != courses.digest:
            return courses.by_value
        try:
            course_of(courses.named)
        except ModuleNotFoundError:
            return courses.by_value
        _versions[courses.module] = courses.digest
    return courses.named if _versions.get(courses.module) == courses.digest else courses.by_value


def _digest_of(file: str) -> str:
    """Tell versions of a file apart; nothing where there is none."""
    from blake3 import blake3

    try:
        with open(file, "rb") as source:
            return blake3(source.read()).hexdigest()
    except OSError:
        return ""
