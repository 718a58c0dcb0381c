"""The fields of an experiment's class: what its body declares, whether it is decorated or not."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import typing
from abc import ABCMeta
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

from lattice_addons.errors import SettingError

from ._carried import told_of
from ._search import Search
from ._value import with_fresh_default

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "Declared",
    "ExperimentType",
    "declare",
    "default_now",
    "fields_of",
    "hints_of",
    "is_experiment",
    "no_field",
    "settle",
]

_CLASS_VARIABLE = re.compile(r"(\w+\.)?ClassVar\b")


class ExperimentType(ABCMeta):
    """The type of experiments' classes: an instance is completed once it has been made, by whatever ``__init__``."""

    # Type checkers go by what they know of dataclasses: of this they would learn that anything makes anything.
    if not TYPE_CHECKING:

        def __call__(cls, *args: Any, **options: Any) -> Any:
            """Make an experiment, and check its fields."""
            settle(cls)
            _check_names(cls, args, options)
            made = super().__call__(*args, **options)
            made._begin()  # noqa: SLF001 - of Experiment
            return made


@dataclasses.dataclass(frozen=True)
class Declared:
    """A field of an experiment, as its class declares it.

    ``hint`` is its type (``Any`` where there is none, or its name cannot be found), ``default`` the value or the
    search that it has when it is not given (`dataclasses.MISSING` where it must be).
    """

    __module__ = "lattice_addons.experiments"

    name: str
    hint: Any
    default: Any
    help: str
    init: bool = True

    @property
    def required(self) -> bool:
        """Say whether it must be given."""
        return self.default is dataclasses.MISSING


def is_experiment_class(value: object) -> bool:
    """Tell whether something is the class of an experiment."""
    return isinstance(value, ExperimentType)


def is_experiment(value: object) -> bool:
    """Tell whether a value is an experiment, with a grid of its own."""
    return isinstance(type(value), ExperimentType)


_known: WeakKeyDictionary[type, dict[str, Declared]] = WeakKeyDictionary()


def fields_of(cls: type) -> dict[str, Declared]:
    """Give the fields of an experiment's class by name, in order."""
    if cls not in _known:
        settle(cls)
        hints = hints_of(cls)
        _known[cls] = {
            each.name: Declared(
                each.name,
                hints.get(each.name, Any),
                _default(each),
                each.metadata.get("help", ""),
                init=each.init,
            )
            for each in getattr(cls, "__dataclass_fields__", {}).values()
            if _is_field(cls, each)
        }
    return _known[cls]


def _is_field(cls: type, each: dataclasses.Field[Any]) -> bool:
    kind = each._field_type.name  # type: ignore[attr-defined] # noqa: SLF001 - dataclasses.fields() hides the others
    if kind == "_FIELD_INITVAR":
        message = f"{cls.__qualname__}.{each.name}: an InitVar is gone when a setting is made again; make it a field"
        raise SettingError(message, experiment=cls.__qualname__, field=each.name)
    return bool(kind == "_FIELD")


def default_now(cls: type, name: str) -> Any:
    """Give a field's default, fresh where it can be altered."""
    return _default(cls.__dataclass_fields__[name])  # type: ignore[attr-defined] # settled


def _default(field: dataclasses.Field[Any]) -> Any:
    # By its type: cloudpickle makes another one of a class that it brings by value.
    missing = type(dataclasses.MISSING)
    factory: Any = field.default_factory
    if not isinstance(factory, missing):
        return factory()
    return dataclasses.MISSING if isinstance(field.default, missing) else field.default


def declare(cls: type, taken: frozenset[str]) -> None:
    """Read a class's body before `dataclass` does: each of its fields gets an annotation and a default of its own."""
    if "__dataclass_fields__" in vars(cls):  # with slots, dataclass makes the class a second time
        return
    for base in cls.__bases__:
        if is_experiment_class(base):
            settle(base)
    fields = _declared_in(cls)
    cls.__annotations__ = fields
    body = dict(vars(cls))
    for name, note in fields.items():
        if _is_class_variable(note):
            continue
        if name in taken:
            message = f"{cls.__qualname__}.{name}: every experiment has a {name!r} already; call the field otherwise"
            raise SettingError(f"{message}, such as model_{name}", experiment=cls.__qualname__, field=name)
        if name in body:
            setattr(cls, name, with_fresh_default(body[name]))


