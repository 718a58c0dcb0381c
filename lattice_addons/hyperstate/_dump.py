"""A config is written to a file, or given as the text of one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import HyperStateError

from ._plain import plain, same
from ._read import format_of, parse_text, read_file
from ._scheduled import resolve, restore
from ._typed import build
from ._versioned import stamp, upgrade
from ._write import write_file, write_text

if TYPE_CHECKING:
    from typing import Literal

__all__ = ["dump_config"]


def dump_config(
    config: Any,
    path: str | os.PathLike[str] | None = None,
    defaults: bool = True,  # noqa: FBT001, FBT002 - the third of three
    *,
    format: Literal["yaml", "json", "toml", "ron"] = "yaml",  # noqa: A002 - what it is
) -> str:
    """Write a config, and give the text.

    A YAML file that is there already keeps its comments, its order and its way of writing. The file is replaced at
    once: it is there as a whole, or as it was.

    Args:
        config: An instance of a dataclass.
        path: The file; its ending says the format. Left out, nothing is written.
        defaults: False leaves out the fields that have their default.
        format: The format of the text, where there is no file.

    Raises:
        ConfigError: a value that no file can say.
        NoConfigError: the file cannot be written.
    """
    target = None if path is None else os.fspath(path)
    form = format if target is None else format_of(target)
    data = stamp(type(config), restore(plain(config, defaults=defaults, null=form != "toml"), config))
    over = None
    if target is not None and form == "yaml" and os.path.exists(target):
        over = read_file(target)
    text = write_text(data, form, over)
    if over is not None and not _says(text, data, type(config)):
        text = write_text(data, form, over, exact=True)
        # What has anchors and merges can be too clever for comments to be kept: the values count more.
        text = text if _says(text, data, type(config)) else write_text(data, form)
    if target is not None:
        write_file(target, text)
    return text


def _says(text: str, data: Any, cls: Any) -> bool:
    """Tell whether a text says what the data says, to this class."""
    try:
        found, schedules = resolve(upgrade(cls, parse_text(text, "yaml").data), cls)
        wanted, others = resolve(upgrade(cls, data), cls)
        return schedules == others and same(plain(build(cls, found)), plain(build(cls, wanted)))
    except HyperStateError:
        return False
