"""Source is read and never run: what is found in it, and what is wrong with it, to the column."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import (
    DeclarationError,
    DuplicateDeclarationError,
    HyperParameterError,
    NoSourceError,
    SourceError,
)
from tests.unit.hyperparams.sources import HEAD

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.hyperparams import HyperParameters


def test_defaults_are_literals_or_stay_as_they_are_written(hp: HyperParameters) -> None:
    """All kinds of literals; other expressions are shown as their source, and never run."""
    hp.parse_source(
        HEAD
        + '_("int", -1); _("float", 1e-3); _("tuple", (0.9, 0.99)); _("dict", {"a": [1, {2}]})\n'
        + '_("text", "a" "b"); _("raw", r"\\d"); _("escape", "\\d"); _("none", None); _("bytes", b"x")\n'
        + '_("complex", 1+2j); _("bool", True); _("long", """a\nb""")\n'
        + '_("run", __import__("os").abort()); _("sum", 1 + 1); _("name", x); _("f", f"{x}")\n'
        + '_("spread", [\n  1,  # one\n  2,\n]); _("no default")\n'
    )
    assert hp.get_values() == {
        "int": -1,
        "float": 1e-3,
        "tuple": (0.9, 0.99),
        "dict": {"a": [1, {2}]},
        "text": "ab",
        "raw": r"\d",
        "escape": r"\d",
        "none": None,
        "bytes": b"x",
        "complex": 1 + 2j,
        "bool": True,
        "long": "a\nb",
        "spread": [1, 2],
    }
    shown = {each.name: each.default for each in hp.occurrences() if each.name not in hp.get_values()}
    assert shown == {
        "run": '__import__("os").abort()',
        "sum": "1 + 1",
        "name": "x",
        "f": 'f"{x}"',
        "no default": None,
    }


def test_calls_are_found_wherever_they_stand(hp: HyperParameters) -> None:
    """In functions, classes, defaults, decorators, comprehensions, conditions, lambdas, f-strings and patterns."""
    hp.parse_source(
        HEAD
        + '@d(_("decorator", 1))\ndef f(x=_("default", 1), *, y: _("annotation", 1) = _("kw", 1)) -> _("returns", 1):\n'
        + '    return [_("element", 1) for i in _("iterable", 1) if _("if", 1)], lambda z=_("lz", 1): _("lambda", 1)\n'
        + 'class C(_("base", 1), metaclass=_("meta", 1)):\n    a = _("attribute", 1)\n'
        + '    def m(self):\n        async def g():\n            await _("awaited", 1)\n'
        + "if (n := _('walrus', 1)) and f\"{_('fstring', 1)}\": pass\n"
        + 'match 1:\n    case 1 if _("guard", 1): pass\n'
        + 'try:\n    pass\nexcept _("except", 1) as e:\n    pass\n'
        + 'with _("with", 1) as w: pass\n'
    )
    assert set(hp.names()) == {
        *("decorator", "default", "annotation", "kw", "returns", "element", "iterable", "if", "lz", "lambda"),
        *("base", "meta", "attribute", "awaited", "walrus", "fstring", "guard", "except", "with"),
    }


@pytest.mark.parametrize(
    ("source", "line", "column", "told"),
    [
        ("x = _(name, 1)", 2, 7, "a literal string, and not name"),
        ('x = _(f"a{1}", 1)', 2, 7, "a literal string"),
        ("x = _(1)", 2, 7, "a literal string, and not 1"),
        ("\n\nx = _()", 4, 5, "0 of them"),
        ('x = _("a", 1, 2)', 2, 5, "3 of them"),
        ("x = _(*args)", 2, 5, "with a star"),
        ('x = _("a", *args)', 2, 5, "with a star"),
        ('x = _(name="a")', 2, 5, "0 of them"),
        ('x = _("ä", 1, help=text)', 2, 20, "the hint help of 'ä' is no literal"),
        ('x = _("a", 1, type=Model)', 2, 20, "builtin type"),
        ('x = _("a", 1, **hints)', 2, 17, "not by **"),
        ('x = _("a", 1, choices=3)', 2, 23, "a list, tuple or set"),
        ('x = _("a", 1, min=[1])', 2, 19, "can be compared"),
        ('x = _("a", 1, help=3)', 2, 20, "help is a text"),
        ('x = _("a", 5, max=3)', 2, 5, "against its own hints: 5 is not 3 or less"),
        ('x = _("a", "x", type=int)', 2, 5, "'x' is a str, and it takes int"),
        ('x = _("a", 5, choices=[1, 2])', 2, 5, "none of the choices: 1, 2"),
    ],
)  # fmt: skip
def test_what_is_declared_wrongly_is_told_with_its_place(
    hp: HyperParameters, source: str, line: int, column: int, told: str
) -> None:
    """File, line, column, and the lines around it with that one marked; nothing of the file is taken."""
    with pytest.raises(DeclarationError) as caught:
        hp.parse_source(f'{HEAD}_("good", 1)\n{source}', "model.py")
    error = caught.value
    assert (error.path, error.line, error.column) == ("model.py", line + 1, column)
    assert f"model.py, line {line + 1}, column {column}: " in str(error)
    assert told in str(error)
    marked = next(text for text in str(error).splitlines() if "==>" in text)
    assert marked.endswith(source.splitlines()[-1])
    assert "1: from lattice_addons" in str(error)
    assert hp.names() == []
    assert isinstance(error, ValueError)


def test_two_defaults_are_an_error_that_names_both_places(hp: HyperParameters, tmp_path: Path) -> None:
    """Equal ones, too: one of them will be changed and not the other."""
    (tmp_path / "one.py").write_text(HEAD + '_("lr", 0.1)\n')
    (tmp_path / "two.py").write_text(HEAD + '\n_("lr", 0.1)\n_("other", 1)\n')
    with pytest.raises(DuplicateDeclarationError) as caught:
        hp.parse_file(tmp_path)
    assert caught.value.name == "lr"
    assert [place.rpartition("/")[2] for place in caught.value.places] == ["one.py:2", "two.py:3"]
    assert "one.py" in str(caught.value)
    assert "two.py, line 3, column 1" in str(caught.value)
    assert hp.names() == []
    hp.parse_file(tmp_path / "one.py")
    with pytest.raises(DuplicateDeclarationError):
        hp.parse_file(tmp_path / "two.py")
    assert hp.get_values() == {"lr": 0.1}, "an error leaves what was known before"


def test_hints_stand_at_one_place_or_are_the_same(hp: HyperParameters) -> None:
    """Those of all occurrences count; contradictions are an error."""
    hp.parse_source(HEAD + '_("a", 1)\n_("a", min=0, help="h")\n_("a", help="h")')
    assert hp.occurrences("a").count() == 3
    with pytest.raises(DuplicateDeclarationError, match="another hint min"):
        hp.parse_source(HEAD + '_("a", min=1)', "other.py")


@pytest.mark.parametrize(
    "source",
    [
        HEAD + "def f(:\n  pass",
        HEAD + "x = (",
        HEAD + "  x",
        HEAD + "a\0b",
        HEAD + "\udc80",
        HEAD + "if x:\npass",
    ],
)
def test_what_is_no_python_is_a_syntax_error_with_its_place(hp: HyperParameters, source: str) -> None:
    """As Python's own, and of our tree."""
    with pytest.raises(SourceError) as caught:
        hp.parse_source(source, "bad.py")
    assert isinstance(caught.value, SyntaxError)
    assert caught.value.filename == "bad.py"
    assert "bad.py, line " in str(caught.value)
    assert "==>" in str(caught.value)