def _declared_in(cls: type) -> dict[str, Any]:
    """Give the annotations of a class's body, also of fields that have none, in order."""
    notes = inspect.get_annotations(cls)
    body = vars(cls)
    inherited = getattr(cls, "__dataclass_fields__", {})
    fields: dict[str, Any] = {}
    for name in _in_order(body, notes):
        if name in notes:
            fields[name] = notes[name]
        elif name in inherited:  # another default
            fields[name] = inherited[name].type
        elif _declares(name, body[name]):
            fields[name] = Any
    return fields


def _in_order(body: Mapping[str, Any], notes: Mapping[str, Any]) -> list[str]:
    """Give the names of a class's body as they stand in it; one without a value is only among the annotations."""
    order: list[str] = []
    bare = [name for name in notes if name not in body]
    place = {name: at for at, name in enumerate(notes)}
    for name in body:
        if name in notes:
            order += [other for other in bare if place[other] < place[name] and other not in order]
        order.append(name)
    return order + [name for name in bare if name not in order]


def _declares(name: str, value: Any) -> bool:
    """Tell whether what stands in a class's body without an annotation is a field all the same."""
    if isinstance(value, (Search, dataclasses.Field)):
        return True
    data = isinstance(value, (list, dict, set, bytearray)) or is_experiment(value)
    # What a run needs of its worker is no field.
    return data and not name.startswith("_") and name != "resources"


def _is_class_variable(note: Any) -> bool:
    if isinstance(note, str):
        return _CLASS_VARIABLE.match(note) is not None
    return note is ClassVar or typing.get_origin(note) is ClassVar


def settle(cls: type) -> None:
    """See that a class is a dataclass, decorated or not; called when the decorator has had its turn."""
    made = "__dataclass_fields__" in vars(cls)
    if made or not any(map(is_experiment_class, cls.__bases__)):  # or it is Experiment itself, which has none
        return
    dataclasses.dataclass(kw_only=_by_name(cls))(cls)


def _by_name(cls: type) -> bool:
    """Tell whether a field without a default comes after one with: then all of the class's are given by name."""
    fields = dict(getattr(cls, "__dataclass_fields__", {}))
    for name, note in inspect.get_annotations(cls).items():
        if not _is_class_variable(note):
            fields[name] = vars(cls).get(name, dataclasses.field())
    missing = type(dataclasses.MISSING)
    required = [
        isinstance(each, dataclasses.Field)
        and isinstance(each.default, missing)
        and isinstance(each.default_factory, missing)
        for each in fields.values()
        if getattr(each, "kw_only", False) is not True
    ]
    return required != sorted(required, reverse=True)


def hints_of(cls: type) -> Mapping[str, Any]:
    """Give the types of fields; a name that cannot be found, as one that only type checkers import, says nothing."""
    told = told_of(cls)
    if told is not None:
        return told.hints
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        module = vars(sys.modules.get(base.__module__, typing))
        for name, note in inspect.get_annotations(base).items():
            found[name] = _read(note, module, base)
    return found


def _read(note: Any, module: dict[str, Any], cls: type) -> Any:
    if not isinstance(note, str):
        return note
    try:
        return eval(note, module, {cls.__name__: cls, **vars(cls)})  # noqa: S307 - the annotation of a loaded class
    except Exception:  # noqa: BLE001 - whatever it says is only for type checkers
        return Any


def _check_names(cls: type, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Refuse fields that are not there, and say which are missing; a class's own ``__init__`` takes what it likes."""
    if getattr(getattr(cls.__init__, "__code__", None), "co_filename", "") != "<string>":  # type: ignore[misc] # of the class
        return
    fields = {name: each for name, each in fields_of(cls).items() if each.init}
    for name in options:
        if name not in fields:
            raise no_field(cls, name, fields)
    missing = [name for name, each in fields.items() if each.required and name not in options][len(args) :]
    if missing:
        message = f"{cls.__qualname__} needs {', '.join(missing)}: give {missing[0]}=… when you make it"
        raise SettingError(
            f"{message}, or a default in the class", experiment=cls.__qualname__, field=missing[0]
        )


def no_field(cls: type, name: str, names: Iterable[str]) -> SettingError:
    """Make the error for a field that a class does not have."""
    import difflib

    near = difflib.get_close_matches(name, list(names), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    known = ", ".join(names) or "none"
    message = f"{cls.__qualname__} has no field {name!r}{hint} Its fields: {known}"
    return SettingError(message, experiment=cls.__qualname__, field=name)
