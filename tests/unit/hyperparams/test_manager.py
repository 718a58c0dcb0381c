"""Managers by name, the order in which values count, and what is refused."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lattice_addons.errors import (
    HyperParameterError,
    HyperParameterValueError,
    LatticeError,
    UnknownHyperParameterError,
)
from lattice_addons.hyperparams import HyperParameters, m, manager
from tests.program import clean_environ
from tests.unit.hyperparams.sources import HEAD


def test_the_same_name_is_the_same_manager() -> None:
    """However it is asked for, from whatever thread; different names are independent."""
    from lattice_addons.hyperparams.m import _, annotations, one, two

    assert one is m.one is manager("one") is copy.deepcopy(one) is pickle.loads(pickle.dumps(one))
    assert one is not two
    assert isinstance(_, HyperParameters)
    assert isinstance(annotations, HyperParameters), "a name that `from __future__` would give a module"
    one.set_value("x", 1, strict=False)
    assert not two.exists("x")
    with ThreadPoolExecutor(8) as pool:
        assert len({id(each) for each in pool.map(lambda _: manager("raced"), range(64))}) == 1


def test_what_is_no_identifier_is_no_placeholder() -> None:
    """And what Python itself asks of a module is no manager."""
    with pytest.raises(HyperParameterError, match="identifier"):
        manager("not one")
    assert not hasattr(m, "__path__")


def test_importing_a_manager_imports_nothing_heavy() -> None:
    """Neither rich nor ruamel, nor argparse, nor what checkpoints need."""
    code = "import sys; from lattice_addons.hyperparams.m import _; _('a', 1); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean_environ()
    )
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"rich", "ruamel", "ruamel.yaml", "argparse", "orjson", "pandas", "difflib"})
    assert not any(name.startswith(("lattice_addons.state", "lattice_addons.storage")) for name in loaded)


def test_a_call_gives_what_was_set_then_its_default_then_the_parsed_one(hp: HyperParameters) -> None:
    """In this order, and else a KeyError."""
    hp.parse_source(HEAD + '_("lr", 0.1)\n')
    assert hp("lr") == 0.1
    assert hp("lr", 0.5) == 0.5
    hp.set_value("lr", 0.9)
    assert hp("lr") == hp("lr", 0.5) == hp.get_value("lr") == 0.9
    hp.reset("lr")
    assert hp("lr") == 0.1
    with pytest.raises(KeyError):
        hp("other")


def test_a_default_of_a_call_that_ran_is_no_default_of_others(hp: HyperParameters) -> None:
    """`_("a")` must not depend on who ran before; asking the manager tells what is in force."""
    assert hp("a", 3) == 3
    with pytest.raises(KeyError):
        hp("a")
    assert hp.get_value("a") == 3
    assert hp.exists("a")


def test_a_missing_value_says_where_it_is_used(hp: HyperParameters) -> None:
    """The line that asks, and the lines that the parser found."""
    hp.parse_source(HEAD + "x = 1\n" + '_("rate")\n_("expr", f(x))\n', "model.py")
    with pytest.raises(UnknownHyperParameterError) as caught:
        hp("rate")
    assert "'rate'" in str(caught.value)
    assert caught.value.places[1:] == ("model.py:3",)
    assert caught.value.places[0].startswith("tests/unit/hyperparams/test_manager.py:")
    with pytest.raises(UnknownHyperParameterError, match=r"no literal but f\(x\)"):
        hp("expr")
    assert isinstance(caught.value, LatticeError)
    with pytest.raises(UnknownHyperParameterError, match="did you mean 'rate'"):
        hp("rat")


def test_get_value_has_a_last_resort(hp: HyperParameters) -> None:
    """As a dictionary's: for a name without a value, and only for that."""
    hp.parse_source(HEAD + '_("a", 1)')
    assert hp.get_value("a", 2) == 1
    assert hp.get_value("b", 2) == 2
    assert hp.get_value("b", None) is None
    with pytest.raises(UnknownHyperParameterError):
        hp.get_value("b")


def test_none_is_a_value(hp: HyperParameters) -> None:
    """As a default and when it is set."""
    hp.parse_source(HEAD + '_("a", None)')
    assert hp("a") is None
    assert hp("b", None) is None
    hp.set_value("a", 3)
    hp.set_value("a", None)
    assert hp("a", 1) is None


