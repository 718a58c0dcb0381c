"""Notebooks: parsed as files, and as the place where hyper-parameters are declared and shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.errors import SourceError
from tests.unit.hyperparams.sources import HEAD

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.hyperparams import HyperParameters


def notebook(path: Path, *cells: str) -> Path:
    """Write a notebook with these code cells, and others between them."""
    told = [{"cell_type": "markdown", "source": ['_("no", 1)']}]
    told += [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    path.write_text(json.dumps({"cells": told, "nbformat": 4}))
    return path


def test_cells_are_one_module_and_magics_are_skipped(hp: HyperParameters, tmp_path: Path) -> None:
    """Lines are counted in their cell."""
    path = notebook(
        tmp_path / "n.ipynb",
        HEAD,
        "%matplotlib inline\n!pip install x\nx = !ls\nfiles = %who_ls\nx?\n?x\nif True:\n    !ls\n    y = _('a', 1)",
        "%%bash\nfor _ in 1; do _('no', 1); done",
        "%%time\n\n_('b', 2)",
        "z = (7\n % len(_('c', 3)))",
        "await f(_('d', 4))\n",
        "s = '''\n%not magic\n'''\n_('e', 5)",
    )
    hp.parse_file(path)
    assert hp.get_values() == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
    places = {each.name: (each.cell, each.line) for each in hp.occurrences()}
    assert places == {"a": (2, 9), "b": (4, 3), "c": (5, 2), "d": (6, 1), "e": (7, 4)}
    assert hp.occurrences("b")[0].place.endswith("n.ipynb[4]:3")
    assert [number for number, _ in hp.occurrences("b")[0].context] == [1, 2, 3]


def test_what_is_wrong_is_told_with_its_cell(hp: HyperParameters, tmp_path: Path) -> None:
    """Two defaults and bad syntax; a file that is no notebook is an error, too."""
    with pytest.raises(ValueError, match=r"n.ipynb, cell 3, line 2, column 1"):
        hp.parse_file(notebook(tmp_path / "n.ipynb", HEAD, "_('a', 1)", "\n_('a', 1)"))
    with pytest.raises(SourceError, match=r"n.ipynb, cell 2, line 2"):
        hp.parse_file(notebook(tmp_path / "n.ipynb", HEAD, "x = 1\nif"))
    for text in ("{}", "[]", "not json", '{"cells": 3}', '{"cells": [{"cell_type": "code"}]}', "[" * 100_000):
        (tmp_path / "n.ipynb").write_text(text)
        with pytest.raises(SourceError, match="no notebook"):
            hp.parse_file(tmp_path / "n.ipynb")


def test_old_notebooks_are_read(hp: HyperParameters, tmp_path: Path) -> None:
    """Those of format 3 have sheets, and inputs."""
    cells = [{"cell_type": "code", "input": HEAD + "_('a', 1)"}]
    (tmp_path / "old.ipynb").write_text(json.dumps({"worksheets": [{"cells": cells}], "nbformat": 3}))
    hp.parse_file(tmp_path)
    assert hp.get_values() == {"a": 1}


def test_a_cell_that_runs_declares_and_declares_anew(
    hp: HyperParameters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In IPython itself: another default replaces the one before, and is everybody's."""
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    # Neither the reader's files, nor a history that several write to.
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell: Any = InteractiveShell(config=Config(HistoryManager={"enabled": False}))  # type: ignore[no-untyped-call]
    # The tests' own __main__ has a file.
    shell.user_ns.pop("__file__", None)
    shell.user_ns["hp"] = hp
    assert shell.run_cell("x = hp('lr', 0.1, help='rate')", store_history=True).success
    assert hp("lr") == 0.1
    assert shell.run_cell("# faster\nx = hp('lr', 0.5)", store_history=True).success
    assert hp("lr") == hp.get_value("lr") == 0.5
    assert hp.occurrences("lr").count() == 1
    assert hp.occurrences("lr")[0].place == "<cell 2>:2"
    assert hp.occurrences("lr")[0].context[1] == (2, "x = hp('lr', 0.5)")
    hp.set_value("lr", 0.7)
    assert shell.run_cell("x = hp('lr', 0.6)").success
    assert hp("lr") == 0.7, "what was set counts before any default"
    hp.reset()
    assert hp("lr") == 0.6


def test_a_cell_replaces_what_a_file_says(hp: HyperParameters) -> None:
    """The library's default is there, and another is tried."""
    hp.parse_source(HEAD + "_('lr', 0.1, min=0)", "lib.py")
    exec("hp('lr', 0.3)", {"__name__": "__main__", "hp": hp})  # noqa: S102 - as a notebook does
    assert hp("lr") == 0.3
    assert hp.occurrences("lr").count() == 2


def test_a_manager_shows_itself_as_a_table(hp: HyperParameters) -> None:
    """What stands in source is text there, whatever it looks like."""
    hp.parse_source(HEAD + "_('<b>', '<script>', help='a & b')\n_('n', 5, max=9)\n_('e', f(x))", "<m>.py")
    hp.set_value("n", 7)
    html = hp._repr_html_()
    assert "<script>" not in html
    for text in (
        "&lt;b&gt;",
        "&#x27;&lt;script&gt;&#x27;",
        "a &amp; b",
        "&lt;m&gt;.py:2",
        "9 or less",
        "<code>7</code>",
        "f(x)",
    ):
        assert text in html
    assert html.count("<tr>") == 4
