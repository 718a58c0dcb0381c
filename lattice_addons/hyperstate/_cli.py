"""A function of a typed config is a program: its fields are its options."""

from __future__ import annotations

import inspect
import sys
import typing
from dataclasses import field, make_dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

from lattice_addons.errors import ConfigError, HyperStateError, LatticeError

from ._dump import dump_config
from ._hints import class_of, members
from ._load import typed
from ._overrides import overridden
from ._read import Document, read_text
from ._scheduled import adopt, keep, resolve
from ._split import Asked, split
from ._typed import BAD, build, plain
from ._unions import kinds_of
from ._versioned import upgrade

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["cli"]

R = TypeVar("R")
_OVERRIDES = """A value may also be given without dashes, as in optimizer.lr=0.1, layers[2].width=8 or
layers+={width: 8}; it counts more than the file's, and an option more than that."""


def cli(main: Callable[[Any], R], args: Sequence[str] | None = None) -> R | None:
    """Make a config of the command line, call the function with it, and give what that gives.

    ``--config FILE`` reads a file, ``optimizer.lr=0.1`` and ``--optimizer.lr 0.1`` set a value, ``--help`` shows all
    options with their types, defaults and docstrings, ``--print-config`` prints the config as YAML instead of
    running. What is wrong is told on stderr, and the program ends with the error's exit code.

    Args:
        main: A function of one argument, which is annotated with a dataclass.
        args: The arguments; left out, those of the program.

    Raises:
        ConfigError: the function does not take a config.
    """
    cls = _config_of(main)
    try:
        asked = split(cls, sys.argv[1:] if args is None else args)
        config = _config(cls, asked, inspect.getdoc(main) or "")
        shown = dump_config(config) if asked.prints else None
    except LatticeError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a program's own words
        raise SystemExit(error.exit_code) from None
    if shown is not None:
        sys.stdout.write(shown)
        return None
    return main(config)


def _config_of(main: Any) -> Any:
    wanted = "decorate a class with @dataclass and write 'def main(config: Config)'"
    name = getattr(main, "__name__", repr(main))
    parameters = list(inspect.signature(main).parameters.values())
    if len(parameters) != 1:
        message = (
            f"{name} takes {len(parameters)} arguments, and a program's function one: its config; {wanted}"
        )
        raise ConfigError(message, file="", faults=())
    try:
        tp = typing.get_type_hints(main, include_extras=True).get(parameters[0].name)
    except NameError:
        # A class made in a function, and annotations that are texts: the name is one of the callers'.
        tp = _named_by_a_caller(parameters[0].annotation)
    if class_of(tp) is None:
        message = f"the argument of {name} is not annotated with a dataclass; {wanted}"
        raise ConfigError(message, file="", faults=())
    return tp


def _named_by_a_caller(name: Any) -> Any:
    frame = sys._getframe(1)  # noqa: SLF001 - there is no public way to a caller's names
    above: Any = frame
    while above is not None:
        if name in above.f_locals:
            return above.f_locals[name]
        above = above.f_back
    return None


def _config(cls: Any, asked: Asked, described: str) -> Any:
    document = Document({}) if asked.file is None else read_text(asked.file)
    lines: dict[tuple[Any, ...], Any] = {**document.lines}
    where = asked.file or "the command line"
    data = {} if document.data is None else document.data
    is_toml = document.format == "toml"
    if not asked.options and not asked.helps:
        return typed(cls, data, asked.overrides, lines, where, missing_is_null=is_toml)
    data = overridden(upgrade(cls, data), cls, asked.overrides, lines)
    numbers, schedules = resolve(data, cls)
    fill = _fill(helps=asked.helps)
    start = build(cls, numbers, lines, where, missing_is_null=is_toml, fill=fill)
    schedules = adopt(start, schedules)
    made = _parsed(cls, [*asked.options, *(["--help"] if asked.helps else [])], start, described)
    # Once more, by pydantic: tyro knows the types, and not what Annotated asks of them.
    config = build(cls, plain(made), {}, "the command line")
    keep(config, schedules)
    return config


def _fill(*, helps: bool) -> Callable[[Any], Any]:
    """Give what stands for values that only the options can have."""
    tyro = _tyro()

    def fill(tp: Any) -> Any:
        # Of a list of dataclasses tyro must know how many there are: options can change them, and add none.
        deep = any(
            class_of(each) for kind in kinds_of(tp) for inside in get_args(kind) for each in kinds_of(inside)
        )
        if not deep:
            return tyro.MISSING
        return [] if helps else BAD

    return fill


def _tyro() -> Any:
    try:
        import tyro
    except ImportError:
        message = (
            "options with dashes and --help need tyro: pip install 'lattice-addons[cli]', or write name=value"
        )
        raise HyperStateError(message) from None
    return tyro


def _parsed(cls: Any, options: list[str], start: Any, described: str) -> Any:
    """Let tyro read the options; ``start`` has the values of those that are not given."""
    tyro = _tyro()
    settings = (tyro.conf.AvoidSubcommands,)
    text = f"{described}\n\n{' '.join(_OVERRIDES.split())}".strip()
    if {"config", "print_config"} & members(cls).keys():
        # The options of these names are fields; the file's is read all the same, and not shown.
        return tyro.cli(cls, args=options, default=start, description=text, config=settings)
    file = Annotated[str, tyro.conf.arg(metavar="FILE", help="read the config from this file")]
    prints = Annotated[
        bool, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(help="print the config as YAML, and end")
    ]
    whole = make_dataclass(
        "Arguments",
        [
            ("config", file, field(default="")),
            ("print_config", prints, field(default=False)),
            ("fields", Annotated[cls, tyro.conf.arg(name="")], field(default_factory=lambda: start)),
        ],
    )
    return tyro.cli(whole, args=options, description=text, config=settings).fields
