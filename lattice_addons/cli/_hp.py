"""``lattice hp``: the hyper-parameters of a tree of source, which is read and never run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import CheckpointError, HyperParameterError

from ._output import add_json_argument, print_json, print_table

if TYPE_CHECKING:
    import argparse

    from lattice_addons.hyperparams import HyperParameters

_ACTIONS = ("list", "save", "diff", "check")
_OF_FILES = ("save", "diff")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    _let_words_stand_anywhere(parser)
    parser.usage = (
        "lattice hp PATH... [--placeholder NAME] [list | save FILE | diff FILE | check] "
        "[--form FORM] [--take-all]"
    )
    parser.add_argument(
        "words",
        nargs="+",
        metavar="PATH",
        help="files, folders and notebooks, then what to do: list (default), save FILE, diff FILE, or check; "
        "FILE is a YAML or JSON file of values, and for diff also other source",
    )
    parser.add_argument(
        "--placeholder", default="_", metavar="NAME", help="the name that is called (default: _)"
    )
    parser.add_argument(
        "--take-all", action="store_true", help="take every call of that name, imported from Lattice or not"
    )
    parser.add_argument(
        "--form",
        default="detail",
        choices=("table", "detail", "yaml", "json"),
        help="how to list them (default: detail)",
    )
    parser.add_argument("--no-cache", action="store_true", help="read every file anew")
    add_json_argument(parser)


def _let_words_stand_anywhere(parser: argparse.ArgumentParser) -> None:
    """Take an action also behind options, where argparse looks for no more words."""
    parse = parser.parse_known_args

    def parsed(args: Any = None, namespace: Any = None) -> tuple[argparse.Namespace, list[str]]:  # noqa: ANN401
        found, rest = parse(args, namespace)
        found.words += [word for word in rest if not word.startswith("-")]
        return found, [word for word in rest if word.startswith("-")]

    parser.parse_known_args = parsed  # type: ignore[method-assign, assignment]


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    paths, action, file = _understood(options.words)
    if action == "check":
        return _check(options, paths)
    manager = _parsed(options, paths)
    if action == "save":
        manager.save_file(file)
    elif action == "diff":
        return _diff(options, manager, file)
    elif options.json:
        print_json([each.record() for each in manager.occurrences()])
    else:
        from lattice_addons.hyperparams import print_list

        print_list(manager, options.form)
    return 0


def _understood(words: list[str]) -> tuple[list[str], str, str]:
    """Tell paths, action and file apart; the action stands after the paths, or before them all."""
    at = next((number for number, word in enumerate(words) if word in _ACTIONS), None)
    if at is None:
        return words, "list", ""
    action, paths, rest = words[at], words[:at], words[at + 1 :]
    file = ""
    if action in _OF_FILES:
        if not rest:
            raise HyperParameterError(f"name a file: lattice hp PATH… {action} FILE", name="")
        file, *rest = rest
    if not paths + rest:
        raise HyperParameterError(
            f"name the source: lattice hp PATH… {action}; ./{action} is a path", name=""
        )
    return paths + rest, action, file


def _parsed(options: argparse.Namespace, paths: list[str]) -> HyperParameters:
    from lattice_addons.hyperparams import HyperParameters

    manager = HyperParameters(options.placeholder)
    manager.parse_file(paths, take_all=options.take_all, cache=not options.no_cache)
    return manager


def _check(options: argparse.Namespace, paths: list[str]) -> int:
    from lattice_addons.hyperparams import check

    found = check(paths, options.placeholder, take_all=options.take_all, cache=not options.no_cache)
    if options.json:
        print_json(found)
    for each in found if not options.json else ():
        print(each, end="\n\n")
    return CheckpointError.exit_code if found else 0


def _diff(options: argparse.Namespace, manager: HyperParameters, file: str) -> int:
    before = manager.get_values()
    if os.path.isdir(file) or file.endswith((".py", ".ipynb")):
        after = _parsed(options, [file]).get_values()
    else:
        # A name that the file lacks keeps its default when the file is loaded.
        after = before | manager.read_file(file, strict=False)
    rows: list[dict[str, Any]] = [
        {"name": name, **{side: repr(values[name]) if name in values else None for side, values in sides}}
        for sides in [(("here", before), (file, after))]
        for name in sorted({*before, *after})
        if name not in before or name not in after or repr(before[name]) != repr(after[name])
    ]
    if options.json:
        print_json(rows)
    else:
        print_table(f"hyper-parameters, here and in {file}", rows, empty=": no difference")
    return 1 if rows else 0
