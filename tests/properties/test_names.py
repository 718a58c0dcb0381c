"""Whatever a call looks like, the variable that is found is the one that was passed, or none is."""

from __future__ import annotations

import functools
import sys
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import event, given, reject, settings
from hypothesis import strategies as st

from lattice_addons.errors import UnknownVariableError
from lattice_addons.state._names_frame import DANGLING
from tests.unit.state.door import make_door

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons.state._names_variable import Variable

NAMES = ("a", "b", "c")

# Expressions that are no plain variables, though most of them give the very object that a variable has.
EXPRESSIONS = (
    "box.{0}", "{0} if yes else {1}", "{1} if no else {0}", "{0} or {1}", "{0} and {1}", "({0} if no else {1})",
    "(again := {0})", "same({0})", "({0}, {1})[0]", "[{0}, {1}][-1]", "{{1: {0}}}[1]", "keep[0]", "(lambda: {0})()",
    "[{0} for _ in keep][0]", "[{0} for {0} in [{0}]][0]", "box.{0} if yes else {0}", "same(x={0})",
    "not {0}", "'text'", "({0} if yes else {1}) or {1}", "same(same({0}))", "[*[{0}]][0]", "{0}.itself",
)  # fmt: skip
KEYS = (
    "'k'", "f'k{{{0}}}'", "'k' if yes else 'l'", "'k' or 'l'", "str(keep)", "(key := 'k')", "texts[0]", "texts[0:1][0]",
    "'k' + 'l'", "'k' * 2", "str([{1}, {0}])", "same('k')", "str({0} is {1})", "str(not {0})", "'k' if no else {0}",
    "str([{0} for _ in keep])", "str([{1} for {1} in keep])", "str({{'{0}': {0}, **{{}}}})", "(lambda: 'k')()",
    "box.text", "str(({0}, *keep))", "str(yes and no)",
)  # fmt: skip
CALLS = (
    "mgr.update({key}, {value})", "mgr.update({key}, value={value})", "mgr.update(key={key}, value={value})",
    "mgr.update(value={value}, key={key})", "track({key}, {value})", "Door.update(mgr, {key}, {value})",
    "Door.update(mgr, value={value}, key={key})", "mgr.update(\n    {key},\n    {value},\n)",
    "mgr.update(  # a comment\n    value=\n    {value}, key={key})", "(mgr if yes else box).update({key}, {value})",
    "(lambda: mgr.update({key}, {value}))()", "same(mgr.update({key}, {value}))",
    "[mgr.update({key}, {value}) for _ in keep][0]", "[mgr.update({key}, {value}) for {0} in [{0}]][0]",
    "next(mgr.update({key}, {value}) for _ in keep)", "{{1: mgr.update({key}, {value}) for {1} in [{1}]}}[1]",
    "[[mgr.update({key}, {value}) for {0} in [{0}]] for {0} in [{0}]][0][0]",
    "mgr.update(*({key}, {value}))", "mgr.update({key}, **dict(value={value}))", "apply(mgr.update, {key}, {value})",
    "next(map(mgr.update, [{key}], [{value}]))", "partial(mgr.update, {key})({value})",
)  # fmt: skip
# With one of these a plain variable must be found, wherever it stands among the arguments.
PLAIN_KEYS = (
    "'k'",
    "box.text",
    "'k' + 'l'",
    "'k' * 2",
    "str(keep)",
    "texts[0]",
    "str([{1}, {0}])",
    "same('k')",
)
REFUSED = ("mgr.update(*", "mgr.update({key}, **", "apply(", "next(map(", "partial(")
STATEMENTS = (
    "found.append({call})", "v = {call}\nfound.append(v)", "if yes: found.append({call})\nelse: pass",
    "assert not found.append({call})", "for _ in keep: found.append({call})",
    "while True:\n    found.append({call})\n    break", "try:\n    found.append({call})\nfinally: key = 0",
    "with box: found.append({call})", "found.extend([{call}])", "found.append({call} if yes else None)",
    "found.append(yes and {call})", "try: 1 / 0\nexcept ZeroDivisionError as why: found.append({call})",
    "def inner():\n    return {call}\nfound.append(inner())", "class Body:\n    found.append({call})",
    "def inner({0}):\n    return {call}\nfound.append(inner({0}))",
    "def inner(n, {0}, me):\n    if n: return me(0, {0}, me)\n    return {call}\nfound.append(inner(2, {0}, inner))",
)  # fmt: skip
SCOPES = (
    "{body}",
    "def run(a, b, c):\n{block}\n    end()\nrun(a, b, c)",
    "def run(a, b, c):\n{block}\n    yield\nfor _ in run(a, b, c): end()",
    "async def run(a, b, c):\n{block}\ntry: run(a, b, c).send(None)\nexcept StopIteration: pass",
    "def outer(a, b, c):\n    def run():\n        nonlocal a, b, c\n{block2}\n    run()\nouter(a, b, c)",
    "class Body:\n    a, b, c = a, b, c\n{block}",
    "def run(a, b, c):\n{block}\n    return lambda: (a, b, c)\nrun(a, b, c)",
)


