"""A value is checked before it is set: the name, the type, the hints, the place in the tree of names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lattice_addons.errors import HyperParameterError, HyperParameterValueError, UnknownHyperParameterError

from ._calls import near
from ._kinds import Unfit
from ._names import check_name
from ._tree import above

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._declared import Declared
    from ._manager import HyperParameters

__all__ = ["check_place", "checked", "checked_all", "refused", "undeclared"]


def checked(
    manager: HyperParameters,
    name: str,
    value: Any,  # noqa: ANN401 - of any type
    *,
    strict: bool,
    known: Declared | None = None,
) -> Any:  # noqa: ANN401 - of any type
    """Give the value as it is taken for a hyper-parameter, or say why it is not."""
    known = known or manager.declaration(name)
    if known is None:
        if strict:
            raise undeclared(manager, name)
        check_place(manager, name)
        return value
    try:
        return known.take(value)
    except Unfit as error:
        raise refused(known, value, error) from None


def check_place(manager: HyperParameters, name: object) -> None:
    """Refuse a new name that is none, or that would be a leaf and a branch."""
    if not isinstance(name, str):
        raise HyperParameterError(
            f"the name of a hyper-parameter is a text, and not {name!r}", name=str(name)
        )
    why = check_name(name)
    if why is not None:
        raise HyperParameterError(why, name=name)
    for other in manager.names():
        if other != name and (other.startswith(f"{name}.") or name.startswith(f"{other}.")):
            raise _not_both(manager, name, other)


def checked_all(manager: HyperParameters, values: Mapping[str, Any], *, strict: bool) -> dict[str, Any]:
    """Give values that are set together as they are taken; names that contradict each other are refused."""
    taken = {name: checked(manager, name, value, strict=strict) for name, value in values.items()}
    for name in taken:
        for other in above(name):
            if other in taken:
                raise _not_both(manager, name, other)
    return taken


def _not_both(manager: HyperParameters, name: str, other: str) -> HyperParameterError:
    places = ", ".join(each.place for each in manager.occurrences(other))
    where = f" (at {places})" if places else ""
    message = f"{name!r} and {other!r}{where} cannot both be: a name has a value, or others below it"
    return HyperParameterError(message, name=name)


def undeclared(manager: HyperParameters, name: str) -> UnknownHyperParameterError:
    """Make the error of a name that nobody declares."""
    names = manager.names()
    known = near(str(name), names) or (f"; there are {', '.join(names[:10])}" if names else "")
    message = (
        f"nobody declares the hyper-parameter {name!r}{known}; parse_file() the source that does, "
        "or set it with strict=False"
    )
    return UnknownHyperParameterError(message, name=name, places=())


def refused(known: Declared, value: object, why: Unfit) -> HyperParameterValueError:
    """Make the error of a value that is not taken."""
    where = f" (declared at {known.occurrences[0].place})" if known.occurrences else ""
    return HyperParameterValueError(f"{known.name}{where}: {why}", name=known.name, value=value)
