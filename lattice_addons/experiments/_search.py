"""What is searched for a field: points, or a range from which samplers draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lattice_addons.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Search", "alone", "search"]


class Search:
    """What is searched for a field, as `search` gives it.

    Attributes: ``points`` (what a grid walks; None where there is only a range), ``kind`` (``points``,
    ``uniform``, ``log_uniform`` or ``integers``), ``low``, ``high`` and ``step`` (of a range), ``when``,
    ``otherwise``, ``zipped``.
    """

    __module__ = "lattice_addons.experiments"

    __slots__ = ("high", "kind", "low", "otherwise", "points", "step", "when", "zipped")

    def __init__(  # noqa: PLR0913 - by name
        self,
        kind: str,
        points: Sequence[Any] | None,
        *,
        low: float = 0,
        high: float = 0,
        step: int = 1,
        when: Callable[[Any], object] | None = None,
        otherwise: object = None,
        zipped: str | None = None,
    ) -> None:
        if when is not None and not callable(when):
            raise _refused(
                f"when={when!r} is no function of the experiment, such as lambda h: h.opt == 'adam'"
            )
        if zipped is not None and not isinstance(zipped, str):
            raise _refused(f"zipped={zipped!r} is no name of a group: it is a text")
        self.kind: str = kind
        self.points: Sequence[Any] | None = points
        self.low: float = low
        self.high: float = high
        self.step: int = step
        self.when: Callable[[Any], object] | None = when
        self.otherwise: object = otherwise
        self.zipped: str | None = zipped

    def altered(self, **changes: Any) -> Search:
        """Give the same but for some attributes."""
        return Search(**{name: changes.get(name, getattr(self, name)) for name in self.__slots__})

    def __deepcopy__(self, memo: dict[int, Any]) -> Search:
        """Give itself, for nobody alters it; its points are copied when they are given out."""
        return self

    def __repr__(self) -> str:
        if self.kind == "points":
            said = [repr(point) for point in self.points or ()]
        else:
            said = [repr(self.low), repr(self.high)] + ([f"step={self.step}"] if self.step != 1 else [])
        said += ["when=…"] if self.when is not None else []
        said += [f"zipped={self.zipped!r}"] if self.zipped is not None else []
        return f"search{'' if self.kind == 'points' else f'.{self.kind}'}({', '.join(said)})"


def alone(value: Any) -> Any:
    """Give the point where a search has no other; anything else as it is."""
    one = (
        isinstance(value, Search)
        and value.points is not None
        and len(value.points) == 1
        and value.when is None
    )
    return value.points[0] if one else value


class _Searching:
    """Makes what is searched: ``search(16, 32)``, ``search.uniform(0, 1)``.

    Everything takes ``when``, a function of the experiment that says whether the field is searched, given
    the fields that are decided before it; where it says no, the field is ``otherwise``.
    """

    __module__ = "lattice_addons.experiments"

    def __call__(
        self,
        *points: Any,
        when: Callable[[Any], object] | None = None,
        otherwise: object = None,
        zipped: str | None = None,
    ) -> Any:
        """Search these points, each as it is and once: ``search([1, 2, 3])`` has one point, a list.

        Fields of one group, by ``zipped="size"``, advance together.
        """
        if not points:
            raise _refused("search() has no points: give at least one, such as search(16, 32)")
        if any(isinstance(point, Search) for point in points):
            raise _refused("a point of a search cannot be a search again: put all points into one")
        return Search("points", points, when=when, otherwise=otherwise, zipped=zipped)

    def choice(
        self,
        *options: Any,
        when: Callable[[Any], object] | None = None,
        otherwise: object = None,
        zipped: str | None = None,
    ) -> Any:
        """Search these options, as ``search(*options)`` does."""
        return self(*options, when=when, otherwise=otherwise, zipped=zipped)

    def integers(  # noqa: PLR0913 - by name
        self,
        low: int,
        high: int,
        step: int = 1,
        *,
        when: Callable[[Any], object] | None = None,
        otherwise: object = None,
        zipped: str | None = None,
    ) -> Any:
        """Search the whole numbers from ``low`` to ``high``, both included."""
        for said, number in (("low", low), ("high", high), ("step", step)):
            if isinstance(number, bool) or not isinstance(number, int):
                raise _refused(f"search.integers({low!r}, {high!r}): {said}={number!r} is no whole number")
        if step < 1 or high < low:
            raise _refused(f"search.integers({low}, {high}, step={step}) has no points")
        points = range(low, high + 1, step)
        return Search(
            "integers",
            points,
            low=low,
            high=points[-1],
            step=step,
            when=when,
            otherwise=otherwise,
            zipped=zipped,
        )

    def uniform(
        self,
        low: float,
        high: float,
        *,
        when: Callable[[Any], object] | None = None,
        otherwise: object = None,
    ) -> Any:
        """Search the numbers from ``low`` to ``high``, of which a sampler draws some."""
        _bounds("uniform", low, high)
        return Search("uniform", None, low=float(low), high=float(high), when=when, otherwise=otherwise)

    def log_uniform(
        self,
        low: float,
        high: float,
        *,
        when: Callable[[Any], object] | None = None,
        otherwise: object = None,
    ) -> Any:
        """Search the numbers from ``low`` to ``high``; from 0.01 to 0.1 as many as from 0.1 to 1."""
        _bounds("log_uniform", low, high)
        if low <= 0:
            raise _refused(f"search.log_uniform({low!r}, {high!r}): a logarithm needs low above 0")
        return Search("log_uniform", None, low=float(low), high=float(high), when=when, otherwise=otherwise)

    def __repr__(self) -> str:
        return "lattice_addons.experiments.search"


search: _Searching = _Searching()


def _bounds(kind: str, low: object, high: object) -> None:
    for number in (low, high):
        if isinstance(number, bool) or not isinstance(number, (int, float)) or number - number != 0:
            raise _refused(f"search.{kind}({low!r}, {high!r}): {number!r} is no finite number")
    if not low < high:  # type: ignore[operator] # both are numbers
        raise _refused(f"search.{kind}({low!r}, {high!r}) is empty: low must be below high")


def _refused(why: str) -> SettingError:
    return SettingError(why, field="")
