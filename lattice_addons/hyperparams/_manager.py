"""A manager of hyper-parameters: declared anywhere by calls of its placeholder, and managed here as a whole."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, TypeVar, overload

from lattice_addons._typed import is_typed

from ._calls import in_a_cell, unknown
from ._carried import Carried
from ._declarations import Declarations
from ._declared import Declared
from ._kinds import Unfit
from ._names import check_placeholder
from ._occurrence import MISSING
from ._occurrences import Occurrences
from ._plain import described
from ._tree import leaves, nested
from ._values import check_place, checked, checked_all, refused, undeclared

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

__all__ = ["HyperParameters"]

Value = TypeVar("Value")
_NOTHING = object()


class HyperParameters:
    """What calls of one placeholder, as ``_("lr", 0.1)``, declare: ``from lattice_addons.hyperparams.m import _``."""

    __module__ = "lattice_addons.hyperparams"

    def __init__(self, placeholder: str) -> None:
        check_placeholder(placeholder)
        self._placeholder = placeholder
        self._lock = threading.RLock()
        self._source = Declarations()
        # Readers take no lock: each of these changes in one step.
        self._set: dict[str, Any] = {}
        self._used: dict[str, Any] = {}
        # Names whose set value was never checked, and those that have another value in the checkpoint, perhaps.
        self._unchecked: set[str] = set()
        self._carried = Carried(self, placeholder, self._set, self._used)

    def __reduce__(self) -> tuple[object, ...]:
        """Be the one manager of this name wherever a pickle or a copy of it is made."""
        from ._process import manager

        return manager, (self._placeholder,)

    def __repr__(self) -> str:
        """Say which manager this is and what it has."""
        return f"<HyperParameters {self._placeholder}: {', '.join(self.names()) or 'none'}>"

    @overload
    def __call__(self, name: str, default: None = None, /, **hints: object) -> Any: ...  # noqa: ANN401 - of any type
    @overload
    def __call__(self, name: str, default: Value, /, **hints: object) -> Value: ...
    def __call__(self, name: str, default: Any = MISSING, /, **hints: object) -> Any:
        """Give a hyper-parameter's value: what was set, else this default, else the one that parsing found.

        Hints are ``type``, ``choices``, ``min``, ``max`` and ``help``, and whatever else you want to find again.

        Raises:
            UnknownHyperParameterError: it has none of these.
        """
        value = self._set.get(name, MISSING)
        if default is not MISSING:
            if self._used.get(name, MISSING) is not default:
                self._use(name, default, hints)
            if value is MISSING:
                value = default
        elif value is MISSING and (value := self._source.value(name)) is MISSING:
            raise unknown(self, name, sys._getframe(1))  # noqa: SLF001 - where it is used, for people
        if name in self._unchecked or name in self._carried.pending:
            return self._settled(name, value, default, hints)
        return value

    def parse_file(
        self,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        take_all: bool = False,
        cache: bool = True,
    ) -> None:
        """Learn what is declared in a file, in all files below a folder, or in several of these. Nothing is run.

        Taken are calls of the placeholder where the module imports it from us; with ``take_all``, all calls of
        that name. A file that is parsed again counts as it is now. ``cache=False`` neither reads nor writes what is
        kept between runs.

        Raises:
            NoSourceError: a path does not exist.
            SourceError: a file is no Python.
            DeclarationError: a hyper-parameter is declared wrongly, or twice. Nothing of this call is taken then.
        """
        from ._collect import collect

        self._source.learn(collect(paths, name=self._placeholder, take_all=take_all, cache=cache))

    def parse_source(self, text: str, filename: str = "<source>", *, take_all: bool = False) -> None:
        """Learn what is declared in a text, as `parse_file` does; ``filename`` names it in what is told of it."""
        from ._collect import of_text

        self._source.learn(of_text(text, filename, name=self._placeholder, take_all=take_all))

    def occurrences(self, name: str | None = None) -> Occurrences:
        """Give all places at which a hyper-parameter stands, or all of them do."""
        return Occurrences(each for each in self._source.occurrences() if name is None or each.name == name)

    def get_value(self, name: str, default: Any = MISSING) -> Any:  # noqa: ANN401 - of any type
        """Give the value in force; when there is none, ``default``.

        Raises:
            UnknownHyperParameterError: there is neither.
        """
        value = self._set.get(name, MISSING)
        if value is MISSING and (value := self._source.value(name)) is MISSING:
            value = self._used.get(name, MISSING)
        if value is MISSING and default is MISSING:
            raise unknown(self, name, sys._getframe(1))  # noqa: SLF001 - where it is asked for, for people
        if value is MISSING:
            return default
        return self._settled(name, value, MISSING, {}) if name in self._carried.pending else value

    def get_values(self) -> dict[str, Any]:
        """Give the values in force by name; an expression that was not set and did not run yet has none."""
        known = ((name, self.get_value(name, _NOTHING)) for name in self.names())
        return {name: value for name, value in known if value is not _NOTHING}

    def set_value(self, name: str, value: Any, *, strict: bool = True) -> None:  # noqa: ANN401 - of any type
        """Give a hyper-parameter a value, whatever its default is.

        With ``strict=False`` one may be set that nobody has declared yet.

        Raises:
            UnknownHyperParameterError: nobody declares it; the nearest names are told.
            HyperParameterValueError: the value has the wrong type, or a hint does not allow it.
        """
        self.set_values({name: value}, strict=strict)

    def set_values(self, values: Mapping[str, Any], *, strict: bool = True) -> None:
        """Give several hyper-parameters their values, as `set_value` does: all, or in case of an error none."""
        with self._lock:
            taken = checked_all(self, values, strict=strict)
            self._unchecked |= {name for name in taken if self.declaration(name) is None}
            self._set.update(taken)

    def set_text(self, name: str, text: str) -> None:
        """Give a hyper-parameter the value that a text says, as on a command line: ``set_text("lr", "0.5")``.

        Raises:
            UnknownHyperParameterError, HyperParameterValueError: as `set_value`.
        """
        from ._texts import value_of

        known = self.declaration(name)
        if known is None:
            raise undeclared(self, name)
        try:
            value = value_of(text, known)
        except Unfit as error:
            raise refused(known, text, error) from None
        self.set_value(name, value)

    def is_set(self, name: str) -> bool:
        """Tell whether a hyper-parameter's value was set, and is not its default."""
        return name in self._set

    def exists(self, name: str) -> bool:
        """Tell whether a hyper-parameter is declared, or has a value."""
        return name in self._source.known or name in self._set or name in self._used

    def reset(self, name: str | None = None) -> None:
        """Forget what was set for a hyper-parameter, or for all: the default counts again."""
        with self._lock:
            if name is not None and not self.exists(name):
                raise undeclared(self, name)
            for each in [name] if name is not None else list(self._set):
                self._set.pop(each, None)
                self._unchecked.discard(each)

    def get_tree(self, name: str = "") -> dict[str, Any]:
        """Give what is below a name with dots, as dictionaries in dictionaries; without a name all there is.

        Raises:
            UnknownHyperParameterError: there is nothing below it.
        """
        tree = nested(self.get_values(), name)
        if name and not tree and not any(each.startswith(f"{name}.") for each in self.names()):
            raise undeclared(self, name)
        return tree

    def set_tree(self, name: str, tree: Mapping[str, Any], *, strict: bool = True) -> None:
        """Give what is below a name its values, as `set_values` does; the name ``""`` is above all."""
        self.set_values(dict(leaves(tree, set(self.names()), name)), strict=strict)

    def names(self) -> list[str]:
        """Give the names of all hyper-parameters, in the order of their declaration."""
        return list(dict.fromkeys((*self._source.known, *self._used, *self._set)))

    def declaration(self, name: str) -> Declared | None:
        """Give what is declared of a hyper-parameter, in source or by calls that have run; None for none."""
        known = self._source.known.get(name)
        used = self._used.get(name, MISSING)
        if known is None and used is not MISSING:
            return Declared(name, given=used)
        if known is not None and known.value is MISSING and used is not MISSING:
            return Declared(name, known.occurrences, known.default, known.hints, given=used)
        return known

    def save_file(self, path: str | os.PathLike[str]) -> None:
        """Write the values in force to a YAML or JSON file; one that is there keeps its comments and its order.

        Raises:
            HyperParameterValueError: a value cannot be written to a file.
            NoSourceError: the file cannot be written.
        """
        from ._save import save

        save(self, path)

    def load_file(self, path: str | os.PathLike[str], *, strict: bool = True) -> None:
        """Set the values that a YAML or JSON file says: all of them or, in case of an error, none.

        With ``strict=False`` it may have names that nobody declares.

        Raises:
            NoSourceError, HyperParameterValueError: as `read_file`.
        """
        self.set_values(self.read_file(path, strict=strict), strict=False)

    def read_file(self, path: str | os.PathLike[str], *, strict: bool = True) -> dict[str, Any]:
        """Give the values that a YAML or JSON file says, by name.

        Raises:
            NoSourceError: there is no such file.
            HyperParameterValueError: a name is unknown, or a value not taken; each is told with its line.
        """
        from ._load import load

        return load(self, path, strict=strict)

    def describe(self, form: str = "detail", *, width: int | None = None) -> str:
        """Give the list of all hyper-parameters as text: a ``table``, in ``detail``, as ``yaml`` or ``json``."""
        from ._shown import describe

        return describe(self, form, width=width)

    def _repr_html_(self) -> str:
        from ._html import html

        return html(self)

    def carry_on(self, *, resume: str) -> None:
        """Say what becomes of values that are others in the checkpoint from which the program carries on.

        ``"current"`` (without this call, too): those of now count, and each that is another is told once, as a
        warning. ``"stored"``: those of the checkpoint count, but for what was set in this process. ``"error"``: a
        difference is an error.

        Raises:
            HyperParametersChangedError: with ``"error"``; all that are others are told.
        """
        with self._lock:
            self._carried.rule(resume)

    def carry(self, stored: Mapping[str, object], where: str) -> None:
        """Learn the values that a checkpoint has: `lattice_addons.hyperparams.carry` says so."""
        with self._lock:
            self._carried.learn(stored, where)

    def in_force(self) -> dict[str, object]:
        """Give the values in force as plain data, for a checkpoint; takes no lock, and raises nothing."""
        values = {name: known.value for name, known in list(self._source.known.items())}
        values |= dict(self._used) | dict(self._set) | self._carried.standing()
        return {name: described(value) for name, value in values.items() if value is not MISSING}

    def _use(self, name: str, default: object, hints: Mapping[str, object]) -> None:
        """Remember what a call gave; in a notebook's cell it is a declaration, in place of one before."""
        frame = sys._getframe(2)  # noqa: SLF001 - the call of the placeholder
        if is_typed(frame):
            self._source.declare(in_a_cell(frame, name, default, hints))
        elif name not in self._source.known and name not in self._used:
            check_place(self, name)
            self._source.ran(name, frame)
        self._used[name] = default

    def _settled(self, name: str, value: Any, default: object, hints: Mapping[str, object]) -> Any:  # noqa: ANN401
        with self._lock:
            if name in self._unchecked and (default is not MISSING or name in self._source.known):
                known = self._source.known.get(name) or Declared(name, hints=dict(hints), given=default)
                value = self._set[name] = checked(self, name, value, strict=False, known=known)
                self._unchecked.discard(name)
            return self._carried.settle(name, value, was_set=name in self._set)
