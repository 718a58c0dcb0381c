"""RON (Rusty Object Notation) becomes plain data, each value with its line, or an error with line and column."""

from __future__ import annotations

from typing import Any, NoReturn

from ._ron_data import EXTENSIONS, Char, Map, Tagged
from ._ron_scan import Scanner
from ._ron_write import ron_dumps

__all__ = ["DEPTH", "ron_dumps", "ron_loads", "ron_read"]

# What follows a path: as deep as the RON library of Rust goes.
DEPTH = 128
_WORDS = {"true": True, "false": False, "None": None}
_NO_KEY = (
    "a key of a map is a text, a number, a boolean, a character, a name, or a tuple of these; this one is {}"
)


def ron_loads(text: str) -> Any:
    """Read a text in RON.

    A struct without a name gives a dict, one with a name a `Tagged`; a tuple gives a tuple, a list a list, a map
    a dict. ``Some(x)`` is ``x``, ``None`` and ``Some(None)`` are ``None``; ``()`` is the empty tuple.

    Raises: `RonError` with ``line`` and ``column``.
    """
    return ron_read(text)[0]


def ron_read(text: str) -> tuple[Any, dict[tuple[Any, ...], int]]:
    """Read a text in RON; give the data, and the line of each value by the path that leads to it."""
    return _Reader(text).document()


class _Reader:
    """Reads one text from its start to its end."""

    def __init__(self, text: str) -> None:
        # As editors on other systems leave it.
        self.here = Scanner(text.removeprefix("\ufeff"))
        self.lines: dict[tuple[Any, ...], int] = {}
        self.extensions: set[str] = set()

    def document(self) -> tuple[Any, dict[tuple[Any, ...], int]]:
        """Read extensions, one value, and nothing more."""
        here = self.here
        here.skip()
        while here.take("#"):
            self._enable()
            here.skip()
        data = self.value((), 0)
        here.skip()
        if here.at < len(here.text):
            here.fail(f"the value is complete, and then comes {here.found()}")
        return data, self.lines

    def _enable(self) -> None:
        for sign in ("!", "[", "enable", "("):
            self._expect(sign, "#![enable(implicit_some)]")
        here = self.here
        while not self._ends(")"):
            start = here.at
            name = here.name()
            if name not in EXTENSIONS:
                known = ", ".join(sorted(EXTENSIONS))
                here.fail(f"no extension is called {name or here.found()}; there are {known}", start)
            self.extensions.add(name)
            self._part(")", "extensions")
        self._expect("]", "#![enable(implicit_some)]")

    def _expect(self, sign: str, example: str) -> None:
        self.here.skip()
        if not self.here.take(sign):
            self.here.fail(f"expected {sign!r}, found {self.here.found()}; as in {example}")

    def _ends(self, sign: str) -> bool:
        self.here.skip()
        return self.here.take(sign)

    def _part(self, end: str, what: str) -> None:
        """Pass the comma behind a part, which may be left out before the end."""
        here = self.here
        here.skip()
        if not here.take(",") and not here.text.startswith(end, here.at):
            here.fail(f"expected ',' or {end!r} in {what}, found {here.found()}")

    def value(self, path: tuple[Any, ...], depth: int) -> Any:
        """Read the value that stands here."""
        here = self.here
        here.skip()
        self.lines.setdefault(path, here.line())
        if depth > DEPTH:
            here.fail(f"more than {DEPTH} levels, one in the other")
        if here.take("("):
            return self._unnamed(path, depth)
        if here.take("["):
            return self._items("]", "a list", path, depth)
        if here.take("{"):
            return self._map(path, depth)
        for read in (here.quoted, here.char, here.number):
            found = read()
            if found is not None:
                return Char(found) if read == here.char else found
        return self._named(path, depth)

    def _named(self, path: tuple[Any, ...], depth: int) -> Any:
        here = self.here
        start = here.at
        name = here.name()
        if name is None:
            here.fail(f"expected a value, found {here.found()}")
        plain = not here.text.startswith("r#", start)
        if plain and name in _WORDS:
            return _WORDS[name]
        after = here.at
        here.skip()
        if not here.take("("):
            here.at = after
            return here.fail("Some has a value: Some(1)", start) if name == "Some" and plain else Tagged(name)
        if plain and name == "Some":
            inner = self.value(path, depth + 1)
            self._part(")", "Some(...)")
            if not self._ends(")"):
                here.fail(f"Some has one value; expected ')', found {here.found()}")
            return inner
        if self._field_follows() or here.text.startswith(")", here.at):
            return Tagged(name, self._fields(path, depth))
        return Tagged(name, self._items(")", f"{name}(...)", path, depth))

    def _field_follows(self) -> bool:
        """Tell whether a name and a colon stand here; stay before them."""
        here = self.here
        here.skip()
        start = here.at
        named = here.name() is not None
        if named:
            here.skip()
        named = named and here.text.startswith(":", here.at)
        here.at = start
        return named

    def _unnamed(self, path: tuple[Any, ...], depth: int) -> dict[str, Any] | tuple[Any, ...]:
        if not self._field_follows():
            return tuple(self._items(")", "a tuple", path, depth))
        if "explicit_struct_names" in self.extensions:
            self.here.fail("a struct without a name, and explicit_struct_names is enabled")
        return self._fields(path, depth)

    def _fields(self, path: tuple[Any, ...], depth: int) -> dict[str, Any]:
        here = self.here
        fields: dict[str, Any] = {}
        while not self._ends(")"):
            start = here.at
            name = here.name()
            if name is None:
                here.fail(f"expected the name of a field, found {here.found()}")
            if name in fields:
                here.fail(f"the field {name} stands here twice", start)
            self._expect(":", f"({name}: 1)")
            fields[name] = self.value((*path, name), depth + 1)
            self._part(")", "a struct")
        return fields

    def _items(self, end: str, what: str, path: tuple[Any, ...], depth: int) -> list[Any]:
        items: list[Any] = []
        while not self._ends(end):
            items.append(self.value((*path, len(items)), depth + 1))
            self._part(end, what)
        return items

    def _map(self, path: tuple[Any, ...], depth: int) -> Map:
        found = Map()
        while not self._ends("}"):
            start = self.here.at
            kept, self.lines = self.lines, {}
            key = self.value((), depth + 1)
            self.lines = kept
            try:
                twice = key in found
            except TypeError:
                self._refuse_key(key, start)
            if twice:
                self.here.fail(f"the key {key!r} stands here twice", start)
            self._expect(":", '{"a": 1}')
            found[key] = self.value((*path, key), depth + 1)
            self._part("}", "a map")
        return found

    def _refuse_key(self, key: object, start: int) -> NoReturn:
        kind = "a list" if isinstance(key, list) else "a map, a struct, or has one in it"
        self.here.fail(_NO_KEY.format(kind), start)
