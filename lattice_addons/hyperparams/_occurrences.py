"""The occurrences of hyper-parameters can be asked: filtered, grouped, sorted and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ._occurrence import Occurrence

    By: TypeAlias = "str | Callable[[Occurrence], Any]"

__all__ = ["Occurrences"]


class Occurrences:
    """A list of `Occurrence` that does not change; each question gives a new one.

    ``by`` is always the name of an attribute (``"name"``, ``"path"``, ``"line"``…) or a function of an occurrence.
    """

    __module__ = "lattice_addons.hyperparams"

    def __init__(self, found: Iterable[Occurrence] = ()) -> None:
        self._found = tuple(found)

    def filter(self, condition: Callable[[Occurrence], object] | None = None, **equal: object) -> Occurrences:
        """Give those that meet the condition, and whose attributes have these values."""
        return Occurrences(
            each
            for each in self._found
            if (condition is None or condition(each))
            and all(getattr(each, attribute) == value for attribute, value in equal.items())
        )

    def group(self, by: By = "name") -> dict[Any, Occurrences]:
        """Give the occurrences of each value of ``by``, in the order in which the values come first."""
        groups: dict[Any, list[Occurrence]] = {}
        for each in self._found:
            groups.setdefault(_of(each, by), []).append(each)
        return {key: Occurrences(found) for key, found in groups.items()}

    def sort(self, by: By = "name", *, reverse: bool = False) -> Occurrences:
        """Give them in the order of ``by``; equal ones stay as they are."""
        return Occurrences(sorted(self._found, key=lambda each: _of(each, by), reverse=reverse))

    @overload
    def count(self) -> int: ...
    @overload
    def count(self, by: By) -> dict[Any, int]: ...
    def count(self, by: By | None = None) -> int | dict[Any, int]:
        """Count them; with ``by``, those of each of its values."""
        if by is None:
            return len(self._found)
        return {key: len(group) for key, group in self.group(by).items()}

    def records(self) -> list[dict[str, object]]:
        """Give each as a dictionary of plain data."""
        return [each.record() for each in self._found]

    def frame(self) -> Any:  # noqa: ANN401 - pandas is the user's, and may not be there
        """Give them as a pandas DataFrame, a row each; pandas must be installed."""
        from importlib import import_module

        columns = ["name", "path", "cell", "line", "column", "default", "value", "literal", "hints"]
        return import_module("pandas").DataFrame(self.records(), columns=columns)

    def __len__(self) -> int:
        """Count them."""
        return len(self._found)

    def __iter__(self) -> Iterator[Occurrence]:
        """Go through them."""
        return iter(self._found)

    def __getitem__(self, index: int) -> Occurrence:
        """Give one by its place in the list."""
        return self._found[index]

    def __repr__(self) -> str:
        """Show where they are."""
        return f"<Occurrences: {', '.join(f'{each.name} at {each.place}' for each in self._found) or 'none'}>"


def _of(occurrence: Occurrence, by: By) -> Any:  # noqa: ANN401 - of any attribute
    return getattr(occurrence, by) if isinstance(by, str) else by(occurrence)
