"""Data comes back from RON as it was, and no text makes the reader fail in any other way than it says."""

from __future__ import annotations

import keyword
import string
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from lattice_addons.errors import RonError
from lattice_addons.hyperstate import Tagged, ron_dumps, ron_loads

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NAMES = st.one_of(
    st.text(string.ascii_letters + "_", min_size=1),
    st.from_regex(r"[a-zA-Z_][\w]{0,5}", fullmatch=True),
    st.sampled_from(["inf", "NaN", "true", "None", "Some", "r", "b", "br", "é", *keyword.kwlist]),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS, st.binary(),
    st.builds(Tagged, NAMES),
)  # fmt: skip
KEYS = st.one_of(
    st.integers(), TEXTS, st.booleans(), st.builds(Tagged, NAMES), st.tuples(TEXTS, st.integers())
)


def named(name: str, fields: Any) -> Tagged:
    """Make a struct that is not the option of Rust, which has no name of its own in Python."""
    return Tagged("Some_" if name == "Some" else name, fields)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Make each kind of container."""
    return st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.dictionaries(NAMES, inner),
        st.dictionaries(KEYS, inner),
        st.builds(named, NAMES, st.dictionaries(NAMES, inner)),
        st.builds(named, NAMES, st.lists(inner, min_size=1)),
    )


DATA = st.recursive(SCALARS, containers, max_leaves=20)
PIECES = st.sampled_from(
    [*"()[]{}:,#!'\"\\-+.", "0x", "1e", "1_", "inf", "NaN", "Some(", "None", "true", "r#", 'r#"', '"#', "b'", 'b"',
     "//", "/*", "*/", "\n", " ", "a", "a:", "Config(", "#![enable(", "implicit_some", ")]", "\\u{", "\\x4",
     "é", "\ufeff", "\ud800", "9" * 30, "f32", "u8"]
)  # fmt: skip


@given(DATA)
def test_round_trip(data: Any) -> None:
    """What was written is read, with its types."""
    text = ron_dumps(data)
    back = ron_loads(text)
    assert back == data
    assert repr(plain(back)) == repr(plain(data))
    assert ron_dumps(back) == text


def plain(data: Any) -> Any:
    """Give data whose repr tells types, and not the kind of dict."""
    if isinstance(data, Tagged):
        return (data.name, plain(data.fields))
    if isinstance(data, dict):
        return [(plain(key), plain(value)) for key, value in data.items()]
    return type(data)(map(plain, data)) if isinstance(data, (list, tuple)) else data


@given(st.lists(PIECES).map("".join) | st.text())
@example("(" * 5000)
@example("/*" * 5000)
@example('"' + "\\" * 4999)
@example("{" + "{" * 127 + "(" * 400)
def test_no_text_makes_it_crash(text: str) -> None:
    """It reads, or says where it does not; what it reads can be written."""
    refused: RonError | None = None
    data = None
    try:
        data = ron_loads(text)
    except RonError as error:
        refused = error
    if refused is not None:
        lines = text.removeprefix("\ufeff").split("\n")
        assert 1 <= refused.line <= len(lines)
        assert 1 <= refused.column <= len(lines[refused.line - 1]) + 1
    elif "\ud800" not in text:
        assert repr(ron_loads(ron_dumps(data))) == repr(data)


@given(DATA, st.data())
def test_a_cut_text_is_refused(data: Any, draw: st.DataObject) -> None:
    """A file that was not written to its end is no other config."""
    text = ron_dumps([data])
    cut = text[: draw.draw(st.integers(0, len(text) - 2))]
    try:
        ron_loads(cut)
    except RonError:
        return
    raise AssertionError(cut)