def test_encodings_are_honoured(hp: HyperParameters, tmp_path: Path) -> None:
    """PEP 263: cookies and byte order marks; what cannot be decoded is an error with its line."""
    path = tmp_path / "model.py"
    path.write_bytes(b"# -*- coding: latin-1 -*-\n" + HEAD.encode() + '_("größe", 1)\n'.encode("latin-1"))
    hp.parse_file(path)
    assert hp.names() == ["größe"]
    assert hp.occurrences()[0].column == 1
    path.write_bytes(b"\xef\xbb\xbf" + HEAD.encode().replace(b"\n", b"\r\n") + b'_("crlf", 1)\r\n')
    hp.parse_file(path)
    assert hp.names() == ["crlf"]
    assert hp.occurrences()[0].line == 2
    path.write_bytes(b"# coding: utf-7\nfrom lattice_addons.+AGg-yperparams.m import _\n_('seven', 1)\n")
    hp.parse_file(path)
    assert hp.names() == ["seven"]
    for bad, line in (
        (HEAD.encode() + b'\n_("gr\xf6\xdfe", 1)', 3),
        (b"# coding: no-such-encoding\n" + HEAD.encode(), 1),
        (b"# coding: rot13\n" + HEAD.encode(), 1),
        (b"\xef\xbb\xbf# coding: latin-1\n" + HEAD.encode(), 1),
    ):
        path.write_bytes(bad)
        with pytest.raises(SourceError) as caught:
            hp.parse_file(path)
        assert caught.value.lineno == line


