"""The smallest parts of a RON text: blanks, comments, names, numbers and quoted texts, each with its place."""

from __future__ import annotations

import re
from typing import NoReturn

from lattice_addons.errors import RonError

__all__ = ["Scanner"]

_BLANK = re.compile(r"[ \t\n\r\v\f\u0085\u200e\u200f\u2028\u2029]*")
_WORD = re.compile(r"\w+")
_RAW_NAME = re.compile(r"r#([\w.+\-]+)")
_RAW_TEXT = re.compile(r'(b?)r(#*)"')
_COMMENT_MARK = re.compile(r"/\*|\*/")
_PLAIN_TEXT = re.compile(r'[^"\\]*')
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?:"
    r"0x(?P<x>[0-9a-fA-F][0-9a-fA-F_]*)|0o(?P<o>[0-7][0-7_]*)|0b(?P<b>[01][01_]*)"
    r"|(?P<f>(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?_*[0-9][0-9_]*)?|[0-9][0-9_]*[eE][+-]?_*[0-9][0-9_]*)"
    r"|(?P<d>[0-9][0-9_]*)|(?P<n>inf|NaN)(?!\w))"
    r"(?P<suffix>[iu](?:8|16|32|64|128|size)|f32|f64)?"
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "\\": "\\", '"': '"', "'": "'"}
_HEX = re.compile(r"[0-9a-fA-F]{2}")
_UNICODE = re.compile(r"\{([0-9a-fA-F_]{1,9})\}")
_SURROGATES = range(0xD800, 0xE000)
_LAST_CODE_POINT = 0x10FFFF
_DIGITS = 4000
_BASES = {"x": 16, "o": 8, "b": 2}


