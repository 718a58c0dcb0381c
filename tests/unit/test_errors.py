"""Every error of the tree is raised by a test that reads its text, and has its facts wherever it goes."""

from __future__ import annotations

import ast
import copy
import io
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lattice_addons import errors

if TYPE_CHECKING:
    from lattice_addons.errors import LatticeError

TESTS = Path(__file__).parents[1]
CLASSES = [getattr(errors, name) for name in errors.__all__]
# The built-in exceptions that a caller who knows nothing of Lattice would catch.
BUILT_IN = (ImportError, LookupError, NameError, OSError, RuntimeError, SyntaxError, TypeError, ValueError)


def read_by(path: Path) -> set[str]:
    """Name the errors that the tests of a file expect, and whose texts they read."""
    text = path.read_text(encoding="utf-8")
    if "raises(" not in text:
        return set()
    lines = text.splitlines()
    found: set[str] = set()
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef):
            continue
        source = "\n".join(lines[function.lineno - 1 : function.end_lineno])
        for block in ast.walk(function):
            for item in block.items if isinstance(block, ast.With) else ():
                found |= read_in(item, source)
    return found


def read_in(item: ast.withitem, source: str) -> set[str]:
    """Name the errors that ``with pytest.raises(…)`` expects, if their text is matched or looked at."""
    call = item.context_expr
    if not isinstance(call, ast.Call) or not ast.unparse(call.func).endswith("raises") or not call.args:
        return set()
    caught = ast.unparse(item.optional_vars) if item.optional_vars is not None else ""
    matched = any(word.arg == "match" for word in call.keywords)
    if not matched and not (caught and re.search(rf"str\({caught}\.value\)|return {caught}\.value", source)):
        return set()
    kinds = call.args[0].elts if isinstance(call.args[0], ast.Tuple) else [call.args[0]]
    return {ast.unparse(kind).rpartition(".")[2] for kind in kinds}


@pytest.mark.one_python
def test_every_error_is_raised_and_read_by_a_test() -> None:
    """One that no test provokes may never be raised, and one whose text nobody reads may help nobody."""
    here = set().union(*(read_by(path) for path in TESTS.rglob("test_*.py")))
    assert sorted({error.__name__ for error in CLASSES} - here) == []


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_an_error_keeps_its_text_and_its_facts(error: type[LatticeError]) -> None:
    """Printed, copied, and sent from one process to another."""
    facts = dict.fromkeys(error.__annotations__, 3)
    made = error("what, where: and 'what' to do", **facts)
    for each in (made, copy.copy(made), pickle.loads(pickle.dumps(made)), sent_with_traceback(made)):
        assert type(each) is error
        assert str(each) == "what, where: and 'what' to do"
        assert {name: getattr(each, name) for name in facts} == facts


def sent_with_traceback(error: LatticeError) -> object:
    """Give what arrives where exceptions are sent with their tracebacks, as Dask's workers do by tblib."""
    support = pytest.importorskip("tblib.pickling_support")
    file = io.BytesIO()
    pickler = pickle.Pickler(file)
    pickler.dispatch_table = {type(error): support.pickle_exception}
    pickler.dump(error)
    return pickle.loads(file.getvalue())


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_an_error_says_what_it_is(error: type[LatticeError]) -> None:
    """By its docstring, which names its facts, by its status, and by the door through which it is imported."""
    described = error.__doc__ or ""
    for fact in error.__annotations__.keys() - {"exit_code"}:
        assert f"``{fact}``" in described, fact
    assert error.__module__ == "lattice_addons.errors"
    assert 64 <= error.exit_code <= 78
    leaf = not error.__subclasses__()
    assert not leaf or issubclass(error, BUILT_IN) or error is errors.NotSavedError
