"""A text of Python, or the cells of a notebook as one: lines, columns, and what stands around a line."""

from __future__ import annotations

import ast
import io
import tokenize
from bisect import bisect_right
from typing import TYPE_CHECKING

from lattice_addons._quiet import quiet

from ._deep import check_depth
from ._occurrence import AROUND
from ._problem import NoPython, Problem

if TYPE_CHECKING:
    from ._occurrence import Context

__all__ = ["Source", "decoded"]


class Source:
    """A text that is read and never run; ``starts`` are the lines at which a notebook's cells begin."""

    def __init__(self, text: str, path: str, starts: list[int] | None = None) -> None:
        self.path = path
        self.text = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
        self.lines = self.text.split("\n")
        self.starts = starts or []

    def tree(self) -> ast.Module:
        """Parse it; `NoPython` when it is none."""
        check_depth(self)
        try:
            with quiet():
                return ast.parse(self.text, self.path)
        except SyntaxError as error:
            raise self.error(
                f"this is no Python: {error.msg}", error.lineno or 1, error.offset or 1
            ) from None
        except (RecursionError, MemoryError):
            raise self.error("it is nested too deeply to be parsed", 1, 1) from None
        except ValueError as error:  # null bytes, lone surrogates
            raise self.error(str(error), 1, 1) from None

    def error(self, why: str, line: int, column: int) -> NoPython:
        """Make the exception that says where it is no Python."""
        line = min(max(line, 1), len(self.lines))
        place = (self.number(line), max(column, 1))
        problem = Problem("source", why, self.path, *place, cell=self.cell(line), context=self.context(line))
        return NoPython(problem)

    def cell(self, line: int) -> int | None:
        """Give the number of the cell in which a line is, from 1; None where there are no cells."""
        return bisect_right(self.starts, line) or None

    def number(self, line: int) -> int:
        """Give a line's number, in its cell where there are cells."""
        cell = self.cell(line)
        return line if cell is None else line - self.starts[cell - 1] + 1

    def column(self, line: int, offset: int) -> int:
        """Give the column, from 1, of what the parser says stands so many bytes into a line."""
        return (
            len(self.lines[line - 1].encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "ignore")) + 1
        )

    def segment(self, node: ast.expr) -> str:
        """Give the text of an expression."""
        first, last = node.lineno, node.end_lineno or node.lineno
        lines = [line.encode("utf-8", "surrogatepass") for line in self.lines[first - 1 : last]]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return b"\n".join(lines).decode("utf-8", "surrogatepass")

    def context(self, line: int) -> Context:
        """Give the lines around a line, numbered as `number` does; of a notebook only those of its cell."""
        cell = self.cell(line)
        first = max(1 if cell is None else self.starts[cell - 1], line - AROUND)
        last = len(self.lines)
        if cell is not None and cell < len(self.starts):
            last = self.starts[cell] - 1
        around = range(first, min(last, line + AROUND) + 1)
        return tuple((self.number(each), self.lines[each - 1]) for each in around)


def decoded(data: bytes, path: str) -> str:
    """Decode the bytes of a Python file as Python does (PEP 263)."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding)
    except SyntaxError as error:  # an encoding that does not exist, or that contradicts a byte order mark
        line, why = 1, str(error.msg)
    except UnicodeDecodeError as error:
        line, why = (
            data[: error.start].count(b"\n") + 1,
            f"it is not in the encoding {error.encoding}: {error.reason}",
        )
    except (LookupError, ValueError) as error:  # an encoding that is not one of texts
        line, why = 1, str(error)
    raise Source(data.decode("utf-8", "replace"), path).error(f"it cannot be decoded: {why}", line, 1)
