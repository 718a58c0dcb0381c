"""No text makes the parser crash or run code, and what is written to a file comes back."""

from __future__ import annotations

import ast
import contextlib
import string
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lattice_addons.errors import DeclarationError, HyperParameterError, SourceError
from lattice_addons.hyperparams import HyperParameters, _deep
from lattice_addons.hyperparams._parse import may_declare, parse
from lattice_addons.hyperparams._source import Source

# What Python parses differs from one to the next.
of_the_parser = pytest.mark.every_python

HEAD = "from lattice_addons.hyperparams.m import _\n"
RUN = "__import__('sys').modules['__hyper_parameters_ran__'] = 1"
REFUSED = (DeclarationError, SourceError)
# Pieces of source from which a call can come about, or something that looks like one.
PIECES = [
    *(
        "_(",
        "_",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        '"a"',
        "'b.c'",
        "1",
        ",",
        "=",
        ":",
        "\n",
        "  ",
        "\n    ",
        "\t",
        "\\\n",
    ),
    *(
        "def f(",
        "lambda ",
        "class C",
        "for _ in ",
        "import ",
        "from ",
        "global _",
        "if ",
        "else",
        "match ",
        "case ",
    ),
    *(
        "type=",
        "min=",
        "help=",
        "choices=",
        "*",
        "**",
        "#",
        '"""',
        "f'",
        "b'",
        "\\",
        "\0",
        "é",
        "\udc80",
        ";",
        "@",
    ),
    *("await ", "yield ", "return ", "with ", "as ", "not ", "-", "+", ".", RUN, f"({RUN})", "exec(", HEAD),
]


def never_ran(text: str, name: str = "source.py", *, take_all: bool = False) -> HyperParameters:
    """Parse a text; whatever stands in it, it is refused or read, and not run."""
    manager = HyperParameters("_")
    told = f"{name}, line 1"
    try:
        manager.parse_source(text, name, take_all=take_all)
    except REFUSED as error:
        told = f"{error} line {error.lineno if isinstance(error, SyntaxError) else error.line}"
    assert told.startswith(name)
    assert not told.endswith("line None")
    assert "__hyper_parameters_ran__" not in sys.modules
    return manager


@of_the_parser
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.booleans())
@example(f'_({RUN!r}, {RUN})\n_("a", ({RUN}))', True)
@example("_('a', 9" + "9" * 5000 + ")", True)
@example("_('a', {[]: 1})\n_('b', {{}})", True)
def test_no_pieces_of_source_crash_or_run(text: str, take_all: bool) -> None:
    """Put together at random, behind our import or without."""
    never_ran(HEAD + text, take_all=take_all)
    never_ran(text, take_all=take_all)


@of_the_parser
@settings(max_examples=50)
@given(st.text(max_size=200))
def test_no_text_crashes(text: str) -> None:
    """Any characters at all, as a default, a name, a hint, a comment, and as all there is."""
    never_ran(text, take_all=True)
    for source in (
        f"_({text!r}, 1)",
        f"_('a', {text!r})",
        f"_('a', 1, help={text!r})",
        f"_('a', {text})",
        f"#{text}",
    ):
        never_ran(HEAD + source)


@of_the_parser
@given(st.binary(max_size=200), st.booleans())
@example(b"# coding: utf-7\n+AF8-('a', 1)", False)
@example(b"# coding: undefined\n", False)
@example(b"# coding: idna\n\xff", False)
@example(b"\xff\xfe_\x00(\x00", False)
def test_no_bytes_crash(tmp_path_factory: pytest.TempPathFactory, data: bytes, as_notebook: bool) -> None:
    """As a file of Python, and as a notebook."""
    path = tmp_path_factory.mktemp("bytes") / ("f.ipynb" if as_notebook else "f.py")
    path.write_bytes(data)
    with contextlib.suppress(*REFUSED):
        HyperParameters("_").parse_file(path, take_all=True)


# The last is more than the parser of 3.10 survives.
@of_the_parser
@pytest.mark.parametrize("count", [300, 3000, 40_000])
@pytest.mark.parametrize(
    ("before", "piece", "after"),
    [("x", ".b", ""), ("x", "+x", ""), ("", "-", "1"), ("", "not ", "1"), ("f", "()", ""), ("f", "[0]", ""),
     ("", "1 if x else ", "1"), ("", "lambda:", "1"), ("", "(", ""), ("", "[", "]"),
     ("if x: pass\n", "elif x: pass\n", ""),
     ("", "'a'", ""), ("x", "**x", ""), ("", "await ", "x"), ("", "@x\n", "class C: pass"), ("", "f'{x}'", ""),
     ("", "_('a',", "")],
)  # fmt: skip
def test_depth_does_not_crash(before: str, piece: str, after: str, count: int) -> None:
    """What nests deeper than the parser can go is refused, where it would take the process down."""
    never_ran(HEAD + f"_('a', 1)\n{before}{piece * count}{after}\n")


