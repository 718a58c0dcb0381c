"""What is nested too deeply is refused before Python 3.10's parser overflows the stack with it."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._source import Source

__all__ = ["DEEPEST", "check_depth"]

#: The parser of 3.10 crashes somewhat beyond 30,000.
DEEPEST = 10_000
_REFUSES = sys.version_info < (3, 11)
_TOKENS = re.compile(
    r"""(?s:[rRbBuUfF]{0,2}(?:'{3}.*?'{3}|"{3}.*?"{3}))|[rRbBuUfF]{0,2}(?:'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")"""
    r"""|\#[^\n]*|\\\n|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<end>[,;\n])|(?P<link>\*\*|//|[-+*/%@&|^~.<>]|\b(?:not|if|lambda|await|and|or)\b)"""
)


def check_depth(source: Source) -> None:
    """Refuse a text that may nest deeper than the parser survives: later Pythons count for themselves."""
    if not _REFUSES or len(source.text) < DEEPEST:
        return
    if depth(source.text) > DEEPEST:
        raise source.error("it is nested too deeply to be parsed", 1, 1)


def depth(text: str) -> int:
    """Say how deep expressions nest at most, by what links them: each bracket, operator and attribute is one level."""
    deepest = total = 0
    links = [0]
    for token in _TOKENS.finditer(text):
        kind = token.lastgroup
        if kind in ("open", "link"):
            links[-1] += 1
            total += 1
            deepest = max(deepest, total)
        if kind == "open":
            links.append(0)
        elif kind == "close" and len(links) > 1:
            total -= links.pop()
        elif kind == "end" and (token[0] != "\n" or len(links) == 1):
            total -= links[-1]
            links[-1] = 0
    return deepest