class Scanner:
    """A place in a text, and what stands there."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        # The newlines before the place that was last asked for: lines are asked for from the start to the end.
        self._counted = (0, 1)

    def fail(self, message: str, at: int | None = None) -> NoReturn:
        """Raise the error that names the line and the column of a place, both from one."""
        at = self.at if at is None else at
        line = self.text.count("\n", 0, at) + 1
        column = at - (self.text.rfind("\n", 0, at) + 1) + 1
        raise RonError(f"line {line}, column {column}: {message}", line=line, column=column)

    def line(self) -> int:
        """Give the line of the place."""
        counted, line = self._counted
        line += self.text.count("\n", counted, self.at)
        self._counted = (self.at, line)
        return line

    def found(self) -> str:
        """Say what stands at the place, for an error."""
        return repr(self.text[self.at]) if self.at < len(self.text) else "the end of the text"

    def skip(self) -> None:
        """Pass blanks and comments."""
        while True:
            self.at = self._match(_BLANK).end()
            if self.text.startswith("//", self.at):
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text.startswith("/*", self.at):
                self._skip_comment()
            else:
                return

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Match a pattern that fits everywhere."""
        found = pattern.match(self.text, self.at)
        assert found is not None  # noqa: S101 - told to the type checker
        return found

    def _skip_comment(self) -> None:
        """Pass a comment and the comments in it; by a count, so that no depth of them is too much."""
        start, depth = self.at, 0
        for mark in _COMMENT_MARK.finditer(self.text, self.at):
            self.at = mark.end()
            depth += 1 if mark.group() == "/*" else -1
            if depth == 0:
                return
        self.fail("this comment is not closed: */ is missing", start)

    def take(self, sign: str) -> bool:
        """Pass a sign, if it stands here."""
        if self.text.startswith(sign, self.at):
            self.at += len(sign)
            return True
        return False

    def name(self) -> str | None:
        """Give the name that stands here and pass it, or None."""
        raw = _RAW_NAME.match(self.text, self.at)
        word = raw or _WORD.match(self.text, self.at)
        if word is None or not (raw or word.group().isidentifier()):
            return None
        self.at = word.end()
        return raw[1] if raw else word.group()

    def number(self) -> int | float | None:
        """Give the number that stands here and pass it, or None."""
        found = _NUMBER.match(self.text, self.at)
        if found is None:
            return None
        end = found.end()
        if end < len(self.text) and (self.text[end].isalnum() or self.text[end] in "_."):
            self.fail(f"{self.text[self.at : end + 1]!r} does not go on as a number")
        value = self._value(found)
        self.at = end
        return value

    def _value(self, found: re.Match[str]) -> int | float:
        sign = -1 if found["sign"] == "-" else 1
        suffix = found["suffix"] or ""
        if found["n"] or found["f"]:
            if suffix.startswith(("i", "u")):
                self.fail(f"{found.group()!r} is a float, and {suffix} is for whole numbers")
            text = found["n"] or found["f"].replace("_", "")
            return sign * float(text)
        for kind, base in _BASES.items():
            if found[kind]:
                return sign * int(found[kind].replace("_", ""), base)
        digits = found["d"].replace("_", "")
        if len(digits) > _DIGITS:
            self.fail(f"a number of {len(digits)} digits: more than {_DIGITS} are only read in hexadecimal")
        # Through the float's own reader: a whole number may be larger than any float.
        return float(found["sign"] + digits) if suffix.startswith("f") else sign * int(digits)

    def quoted(self) -> str | bytes | int | None:
        """Give the text, bytes or byte (``b'a'``) that stands here in quotes, and pass it; or None."""
        raw = _RAW_TEXT.match(self.text, self.at)
        if raw is not None:
            return self._raw(raw)
        start = self.at
        if self.take("b'"):
            return ord(self._one("'", of_bytes=True, start=start))
        if self.take('b"'):
            return self._text(start, of_bytes=True).encode("latin-1")
        return self._text(start, of_bytes=False) if self.take('"') else None

    def _raw(self, raw: re.Match[str]) -> str | bytes:
        end = self.text.find('"' + raw[2], raw.end())
        if end < 0:
            self.fail(f'this raw text is not closed: "{raw[2]} is missing')
        text = self.text[raw.end() : end]
        if raw[1] and not text.isascii():
            self.fail('bytes are written in ASCII, others in b"..." as \\xFF')
        self.at = end + 1 + len(raw[2])
        return text.encode("ascii") if raw[1] else text

    def _text(self, start: int, *, of_bytes: bool) -> str:
        parts = []
        while True:
            plain = self._match(_PLAIN_TEXT)
            if of_bytes and not plain.group().isascii():
                self.fail("bytes are written in ASCII, others as \\xFF")
            parts.append(plain.group())
            self.at = plain.end()
            if self.take('"'):
                return "".join(parts)
            if not self.take("\\"):
                self.fail('this text is not closed: " is missing', start)
            parts.append(self._escaped(of_bytes=of_bytes))

    def char(self) -> str | None:
        """Give the character that stands here (``'a'``), and pass it; or None."""
        start = self.at
        return self._one("'", of_bytes=False, start=start) if self.take("'") else None

    def _one(self, quote: str, *, of_bytes: bool, start: int) -> str:
        escaped = self.take("\\")
        if escaped:
            one = self._escaped(of_bytes=of_bytes)
        else:
            one = self.text[self.at : self.at + 1]
            self.at += 1
        if not one:
            self.fail("this character is not closed: ' is missing", start)
        if of_bytes and not escaped and not one.isascii():
            self.fail("a byte is written in ASCII, or as \\xFF", start)
        if not self.take(quote):
            self.fail("between ' and ' stands one character; texts stand between \" and \"", start)
        return one

    def _escaped(self, *, of_bytes: bool) -> str:
        """Give what a backslash and what follows it mean."""
        start = self.at - 1
        kind = self.text[self.at : self.at + 1]
        self.at += 1
        if kind in _ESCAPES:
            return _ESCAPES[kind]
        if kind == "x" and (byte := _HEX.match(self.text, self.at)):
            self.at = byte.end()
            return chr(int(byte.group(), 16))
        if kind == "u" and not of_bytes and (found := _UNICODE.match(self.text, self.at)):
            digits = found[1].replace("_", "")
            code = int(digits, 16) if digits else -1
            if code in _SURROGATES or not 0 <= code <= _LAST_CODE_POINT:
                self.fail(f"there is no character \\u{found.group()}", start)
            self.at = found.end()
            return chr(code)
        known = "\\n \\r \\t \\0 \\\\ \\\" \\' \\xFF" + ("" if of_bytes else " \\u{1F600}")
        self.fail(f"an unknown escape \\{kind}; there are {known}", start)
        return None
