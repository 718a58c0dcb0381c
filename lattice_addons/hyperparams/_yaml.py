"""A YAML file with its comments, and a writer that writes as its person does."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

__all__ = ["Document", "NoYaml", "writer"]

_FLOAT = "tag:yaml.org,2002:float"
# A name with nothing behind it, and the line below it: how far in it begins, and whether it is of a list.
_BELOW = re.compile(
    r"^(?P<at> *)[^\s#-][^\n]*:[ ]*(?:#[^\n]*)?\n(?:[ ]*(?:#[^\n]*)?\n)*"
    r"(?P<below> *)(?P<item>-[ ])?[^\s#]",
    re.MULTILINE,
)


class NoYaml(ValueError):  # noqa: N818 - never leaves this stage: it becomes an error that says where
    """A text is no YAML; ``line`` is where."""

    line = 1


class Document:
    """A YAML text as ruamel reads it, with comments and all; nothing but plain data is made."""

    def __init__(self, text: str) -> None:
        from ruamel.yaml.error import YAMLError

        self.yaml = writer()
        try:
            self.root = self.yaml.load(text)
        except (YAMLError, ValueError, RecursionError) as error:
            told = NoYaml(getattr(error, "problem", None) or str(error).partition("\n")[0])
            mark = getattr(error, "problem_mark", None)
            told.line = mark.line + 1 if mark is not None else 1
            raise told from None
        for found in _BELOW.finditer(text):
            inside = len(found["below"]) - len(found["at"])
            if found["item"]:
                self.yaml.indent(sequence=inside + 2, offset=inside)
            elif inside > 0:
                self.yaml.map_indent = inside


def writer() -> Any:  # noqa: ANN401 - ruamel's own
    """Give a reader and writer that keeps comments, quotes and the digits of numbers."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.Constructor, yaml.Representer = _classes()
    # A line is never broken: ruamel breaks some within a backslash and what it escapes.
    yaml.width = 2**31
    yaml.preserve_quotes = True
    return yaml


@lru_cache(maxsize=1)
def _classes() -> tuple[Any, Any]:
    """Make a reader and a writer of our own: ruamel's classes are everybody's, and it writes some floats anew."""
    from ruamel.yaml.constructor import RoundTripConstructor
    from ruamel.yaml.representer import RoundTripRepresenter

    class Written(float):
        """A number, and how it is written."""

        text = ""

    class Reader(RoundTripConstructor):
        """Reads numbers with the way in which they are written."""

    class Writer(RoundTripRepresenter):
        """Writes them the same way."""

    def read(reader: Any, node: Any) -> Written:  # noqa: ANN401 - ruamel's own
        number = Written(reader.construct_yaml_float(node))
        number.text = node.value
        return number

    Reader.add_constructor(_FLOAT, read)
    Writer.add_representer(Written, lambda each, number: each.represent_scalar(_FLOAT, number.text))
    return Reader, Writer