@of_the_parser
def test_depth_counts_what_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that is long and flat is not deep; on 3.10 what is too deep is refused before it is parsed."""
    flat = "[" + "(1, -2, 'a' + 'b'), " * 6000 + "]\n" + "x = f(1).b\n" * 6000 + '"""' + "+(" * 12_000 + '"""'
    assert _deep.depth(flat) < 20
    assert _deep.depth("x" + ".b" * 500) >= 500
    monkeypatch.setattr(_deep, "_REFUSES", True)
    never_ran(HEAD + flat)
    manager = HyperParameters("_")
    with pytest.raises(SourceError, match="nested too deeply"):
        manager.parse_source("x" + "()" * 20_000)


NAMES = st.sampled_from(["_", "hp", "x"])
BINDINGS = [
    "from lattice_addons.hyperparams.m import _ as {}", "from m import {}", "{} = 1", "for {} in y: pass",
    "def {}(): pass", "class {}: pass", "lambda {}: 1", "import {}", "global {}", "with y as {}: pass",
    "try: pass\nexcept E as {}: pass", "[1 for {} in y]", "({} := 1)", "{}('call', 1)", "del {}", "{}: int",
]  # fmt: skip


@of_the_parser
@settings(max_examples=100)
@given(st.recursive(
    st.tuples(st.sampled_from(BINDINGS), NAMES).map(lambda each: each[0].format(each[1])),
    lambda inner: st.tuples(st.sampled_from(["def f({}):", "class C:", "if x:", "async def g(*, {}=1):"]), NAMES,
                            st.lists(inner, min_size=1, max_size=4)).map(
        lambda each: each[0].format(each[1]) + "\n" + textwrap.indent("\n".join(each[2]), "    ")
    ),
    max_leaves=12,
))  # fmt: skip
def test_names_mean_what_python_says(source: str) -> None:
    """A call is taken if and only if Python's own table of symbols finds our import in the scope of the name."""
    import symtable

    text = "z = 1\n" + source
    try:
        table = symtable.symtable(text, "source.py", "exec")
    except SyntaxError:  # what parses, and is none all the same: two declarations of one name
        return
    found = {each.line for facts in parse(Source(text, "source.py")).values() for each in facts.occurrences}
    assert found == set(expected(table, ast.parse(text)))


def expected(table: Any, tree: ast.Module) -> list[int]:
    """Give the lines of the calls that are ours, by scopes that Python's compiler found."""
    ours: dict[int, set[str]] = {}
    places: list[tuple[int, str, Any]] = []

    def tables(node: ast.AST, at: Any, above: list[Any]) -> None:
        children = {
            (child.get_lineno(), child.get_name(), child.get_type()): child for child in at.get_children()
        }
        for child in ast.iter_child_nodes(node):
            inner = at
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                inner = children[child.lineno, child.name, children_type(children, child.lineno, child.name)]
            if isinstance(child, ast.ImportFrom) and child.module == "lattice_addons.hyperparams.m":
                name = child.names[0].asname or ""
                home = next((each for each in [at, *above] if owns(each, name)), above[-1] if above else at)
                ours.setdefault(id(home), set()).add(name)
            if isinstance(child, ast.Call) and isinstance(child.func, ast.Name):
                places.append((child.lineno, child.func.id, [at, *above]))
            tables(child, inner, above if inner is at else [at, *above])

    tables(tree, table, [])
    lines = []
    for line, name, scopes in places:
        first = scopes[0].lookup(name)
        if first.is_global() and not (first.is_local() and scopes[0].get_type() == "module"):
            home = scopes[-1]
        else:
            home = next((each for number, each in enumerate(scopes)
                         if (each.get_type() != "class" or number == 0) and owns(each, name)), scopes[-1])  # fmt: skip
        if name in ours.get(id(home), ()):
            lines.append(line)
    return lines


def children_type(children: dict[Any, Any], line: int, name: str) -> Any:
    """Give the kind of the scope that begins on a line."""
    return next(kind for at, known, kind in children if (at, known) == (line, name))


def owns(table: Any, name: str) -> bool:
    """Tell whether a scope binds a name itself."""
    try:
        symbol = table.lookup(name)
    except KeyError:
        return False
    return bool(symbol.is_local())


LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=9)
    | st.sampled_from(["1e3", "yes", "null", "0x10", "~", "on", "1:2", "- a", "# x", "{}", "2020-01-01", " "])
    | st.sampled_from(["''", "\x85"]),
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple)
    | st.dictionaries(st.text(max_size=9) | st.sampled_from(["a.b", "$literal", "1", "<<"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=100)
@given(
    st.dictionaries(st.text(string.ascii_letters + "_-", min_size=1, max_size=5), LITERALS, max_size=4),
    st.booleans(),
)
def test_files_give_back_what_was_saved(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any], as_json: bool
) -> None:
    """Every value that a literal can say, in both forms, also when it is saved over itself."""
    path = tmp_path_factory.mktemp("values") / ("v.json" if as_json else "v.yaml")
    one, two = HyperParameters("_"), HyperParameters("_")
    one.set_values(values, strict=False)
    for manager in (one, two):
        for name in values:
            manager(name, None)
    try:
        one.save_file(path)
    except HyperParameterError:  # nan in a tuple, a lone surrogate in bytes' company: no literal
        return
    two.load_file(path)
    assert repr(two.get_values()) == repr(values)
    before = path.read_text(encoding="utf-8")
    one.save_file(path)
    assert path.read_text(encoding="utf-8") == before


@given(
    st.lists(
        st.sampled_from(["_", "(", " ", "\\\n", "# x\n", "\n", "a", "9", "é", ".", "'_('", "("]), max_size=12
    ).map("".join)
)
@example("_ \\\n('a')")
@example("(_ # x\n\n # y\n ('a'))")
def test_the_quick_look_misses_no_call(text: str) -> None:
    """Where the parser finds a call, the look that comes first has said that there may be one."""
    try:
        calls = [each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.Call)]
    except (SyntaxError, ValueError):
        return
    if any(isinstance(each.func, ast.Name) and each.func.id == "_" for each in calls):
        assert may_declare(text.encode(), "_")


def test_the_whole_library_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file of a package of the standard library: those that a quick look passes over have nothing in them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = Path(ast.__file__).parent / "email"
    manager = HyperParameters("_")
    manager.parse_file(folder, take_all=True)
    expected = sum(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_"
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
    )
    assert manager.occurrences().count() == expected