def test_folders_are_parsed_with_all_that_is_below(hp: HyperParameters, tmp_path: Path) -> None:
    """Each file once, however often it is named or linked; hidden folders and environments are passed over."""
    for place in (
        "a.py",
        "sub/deep/b.py",
        ".hidden/c.py",
        "__pycache__/d.py",
        "venv/lib/e.py",
        "f.txt",
        "_g.py",
    ):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{HEAD}_({path.stem!r}, 1)")
    (tmp_path / "venv/pyvenv.cfg").touch()
    (tmp_path / "sub/link.py").symlink_to(tmp_path / "a.py")
    (tmp_path / "sub/gone.py").symlink_to(tmp_path / "nowhere.py")
    (tmp_path / "sub/loop").symlink_to(tmp_path)
    hp.parse_file([tmp_path, str(tmp_path / "a.py"), tmp_path / "sub"])
    hp.parse_file(tmp_path)
    assert sorted(hp.names()) == ["_g", "a", "b"]
    hp.parse_file(tmp_path / "f.txt")
    assert "f" in hp.names(), "a file that is named is Python, whatever it is called"


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere a path may be of any length, or no folder so deep"
)
def test_a_folder_that_cannot_be_read_is_told(
    hp: HyperParameters, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is beside it is read; here its path is longer than the system takes."""
    (tmp_path / "a.py").write_text(HEAD + '_("a", 1)')
    name = "d" * 200
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(22):
        os.mkdir(name, dir_fd=folder)
        below = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    hp.parse_file(tmp_path, cache=False)
    assert hp.names() == ["a"]
    assert caplog.text.count("is passed over: it cannot be read (File name too long)") == 1
    shutil.rmtree(tmp_path / name)


def test_a_path_that_does_not_exist_is_an_error(hp: HyperParameters, tmp_path: Path) -> None:
    """It is a FileNotFoundError, and names the path."""
    with pytest.raises(NoSourceError, match="nowhere") as caught:
        hp.parse_file([tmp_path, tmp_path / "nowhere"])
    assert isinstance(caught.value, FileNotFoundError)
    assert caught.value.path == os.fspath(tmp_path / "nowhere")
    with pytest.raises(NoSourceError):
        hp.parse_file("a\0b")


def test_a_file_that_has_changed_counts_as_it_is_now(hp: HyperParameters, tmp_path: Path) -> None:
    """Also when its name is gone from it."""
    path = tmp_path / "model.py"
    path.write_text(HEAD + '_("a", 1)\n_("b", 1)')
    hp.parse_file(path)
    path.write_text(HEAD + '_("a", 22)\n')
    hp.parse_file(path)
    assert hp.get_values() == {"a": 22}
    path.write_text("")
    hp.parse_file(path)
    assert hp.names() == []


def test_a_leaf_is_no_branch(hp: HyperParameters) -> None:
    """Both places are told."""
    with pytest.raises(DuplicateDeclarationError) as caught:
        hp.parse_source(HEAD + '_("a.b.c", 1)\n_("a", 1)', "tree.py")
    assert caught.value.places == ("tree.py:3", "tree.py:2")
    hp.parse_source(HEAD + '_("a.b.c", 1)')
    with pytest.raises(HyperParameterError, match=r"'a\.b' and 'a\.b\.c'"):
        hp.set_value("a.b", 1, strict=False)
    with pytest.raises(HyperParameterError):
        hp("a.b.c.d", 1)


def test_one_warning_filter_is_left_as_it_was(hp: HyperParameters, recwarn: pytest.WarningsRecorder) -> None:
    """Invalid escapes in somebody's source are not told."""
    hp.parse_source(HEAD + '_("a", "\\d")\nx = "\\w"')
    assert len(recwarn) == 0
