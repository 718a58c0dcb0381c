"""Hyper-parameters become options of a command line: one each, and four that act on all of them."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import HyperParameterError, HyperParametersChangedError, LatticeError

from ._hints import kinds, range_told
from ._kinds import Unfit
from ._occurrence import MISSING
from ._shown import FORMS, print_list
from ._texts import value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._declared import Declared
    from ._manager import HyperParameters

__all__ = ["bind"]

_PREFIX = "hp:"


def bind(parser: argparse.ArgumentParser, manager: HyperParameters, *, resume: str | None = None) -> None:
    """Add an option for each hyper-parameter that is known now to a parser, and the actions on all of them.

    ``optimizer.warmup_steps`` is ``--optimizer.warmup-steps``. The actions are ``--hp-list [table|detail|yaml|json]``,
    ``--hp-save FILE``, ``--hp-load FILE`` and ``--hp-exit``. Whatever their order on the command line, the file is
    loaded first, then the options count, then values are saved, and then listed. The namespace gets the values in
    force, too, where it has no attribute of that name from another argument. ``resume`` is `carry_on`'s rule.

    Raises:
        HyperParameterError: the parser has an option of that name already, or two names make the same one.
    """
    group = parser.add_argument_group("hyper-parameters")
    for name in manager.names():
        known = manager.declaration(name)
        if known is not None:
            _add_option(group, manager, known)
    actions = parser.add_argument_group("hyper-parameters, all of them")
    _add(actions, "--hp-list", nargs="?", const="detail", choices=FORMS, metavar="FORM",
         help="list them: " + ", ".join(FORMS) + " (default: detail)")  # fmt: skip
    _add(
        actions,
        "--hp-save",
        metavar="FILE",
        help="save their values to a YAML or JSON file, after all other options",
    )
    _add(
        actions,
        "--hp-load",
        metavar="FILE",
        help="load their values from such a file, before all other options",
    )
    _add(actions, "--hp-exit", action="store_true", help="end after that")
    _Bound(parser, manager, resume).wrap()


def _add(group: argparse._ArgumentGroup, option: str, **settings: Any) -> None:  # noqa: ANN401 - argparse's
    try:
        group.add_argument(option, dest=_PREFIX + option, default=argparse.SUPPRESS, **settings)
    except argparse.ArgumentError as error:
        message = f"the option {option} is there already ({error}): rename the hyper-parameter or the option"
        raise HyperParameterError(message, name=option) from None


def _add_option(group: argparse._ArgumentGroup, manager: HyperParameters, known: Declared) -> None:
    option = "--" + re.sub(r"[\s_=]+", "-", known.name)
    settings: dict[str, Any] = {"type": _reader(known), "help": _help(manager, known)}
    wanted = kinds(known.value, known.hints)
    if wanted is not None and "bool" in wanted:
        settings |= {"nargs": "?", "const": True}
    settings["metavar"] = _metavar(known, wanted)
    try:
        group.add_argument(option, dest=_PREFIX + known.name, default=argparse.SUPPRESS, **settings)
    except argparse.ArgumentError as error:
        where = f" at {known.occurrences[0].place}" if known.occurrences else ""
        message = (
            f"{known.name}{where}: the option {option} is there already ({error}); rename one of the two"
        )
        raise HyperParameterError(message, name=known.name) from None


def _reader(known: Declared) -> Callable[[str], Any]:
    def read(text: str) -> Any:  # noqa: ANN401 - of any type
        try:
            return value_of(text, known)
        except Unfit as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def _metavar(known: Declared, wanted: tuple[str, ...] | None) -> str:
    choices: Any = known.hints.get("choices")
    if choices:
        return "{" + ",".join(map(str, choices)) + "}"
    return "|".join(each.upper() for each in wanted) if wanted else "VALUE"


def _help(manager: HyperParameters, known: Declared) -> str:
    value = manager.get_value(known.name) if manager.is_set(known.name) else known.value
    source = known.default.default if known.default is not None else None
    told = [str(known.hints["help"])] if "help" in known.hints else []
    if range_told(known.hints):
        told.append(range_told(known.hints))
    shown = repr(value) if value is not MISSING else source
    told += [f"(default: {shown})"] if shown is not None else ["(no default)"]
    return " ".join(told).replace("%", "%%")


class _Bound:
    """A parser whose answers act on a manager: once all arguments are known, in the order that counts."""

    def __init__(self, parser: argparse.ArgumentParser, manager: HyperParameters, resume: str | None) -> None:
        self._parser = parser
        self._manager = manager
        self._resume = resume
        self._depth = 0

    def wrap(self) -> None:
        """Stand between the parser and all that ask it; so it is with a sub-parser, too."""
        for method in ("parse_known_args", "parse_known_intermixed_args"):
            setattr(self._parser, method, self._wrapped(getattr(self._parser, method)))

    def _wrapped(self, parse: Callable[..., tuple[argparse.Namespace, list[str]]]) -> Callable[..., Any]:
        def parsed(args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # noqa: ANN401 - argparse's
            self._depth += 1
            try:
                # One of these methods calls the other.
                if self._depth > 1:
                    return parse(args, namespace)
                waived = self._waive(args)
                try:
                    namespace, rest = parse(args, namespace)
                finally:
                    for action in waived:
                        action.required = True
            finally:
                self._depth -= 1
            self._act(namespace)
            return namespace, rest

        return parsed

    def _waive(self, args: Sequence[str] | None) -> list[argparse.Action]:
        """Ask for no arguments of a program that will not run."""
        import sys

        given = sys.argv[1:] if args is None else args
        if "--hp-exit" not in given:
            return []
        waived = [action for action in self._parser._actions if action.required]  # noqa: SLF001 - no public way
        for action in waived:
            action.required = False
        return waived

    def _act(self, namespace: argparse.Namespace) -> None:
        """Load, set, save, list, end: in this order, whatever stands first."""
        told = {key: value for key, value in vars(namespace).items() if key.startswith(_PREFIX)}
        for key in told:
            delattr(namespace, key)
        given = {key.removeprefix(_PREFIX): value for key, value in told.items()}
        load, save, form, leave = (
            given.pop(f"--hp-{each}", None) for each in ("load", "save", "list", "exit")
        )
        try:
            self._set(load, given)
            if save is not None:
                self._manager.save_file(save)
        except HyperParametersChangedError:
            raise  # no mistake on the command line
        except LatticeError as error:
            self._parser.error(str(error))
        if form is not None:
            print_list(self._manager, form)
        if leave:
            self._parser.exit()
        for name, value in self._manager.get_values().items():
            if not hasattr(namespace, name):
                setattr(namespace, name, value)

    def _set(self, load: str | None, given: dict[str, Any]) -> None:
        if load is not None:
            self._manager.load_file(load)
        self._manager.set_values(given)
        if self._resume is not None:
            # Not before: what the command line says is said in this process.
            self._manager.carry_on(resume=self._resume)
