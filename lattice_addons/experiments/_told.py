"""What is told of an experiment's fields on a command line: ``--batch_size 16,32``, ``optimizer.lr=0.1``."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import SettingError

from ._fields import fields_of, is_experiment
from ._inside import Inside
from ._search import Search
from ._told_values import told_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._experiment import Experiment
    from ._fields import Declared

__all__ = ["Told", "experiment_told", "field_names", "told"]

_ASSIGNED = re.compile(r"[^\W\d][\w.-]*=", re.ASCII)


@dataclass(frozen=True)
class Told:
    """A field, as its option names it, and the text of its value; None where the option had none."""

    word: str
    text: str | None

    @property
    def path(self) -> list[str]:
        """Give the names that lead to the field; a dash may stand for an underscore."""
        return self.word.lstrip("-").replace("-", "_").split(".")


def told(words: Sequence[str]) -> list[Told]:
    """Read what stands on a command line beside its own options.

    Raises:
        SettingError: something that says of no field what it is.
    """
    found: list[Told] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if _ASSIGNED.match(word.removeprefix("--")):
            name, _, text = word.partition("=")
            found.append(Told(name, text))
        elif not word.startswith("--") or word == "--":
            message = f"{word!r} says of no field what it is; write --batch_size 16,32 or batch_size=16,32"
            raise SettingError(message, field="")
        elif waiting and not waiting[0].startswith("--") and not _ASSIGNED.match(waiting[0]):
            found.append(Told(word, waiting.pop(0)))
        else:
            found.append(Told(word, None))
    return found


def experiment_told(cls: type[Experiment], words: Sequence[Told]) -> Experiment:
    """Make an experiment with the fields that were told.

    Raises:
        SettingError: there is no such field, or it has another type.
    """
    options: dict[str, Any] = {}
    for each in words:
        _put(cls, options, each, each.path, cls)
    return cls(**options)


def field_names(cls: type[Experiment], before: str = "") -> Iterator[tuple[str, Declared]]:
    """Give the fields that can be told, those of nested experiments by their whole names."""
    for name, field in fields_of(cls).items():
        if not field.init:
            continue
        nested = _nested(field)
        if nested is None:
            yield before + name, field
        else:
            yield from field_names(type(nested), f"{before}{name}.")


def _put(
    cls: type[Experiment], options: dict[str, Any], each: Told, path: list[str], outer: type[Experiment]
) -> None:
    name, *rest = path
    fields = fields_of(cls)
    text = each.text
    if name not in fields and text is None and not rest and name.removeprefix("no_") in fields:
        name, text = name.removeprefix("no_"), "false"
    if name not in fields or not fields[name].init:
        raise _unknown(each, outer)
    field = fields[name]
    nested = options.get(name, _nested(field))
    if rest:
        if not is_experiment(nested):
            raise _unknown(each, outer)
        given = dict(Inside.of(nested).values(nested))
        _put(type(nested), given, each, rest, outer)
        options[name] = type(nested)(**given)
        return
    if is_experiment(nested):
        parts = ", ".join(f"--{name}.{part}" for part in fields_of(type(nested)))
        message = f"{outer.__qualname__}.{name} is an experiment itself; tell its fields: {parts}"
        raise SettingError(message, experiment=outer.__qualname__, field=name)
    options[name] = _value(outer, each, text, field)


def _value(outer: type[Experiment], each: Told, text: str | None, field: Declared) -> Any:
    name = ".".join(each.path)
    if text is None:
        if field.hint is not bool and not isinstance(field.default, bool):
            message = f"{each.word} needs a value, as in {each.word} 16 or {each.word} 16,32"
            raise SettingError(message, experiment=outer.__qualname__, field=name)
        text = "true"
    try:
        return told_value(text, field.hint, field.default)
    except SettingError as error:
        raise SettingError(f"{each.word}: {error}", experiment=outer.__qualname__, field=name) from None


def _unknown(each: Told, cls: type[Experiment]) -> SettingError:
    there = [name for name, _ in field_names(cls)]
    near = difflib.get_close_matches(".".join(each.path), there, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(there) or 'none'}"
    message = f"{each.word} is no option, and {cls.__qualname__} has no field of that name; {hint}"
    return SettingError(message, experiment=cls.__qualname__, field=".".join(each.path))


def _nested(field: Declared) -> Any:
    """Give the experiment that a field is; None of another field, also of one that searches among experiments."""
    return field.default if is_experiment(field.default) and not isinstance(field.default, Search) else None
