"""The options of a program that runs experiments; whatever else stands on its command line is of their fields."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ACTIONS", "program_arguments"]

ACTIONS = ("results", "plot")
#: Before an option of ours whose name a field has as well.
OURS = "--run."
_EXAMPLE = """examples:
  %(prog)s RQ1 --num_proc 4                   every setting that is not done yet
  %(prog)s index.RQ1 --batch_size 16,32 --lr "log_uniform(1e-5,0.1)" --sampler random --samples 50
  %(prog)s path/file.py:RQ1 --rerun failed    those that failed once more
  %(prog)s results RQ1 --where "loss<0.5" --sort loss
  %(prog)s plot RQ1 --metric loss"""


def program_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments, and let the parser take fields as options, too."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLE
    parser.usage = (
        "%(prog)s NAME [--num_proc N] [--FIELD VALUE]... [option]...\n"
        "       %(prog)s results NAME [option]...\n"
        "       %(prog)s plot NAME [option]..."
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="NAME",
        help="which experiment: RQ1, index.RQ1, path/file.py:RQ1 or package.module.RQ1; of a file, all that are in it. "
        "Options that are not listed are its fields, as are words such as batch_size=16,32",
    )
    ways = {"run": _running, "results": _results, "plot": _plotting}
    common = _common(parser)
    _take_fields(parser, {way: {**common, **declare(parser)} for way, declare in ways.items()})


def _common(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    group = parser.add_argument_group("options")
    return _by_name(
        group.add_argument(
            "--root",
            metavar="URL",
            help="the folder or URL below which journal, logs and results are "
            "(default: experiments/progress in the project)",
        ),
        group.add_argument(
            "--limit", type=_count, metavar="N", help="at most so many settings, or rows of results"
        ),
    )


def _running(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    group = parser.add_argument_group("running it")
    add = group.add_argument
    return _by_name(
        add(
            "--num_proc",
            "--num-proc",
            type=_whole,
            default=1,
            metavar="N",
            help="on so many processes (default: 1; 0: within this one, for a debugger)",
        ),
        add(
            "--resume",
            action=argparse.BooleanOptionalAction,
            help="leave out what is done, which is what happens without a terminal; or run everything again",
        ),
        add(
            "--rerun",
            action="append",
            metavar="NAME",
            help="run this setting again, or all that are `failed`, `killed` or `pruned`; may be given several times",
        ),
        add("--clean", action="store_true", help="remove what earlier runs have left, and begin afresh"),
        add("--dry-run", "--dry_run", action="store_true", help="only list the settings that would be run"),
        add("--fail-fast", "--fail_fast", action="store_true", help="stop at the first setting that fails"),
        add("--sampler", metavar="NAME", help="grid (default), random, or one of Optuna's, such as tpe"),
        add("--samples", type=_count, metavar="N", help="how many settings the sampler draws"),
        add("--seed", type=int, metavar="N", help="of the sampler: the same one draws the same settings"),
        add(
            "--objective",
            metavar="COLUMN",
            help="the result that the sampler looks at (default: the class's)",
        ),
        add("--direction", choices=("minimize", "maximize"), help="what the objective should become"),
        add("--dask", metavar="ADDRESS", help="run on the Dask cluster at this address"),
    )


def _results(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    group = parser.add_argument_group("its results")
    add = group.add_argument
    return _by_name(
        add(
            "--where",
            action="append",
            default=[],
            metavar="CONDITION",
            help="only rows such as loss<0.5, opt=adam, opt!=sgd or name~lr=0.1 (a pattern); all of several must hold",
        ),
        add("--sort", metavar="COLUMN", help="by this column; with a - before it, the largest first"),
        add("--columns", metavar="A,B", help="only these columns"),
        add(
            "--export",
            metavar="FILE",
            help="write them to a .csv, .json, .jsonl or .parquet file, with all columns",
        ),
        add("--json", action="store_true", help="answer in JSON, for programs"),
        add(
            "--all-versions",
            "--all_versions",
            action="store_true",
            help="those of earlier versions of the class, too",
        ),
    )


def _plotting(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    group = parser.add_argument_group("a plot of them")
    add = group.add_argument
    return _by_name(
        add("--metric", metavar="COLUMN", help="what is drawn (default: the objective, or the first number)"),
        add("--by", metavar="A,B", help="against these fields (default: those that are searched)"),
        add("--parallel", action="store_true", help="as parallel coordinates"),
        add("--png", metavar="FILE", help="write a picture, instead of drawing in the terminal"),
    )


def _by_name(*actions: argparse.Action) -> dict[str, argparse.Action]:
    return {name: action for action in actions for name in action.option_strings}


def _take_fields(parser: argparse.ArgumentParser, known: Mapping[str, Mapping[str, argparse.Action]]) -> None:
    """Hand the parser what it knows, and keep the rest, which argparse would refuse."""
    parse = parser.parse_known_args

    def parsed(args: Any = None, namespace: Any = None) -> tuple[argparse.Namespace, list[str]]:
        args = sys.argv[1:] if args is None else args
        way = args[0] if args and args[0] in ACTIONS else "run"
        ours, rest, plain = _split(args, known[way])
        asks = way == "run" and len(ours) > 1 and {"-h", "--help"} & {*ours}
        if asks:
            ours = [word for word in ours if word not in ("-h", "--help")]
        found, left = parse(ours, namespace)
        if way != "run":
            return found, left + rest
        found.fields, found.given, found.explain = rest, plain, bool(asks)
        return found, left

    parser.parse_known_args = parsed  # type: ignore[method-assign, assignment]


def _split(
    args: Sequence[str], known: Mapping[str, argparse.Action]
) -> tuple[list[str], list[str], list[str]]:
    """Tell apart what the parser knows, and what is of fields; also give our options that were given by plain names."""
    ours: list[str] = []
    rest: list[str] = []
    plain: list[str] = []
    waiting = list(args)
    while waiting:
        word = waiting.pop(0)
        name, equals, text = word.partition("=")
        own = "--" + name.removeprefix(OURS)
        own = own if name.startswith(OURS) else name
        if own in known:
            plain += [own] if own == name else []
            if not equals and known[own].nargs != 0 and waiting:
                equals, text = "=", waiting.pop(0)  # joined: it may begin with a dash
            ours.append(own + equals + text)
        elif word in ("-h", "--help") or not (word.startswith("-") or equals):
            ours.append(word)
        else:
            rest.append(word)
            if not equals and waiting and not waiting[0].startswith("--") and "=" not in waiting[0]:
                rest.append(waiting.pop(0))
    return ours, rest, plain


def _whole(text: str) -> int:
    return _number(text, 0)


def _count(text: str) -> int:
    return _number(text, 1)


def _number(text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
    return int(text)