def test_only_what_is_declared_can_be_set(hp: HyperParameters) -> None:
    """The nearest names are told; who wants to set it nevertheless says so."""
    hp.parse_source(HEAD + '_("learning_rate", 0.1)')
    with pytest.raises(UnknownHyperParameterError, match="did you mean 'learning_rate'"):
        hp.set_value("learning_rte", 1.0)
    hp.set_value("later", 3, strict=False)
    assert hp("later", 5) == 3
    assert hp.get_values() == {"learning_rate": 0.1, "later": 3}


def test_what_was_set_before_it_was_declared_is_checked_when_it_is_used(hp: HyperParameters) -> None:
    """A value of the wrong type does not slip in that way."""
    hp.set_value("n", "many", strict=False)
    with pytest.raises(HyperParameterValueError, match="n: 'many' is a str, and it takes int"):
        hp("n", 5)
    with pytest.raises(HyperParameterValueError):
        hp("n", 5)
    hp.set_value("n", 7, strict=False)
    assert hp("n", 5) == 7


def test_what_was_set_before_it_was_declared_in_source_is_checked_too(hp: HyperParameters) -> None:
    """Then the call that uses it need not have a default."""
    hp.set_value("n", "many", strict=False)
    hp.parse_source(HEAD + '_("n", 5)')
    with pytest.raises(HyperParameterValueError, match=r"n .*: 'many' is a str, and it takes int"):
        hp("n")
    hp.set_value("n", 7)
    assert hp("n") == 7


@pytest.mark.parametrize("names", [("a", "a.b"), ("a.b.c", "a")])
def test_a_leaf_and_a_branch_are_not_set_together(hp: HyperParameters, names: tuple[str, ...]) -> None:
    """One of them would hide the other; none of them is set."""
    with pytest.raises(HyperParameterError, match="cannot both be"):
        hp.set_values(dict.fromkeys(names, 1), strict=False)
    assert hp.names() == []


def test_several_are_set_or_none(hp: HyperParameters) -> None:
    """An error in one leaves the others as they were."""
    hp.parse_source(HEAD + '_("a", 1)\n_("b", 2)')
    with pytest.raises(HyperParameterValueError):
        hp.set_values({"a": 10, "b": "x"})
    assert hp.get_values() == {"a": 1, "b": 2}
    hp.set_values({"a": 10, "b": 20})
    assert hp.get_values() == {"a": 10, "b": 20}
    hp.reset()
    assert hp.get_values() == {"a": 1, "b": 2}
    with pytest.raises(UnknownHyperParameterError):
        hp.reset("c")


def test_threads_may_do_everything_at_once(hp: HyperParameters) -> None:
    """Readers see the old or the new value of a pair, and nobody fails."""
    hp.parse_source(HEAD + '_("a", 0)\n_("b", 0)')
    failures: list[BaseException] = []
    stop = threading.Event()

    def guarded(action: object) -> None:
        try:
            while not stop.is_set():
                action()  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 - it is what the test is about
            failures.append(error)

    actions = [
        lambda: hp.set_values({"a": 1, "b": 1}),
        lambda: hp.parse_source(HEAD + '_("c", 1)', "c.py"),
        lambda: hp("d", [1]),
        lambda: (hp.get_values(), hp.in_force(), hp.occurrences(), hp.names()),
        hp.reset,
    ]
    threads = [threading.Thread(target=guarded, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    stop.wait(0.3)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize("name", ["", ".", "a.", ".a", "a..b", " a", "a\nb"])
def test_what_is_no_name_is_refused(hp: HyperParameters, name: str) -> None:
    """In source, in a call, and when it is set."""
    with pytest.raises(HyperParameterError):
        hp.parse_source(f"{HEAD}_({name!r}, 1)")
    with pytest.raises(HyperParameterError):
        hp(name, 1)
    with pytest.raises(HyperParameterError):
        hp.set_value(name, 1, strict=False)
    assert hp.names() == []


def test_a_name_that_is_no_text_is_refused(hp: HyperParameters) -> None:
    """With a word about it."""
    with pytest.raises(HyperParameterError, match="not 3"):
        hp(3, 1)  # type: ignore[call-overload]
    with pytest.raises(HyperParameterError, match="not 3"):
        hp(3)  # type: ignore[call-overload]
