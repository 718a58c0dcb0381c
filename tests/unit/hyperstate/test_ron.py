"""RON is read as Rust writes it, refused with its place, and written so that it reads back."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lattice_addons.errors import RonError
from lattice_addons.hyperstate import Tagged, ron_dumps, ron_loads
from lattice_addons.hyperstate._ron import ron_read
from lattice_addons.hyperstate._ron_data import Char, Map

READ: list[tuple[str, Any]] = [
    ("(a: 1, b: 2,)", {"a": 1, "b": 2}),
    ("Config(a: 1)", Tagged("Config", {"a": 1})),
    ("Config()", Tagged("Config", {})),
    ("Rgb(1, 2, 3)", Tagged("Rgb", [1, 2, 3])),
    ("North", Tagged("North", [])),
    ("()", ()),
    ("(1,)", (1,)),
    ('(1, "x", [2])', (1, "x", [2])),
    ("[[], [1, 2,]]", [[], [1, 2]]),
    ('{"a": 1, 2: true, North: 3, (1, 2): 4, \'c\': 5,}', {"a": 1, 2: True, Tagged("North"): 3, (1, 2): 4, "c": 5}),
    ("{}", {}),
    ("Some(Some(3))", 3),
    ("[None, Some(None)]", [None, None]),
    ("(a: Some((b: None)))", {"a": {"b": None}}),
    ("0xFf_ff", 0xFFFF),
    ("-0o17", -15),
    ("0b1_01", 5),
    ("+1_000", 1000),
    ("[1u8, -2i64, 1.5f32, 2f64]", [1, -2, 1.5, 2.0]),
    ("[1., .5, 1e3, 1_0.5E-1_0, -.5e+2]", [1.0, 0.5, 1000.0, 10.5e-10, -50.0]),
    ("[inf, -inf, +inf]", [math.inf, -math.inf, math.inf]),
    (r'"\n\r\t\0\\\"\'\x41\u{1F600}"', "\n\r\t\0\\\"'A\U0001f600"),
    ('"two\nlines"', "two\nlines"),
    ('r"\\n"', "\\n"),
    ('r##"a"#b"##', 'a"#b'),
    (r'b"\xff\n"', b"\xff\n"),
    ('br#"a"b"#', b'a"b'),
    (r"[b'a', b'\xff']", [97, 255]),
    (r"['a', '\'', '\u{e9}', 'é']", ["a", "'", "é", "é"]),
    ("r#type(r#a: r#true)", Tagged("type", {"a": Tagged("true")})),
    ("(inf: 1, true: 2, Some: 3)", {"inf": 1, "true": 2, "Some": 3}),
    ("/* a /* b */ c */ 1 // end", 1),
    ("/*/ 2 */ 1", 1),
    ("\ufeff#![enable(implicit_some, unwrap_newtypes,)]\n#![enable(unwrap_variant_newtypes)] (a: 1)", {"a": 1}),
    ("( /* x */ a /* y */ : /**/ 1 // z\n , )", {"a": 1}),
    ("#![enable(explicit_struct_names)] A(b: (1, 2))", Tagged("A", {"b": (1, 2)})),
]  # fmt: skip


@pytest.mark.parametrize(("text", "data"), READ)
def test_read(text: str, data: Any) -> None:
    """Each kind of value, and of the same Python type."""
    found = ron_loads(text)
    assert found == data
    assert type(found) is type(data) or isinstance(found, Map)


def test_nan_and_types() -> None:
    """NaN is no number; whole numbers and floats stay apart."""
    assert math.isnan(ron_loads("NaN"))
    assert math.isnan(ron_loads("-NaN"))
    assert [type(each) for each in ron_loads("[1, 1.0, 1e0, 0x1]")] == [int, float, float, int]
    assert type(ron_loads("'a'")) is Char


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("", 1, 1, "expected a value, found the end"),
        ("(a: 1\n b: 2)", 2, 2, "expected ',' or ')'"),
        ("(a: 1,\n  a: 2)", 2, 3, "a stands here twice"),
        ('{"k": 1,\n "k": 2}', 2, 2, "'k' stands here twice"),
        ("{[1]: 2}", 1, 2, "a list"),
        ("{(a: 1): 2}", 1, 2, "a map, a struct"),
        ("(a: )", 1, 5, "expected a value"),
        ("(a: 1", 1, 6, "the end of the text"),
        ("[1 2]", 1, 4, "expected ',' or ']'"),
        ("1 2", 1, 3, "the value is complete"),
        ("12x", 1, 1, "'12x' does not go on as a number"),
        ("1.2.3", 1, 1, "does not go on"),
        ("0x", 1, 1, "does not go on"),
        ("1.5u8", 1, 1, "for whole numbers"),
        ("9" * 5000, 1, 1, "5000 digits"),
        ('["a', 1, 2, 'not closed: "'),
        ('r#"a"', 1, 1, "not closed"),
        ("'ab'", 1, 1, "one character"),
        ("''", 1, 1, "one character"),
        ("'", 1, 1, "not closed"),
        (r'"\q"', 1, 2, "unknown escape"),
        (r'"\u{d800}"', 1, 2, "no character"),
        (r'b"\u{41}"', 1, 3, "unknown escape"),
        ('b"é"', 1, 3, "ASCII"),
        ("b'é'", 1, 1, "ASCII"),
        ("\n/* /* */", 2, 1, "not closed"),
        ("Some", 1, 1, "Some has a value"),
        ("Some(1, 2)", 1, 9, "Some has one value"),
        ("#![enable(magic)] 1", 1, 11, "no extension is called magic"),
        ("#[enable(x)] 1", 1, 2, "'!'"),
        ("#![enable(explicit_struct_names)] (a: 1)", 1, 36, "a struct without a name"),
        ("-", 1, 1, "found '-'"),
        ("[" * 1000, 1, 130, "128 levels"),
    ],
)
def test_refused_with_its_place(text: str, line: int, column: int, says: str) -> None:
    """A person finds the fault at the line and column that the error names."""
    with pytest.raises(RonError) as caught:
        ron_loads(text)
    assert says in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value).startswith(f"line {line}, column {column}: ")


def test_lines_of_values() -> None:
    """Each value has the line that it begins in."""
    _, lines = ron_read('Config(\n  a: 1,\n  b: [\n    (c: 2),\n  ],\n  d: {"k": 3},\n)')
    assert lines == {(): 1, ("a",): 2, ("b",): 3, ("b", 0): 4, ("b", 0, "c"): 4, ("d",): 6, ("d", "k"): 6}


def test_layout_for_people() -> None:
    """The fields of the outermost struct have a line each; what fits stays in one."""
    data = {
        "lr": 0.1,
        "opt": Tagged("Adam", {"betas": (0.9, 0.99)}),
        "names": Map(a=1),
        "one": (1,),
        "none": None,
    }
    assert ron_dumps(data, extensions=("implicit_some",)) == (
        "#![enable(implicit_some)]\n"
        "(\n    lr: 0.1,\n    opt: Adam(betas: (0.9, 0.99)),\n"
        '    names: {"a": 1},\n    one: (1,),\n    none: None,\n)\n'
    )
    long = ron_dumps({"words": ["x" * 30] * 4})
    assert long.count("\n") == 8
    assert ron_loads(long) == {"words": ["x" * 30] * 4}


@pytest.mark.parametrize("data", [object(), {"a": {1, 2}}, "\ud800", Tagged("a b"), [1j]])
def test_what_ron_cannot_say(data: object) -> None:
    """It is refused when it is written, and not when it is read."""
    with pytest.raises(RonError, match="cannot"):
        ron_dumps(data)


def test_no_end_and_unknown_extension() -> None:
    """A list in itself has no text; a misspelt extension would be refused by each reader."""
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(RonError, match="128 levels"):
        ron_dumps(loop)
    with pytest.raises(RonError, match="implicit_sum"):
        ron_dumps(1, extensions=("implicit_sum",))