MOVE = "\na, b, c = fresh"


@dataclass(frozen=True)
class Site:
    """A program with one call, and the name that it passes; None when that is no plain variable."""

    source: str
    name: str | None
    plain: bool
    """Whether a name must be found, and not only may be."""
    moves: bool
    """Whether the variable has another value when the program ends."""


@st.composite
def sites(draw: st.DrawFn) -> Site:
    """Make a program around one call."""
    first, second = draw(st.sampled_from([(x, y) for x in NAMES for y in NAMES if x != y]))
    name = draw(st.sampled_from(NAMES)) if draw(st.booleans()) else None
    value = name or draw(st.sampled_from(EXPRESSIONS)).format(first, second)
    key = draw(st.sampled_from(KEYS)).format(first, second)
    shape = draw(st.sampled_from(CALLS))
    call = shape.format(first, second, key=key, value=value)
    statement = draw(st.sampled_from(STATEMENTS))
    body = statement.format(first, second, call=call)
    scope = draw(st.sampled_from(SCOPES))
    # Variables of comprehensions and of functions within are others than those that move; what stands in a
    # class body, but in a scope of its own, does not see the body's.
    within = any(
        word in shape + statement for word in ("lambda", "for _ in keep]", "next(", "def ", "class ")
    )
    still = "for {" in shape or "{0}" in statement or (scope.startswith("class") and within)
    # Where Python leaves the frame of a deleted generator dangling, what was last seen in it is kept.
    still = still or (DANGLING and "next(" in shape)
    moves = not still and draw(st.booleans())
    if moves:
        body += MOVE
    source = scope.format(
        body=body, block=textwrap.indent(body, "    "), block2=textwrap.indent(body, " " * 8)
    )
    plain = key in PLAIN_KEYS and not shape.startswith(REFUSED)
    if "for {" in shape and (within or scope not in SCOPES[:2]):
        # From 3.12 on a comprehension's variable may share its name with a closure's of the same frame, and is refused.
        plain = plain and sys.version_info < (3, 12)
    return Site(source, name, plain=plain and name is not None, moves=moves)


class Thing:
    """An object that is itself wherever it comes from."""

    def __init__(self) -> None:
        self.itself = self


class Box:
    """Attributes, and a block to be in."""

    text = "k"

    def __enter__(self) -> None:
        """Enter the block."""

    def __exit__(self, *_: object) -> None:
        """Leave the block."""


def apply(function: Callable[..., object], *arguments: object) -> object:
    """Call a function from a frame of its own."""
    return function(*arguments)


def program(*, alike: bool) -> dict[str, Any]:
    """Make the names that a program finds; where they are alike, all variables have one object."""
    mgr = make_door()
    things = dict.fromkeys(NAMES, Thing()) if alike else {name: Thing() for name in NAMES}
    box = Box()
    box.__dict__.update(things)

    return {
        **things,
        "mgr": mgr,
        "Door": type(mgr),
        "track": mgr.update,
        "box": box,
        "keep": list(things.values())[:1],
        "texts": ["k"],
        "yes": True,
        "no": False,
        "same": lambda x: x,
        "found": [],
        "end": lambda: None,
        "apply": apply,
        "partial": functools.partial,
        "fresh": (Thing(), Thing(), Thing()),
    }


# Enough to meet the rare pairs of a call's shape and what is around it; a longer profile tries more.
@settings(max_examples=max(500, settings().max_examples))
@given(site=sites(), alike=st.booleans())
def test_the_variable_that_is_found_is_the_one_that_was_passed(site: Site, alike: bool) -> None:
    """A plain variable is found by its name, unless what surrounds it is too complicated; all else is refused."""
    names = program(alike=alike)
    try:
        code = compile(site.source, "<generated>", "exec")
    except SyntaxError:
        # A few combinations are no Python, such as an assignment expression in a comprehension of a class body.
        reject()
    try:
        exec(code, names)  # noqa: S102 - the program that was generated
    except UnknownVariableError:
        event("refused")
        assert not site.plain, site.source
        return
    event("found")
    found: list[Variable] = [one for one in names["found"] if one is not None]
    assert found, site.source
    assert {variable.name for variable in found} == {site.name}, site.source
    moved = dict(zip(NAMES, names["fresh"], strict=True))
    expected = moved[site.name or ""] if site.moves else getattr(names["box"], site.name or "")
    assert [variable.read() for variable in found] == [expected] * len(found), site.source
